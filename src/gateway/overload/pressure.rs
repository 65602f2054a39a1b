//! How much of its memory and descriptors the process uses.
//!
//! Owns where that is read: `/proc` and the control group. Elsewhere than on Linux nothing is known and nothing is refused.

use std::fs;
use std::path::Path;

/// Descriptors that clients never get: for upstreams, the store and the admin listener (rule N4).
const LEAST_RESERVE: u64 = 64;

const CGROUPS: &str = "/sys/fs/cgroup";
/// What the kernel counts resident memory in, on every system that is released for.
const PAGE: u64 = 4096;

/// What the process can be short of, where it can give some back.
pub(super) const MEMORY: &str = "memory";

/// How much there is.
#[derive(Clone, Debug)]
pub struct Capacity {
    /// Bytes of resident memory; `None`: no limit is known.
    memory: Option<u64>,
    /// Open descriptors.
    descriptors: Option<u64>,
}

/// Makes the allocator look for memory of this thread that it could give back to the system. It does so once in ten thousand
/// allocations that are not small, which a process that refuses everybody does not make for minutes.
pub(super) fn give_back() {
    const ALLOCATIONS: usize = 10_000;
    const SIZE: usize = 64 * 1024;
    for _ in 0..ALLOCATIONS {
        drop(std::hint::black_box(Vec::<u8>::with_capacity(SIZE)));
    }
}

/// How near the end of something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Strain {
    None,
    /// 90 %
    High,
    /// 95 %
    Severe,
    /// 98 %
    Full,
}

impl Strain {
    const ALL: [Self; 4] = [Self::None, Self::High, Self::Severe, Self::Full];

    pub(super) fn level(self) -> u8 {
        match self {
            Self::None => 0,
            Self::High => 1,
            Self::Severe => 2,
            Self::Full => 3,
        }
    }

    pub(super) fn of_level(level: u8) -> Self {
        Self::ALL.into_iter().find(|strain| strain.level() == level).unwrap_or(Self::None)
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::High => "high",
            Self::Severe => "severe",
            Self::Full => "full",
        }
    }

    fn of(used: u64, capacity: u64) -> Self {
        let reaches = |percent: u64| used.saturating_mul(100) >= capacity.saturating_mul(percent);
        match () {
            () if reaches(98) => Self::Full,
            () if reaches(95) => Self::Severe,
            () if reaches(90) => Self::High,
            () => Self::None,
        }
    }
}

impl Capacity {
    /// That of this process; `memory` replaces the limit of its control group.
    pub fn of_process(memory: Option<u64>) -> Self {
        let descriptors = rlimit::getrlimit(rlimit::Resource::NOFILE).ok().map(|(soft, _)| soft);
        Self { memory: memory.or_else(cgroup_memory), descriptors }
    }

    /// The first descriptor of the reserve.
    pub(super) fn reserve_from(&self) -> u64 {
        self.descriptors.map_or(u64::MAX, |all| all.saturating_sub((all / 10).max(LEAST_RESERVE)))
    }

    /// The greatest strain there is, and of what.
    pub(super) fn strain(&self) -> (Strain, &'static str) {
        let strain = |used: Option<u64>, capacity: Option<u64>| match (used, capacity) {
            (Some(used), Some(capacity)) => Strain::of(used, capacity),
            (None, _) | (_, None) => Strain::None,
        };
        let memory = strain(self.memory.and_then(|_| resident()), self.memory);
        let descriptors = strain(open_descriptors(), self.descriptors);
        if descriptors > memory { (descriptors, "descriptors") } else { (memory, MEMORY) }
    }
}

/// Bytes, from the second number of `statm`.
fn resident() -> Option<u64> {
    let statm = fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split(' ').nth(1)?.parse().ok()?;
    Some(pages * PAGE)
}

/// The size of the folder is their number since Linux 6.2; before, they are counted.
fn open_descriptors() -> Option<u64> {
    const FOLDER: &str = "/proc/self/fd";
    match fs::metadata(FOLDER).ok()?.len() {
        0 => u64::try_from(fs::read_dir(FOLDER).ok()?.count()).ok(),
        open => Some(open),
    }
}

fn cgroup_memory() -> Option<u64> {
    memory_limit(&fs::read_to_string("/proc/self/cgroup").ok()?, Path::new(CGROUPS))
}

/// The least `memory.max` from the group of the process up to the root, in version 2.
fn memory_limit(own: &str, root: &Path) -> Option<u64> {
    let group = own.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let folder = root.join(group);
    let limits = folder.ancestors().take_while(|folder| folder.starts_with(root));
    limits.filter_map(|folder| fs::read_to_string(folder.join("memory.max")).ok()?.trim().parse().ok()).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    // N8
    #[test]
    fn strain_begins_at_nine_tenths() {
        let rows =
            [(0, Strain::None), (899, Strain::None), (900, Strain::High), (950, Strain::Severe), (980, Strain::Full)];
        for (used, strain) in rows {
            assert_eq!(Strain::of(used, 1000), strain, "{used}");
            assert_eq!(Strain::of_level(strain.level()), strain);
        }
        assert_eq!(Strain::of(u64::MAX, u64::MAX), Strain::Full);
    }

    // N4
    #[test]
    fn a_reserve_is_kept() {
        let from = |descriptors| Capacity { memory: None, descriptors }.reserve_from();
        assert_eq!((from(Some(512)), from(Some(20_000)), from(Some(10))), (448, 18_000, 0));
        assert_eq!(from(None), u64::MAX);
    }

    #[test]
    fn limits_of_outer_groups_count() {
        let root = std::env::temp_dir().join(format!("faregate-cgroup-{}", std::process::id()));
        let group = root.join("a/b");
        fs::create_dir_all(&group).unwrap();
        let limit = || memory_limit("1:name=x:/y\n0::/a/b\n", &root);
        assert_eq!(limit(), None);
        fs::write(group.join("memory.max"), "max\n").unwrap();
        assert_eq!(limit(), None);
        fs::write(root.join("a/memory.max"), "268435456\n").unwrap();
        assert_eq!(limit(), Some(268_435_456));
        fs::write(group.join("memory.max"), "1048576\n").unwrap();
        assert_eq!(limit(), Some(1_048_576));
        assert_eq!(memory_limit("1:memory:/a\n", &root), None);
        fs::remove_dir_all(&root).unwrap();
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_uses_something() {
        assert!(resident().is_some_and(|bytes| bytes > 1024 * 1024));
        let before = open_descriptors().unwrap();
        let _file = fs::File::open("/proc/self/statm").unwrap();
        assert!(before >= 3 && open_descriptors().is_some());
        assert_eq!(Capacity { memory: Some(u64::MAX), descriptors: Some(u64::MAX) }.strain().0, Strain::None);
        assert_eq!(Capacity { memory: Some(1), descriptors: None }.strain(), (Strain::Full, "memory"));
        assert_eq!(Capacity { memory: None, descriptors: Some(3) }.strain(), (Strain::Full, "descriptors"));
    }
}
