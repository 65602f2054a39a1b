//! Files of the configuration, looked at every second.
//!
//! Owns when to read them again. A file that is being written is waited for.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::time::sleep;

use super::Live;

/// Between two looks.
const INTERVAL: Duration = Duration::from_secs(1);

/// What changes when a file does; `None` where there is none. Links are followed, so that a link to another file counts.
type Stamp = Option<(SystemTime, u64, u64)>;

/// Reads the configuration again whenever one of its files has changed and then stayed the same for a moment.
pub(super) async fn watch(live: Arc<Live>) {
    let mut seen = stamps(live.files().await).await;
    let mut is_changing = false;
    loop {
        sleep(INTERVAL).await;
        let now = stamps(live.files().await).await;
        if now != seen {
            seen = now;
            is_changing = true;
        } else if is_changing {
            is_changing = false;
            live.reload_if_changed().await;
            // Files that are new among them have just been read; a change of the others since then is another one.
            for (path, stamp) in stamps(live.files().await).await {
                seen.entry(path).or_insert(stamp);
            }
            let files = live.files().await;
            seen.retain(|path, _| files.contains(path));
        }
    }
}

async fn stamps(files: Vec<PathBuf>) -> BTreeMap<PathBuf, Stamp> {
    let look = move || files.into_iter().map(|path| (path.clone(), stamp(&path))).collect();
    tokio::task::spawn_blocking(look).await.unwrap_or_default()
}

fn stamp(path: &Path) -> Stamp {
    use std::os::unix::fs::MetadataExt as _;
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len(), metadata.ino()))
}
