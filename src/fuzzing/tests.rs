use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::*;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(name)
}

/// The names in a folder, without their extension.
fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    entries.map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned()).collect()
}

// Inputs that once mattered keep being tried, whether or not anybody has the fuzzer.
#[test]
fn every_target_keeps_its_property_on_its_corpus() {
    for (name, target) in TARGETS {
        let mut inputs = 0;
        for entry in fs::read_dir(folder("corpus").join(name)).unwrap_or_else(|error| panic!("{name}: {error}")) {
            let path = entry.unwrap().path();
            let input = fs::read(&path).unwrap();
            assert!(input.len() <= 9 * 1024, "{} is long for a seed", path.display());
            // Its name is in the output of a failing test.
            println!("{}", path.display());
            target(&input);
            inputs += 1;
        }
        assert!((12..=80).contains(&inputs), "{name}: {inputs} inputs");
    }
}

#[test]
fn targets_programs_and_corpora_have_the_same_names() {
    let own: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(own.len(), TARGETS.len());
    assert_eq!(names(&folder("fuzz_targets")), own);
    assert_eq!(names(&folder("corpus")), own);
    let manifest = fs::read_to_string(folder("Cargo.toml")).unwrap();
    for name in own {
        let program = format!("[[bin]]\nname = \"{name}\"\npath = \"fuzz_targets/{name}.rs\"\n");
        assert!(manifest.contains(&program), "fuzz/Cargo.toml has no program {name}");
        let source = fs::read_to_string(folder("fuzz_targets").join(format!("{name}.rs"))).unwrap();
        assert!(source.contains(&format!("faregate::fuzzing::{name}(input)")), "{name}.rs calls something else");
    }
}

// A fuzzer that found a crash in another version than ours would have found nothing.
#[test]
fn the_fuzz_crate_is_locked_to_the_versions_that_are_shipped() {
    let packages = |text: &str| {
        let found = text.split("[[package]]").filter_map(|package| {
            let value = |key: &str| {
                let line = package.lines().find_map(|line| line.strip_prefix(&format!("{key} = \"")));
                line.map(|line| line.trim_end_matches('"').to_owned())
            };
            Some((value("name")?, value("version")?))
        });
        found.collect::<BTreeSet<_>>()
    };
    let shipped = packages(&fs::read_to_string(folder("../Cargo.lock")).unwrap());
    let fuzzed = packages(&fs::read_to_string(folder("Cargo.lock")).unwrap());
    let only_there = ["arbitrary", "faregate-fuzz", "libfuzzer-sys"];
    let other: Vec<_> = fuzzed.difference(&shipped).filter(|(name, _)| !only_there.contains(&name.as_str())).collect();
    assert!(other.is_empty(), "{other:?}: run `scripts/fuzz --lock`");
}
