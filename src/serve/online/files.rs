//! Who else may read the files of a configuration, and until when its certificates are good.
//!
//! Owns both limits. The store's file is the store's business, which refuses one that others may open.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::clock::Clock;
use crate::config::{Config, MasterKey, Outcome, Probe, Target};
use crate::entropy::Entropy;
use crate::gateway::{Validity, certificate_validity};
use crate::jose;

/// A certificate that ends sooner than in this many days is to be replaced now.
const SOON: i64 = 30;
const DAY: i64 = 86_400;

/// A key is for its owner alone.
const OTHERS_AND_GROUP: u32 = 0o077;
/// Values come from whoever mounts them, often by way of a group.
const OTHERS: u32 = 0o007;

pub(super) fn look(config: &Config, store_has_keys: bool) -> Vec<Probe> {
    let listeners = config.listen.iter().filter_map(|listener| listener.tls.as_ref());
    let mut pairs: Vec<(&Path, &Path)> = listeners.map(|tls| (&*tls.certificate, &*tls.key)).collect();
    for upstream in &config.upstreams {
        if let Target::Servers { tls: Some(tls), .. } = &upstream.target
            && let Some(own) = &tls.client
        {
            pairs.push((&own.certificate, &own.key));
        }
    }
    pairs.sort_unstable();
    pairs.dedup();
    let mut probes = vec![master_key(&config.keys.master_key, store_has_keys)];
    let now = Clock::system().now();
    for (certificate, key) in pairs {
        probes.push(validity(certificate, now));
        probes.push(mode("private key", key, OTHERS_AND_GROUP));
    }
    let mut sources: Vec<&Path> = config.parts.sources().collect();
    sources.sort_unstable();
    sources.dedup();
    probes.extend(sources.into_iter().map(|path| mode("file", path, OTHERS)));
    probes
}

/// One that is not there is made at the start, unless there are keys that it would not open.
fn master_key(key: &MasterKey, store_has_keys: bool) -> Probe {
    const SUBJECT: &str = "master key";
    let path = match key {
        MasterKey::Value(_) => return Probe::new(SUBJECT, "value", Outcome::Ok, "in the configuration"),
        MasterKey::File(path) => path,
    };
    let (outcome, summary) = match fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound && store_has_keys => {
            (Outcome::Failed, jose::MasterKeyError::Lost(PathBuf::clone(path)).to_string())
        }
        Err(error) if error.kind() == ErrorKind::NotFound => (Outcome::Ok, "will be made".to_owned()),
        Err(error) => (Outcome::Failed, format!("cannot be read: {error}")),
        // It is there, so that none is made.
        Ok(_) => match jose::MasterKey::from_file(path, &Entropy::system()) {
            Ok(_) => (Outcome::Ok, "only its owner may read it".to_owned()),
            Err(error) => (Outcome::Failed, error.to_string()),
        },
    };
    Probe::new(SUBJECT, path.display().to_string(), outcome, summary)
}

fn mode(subject: &'static str, path: &Path, forbidden: u32) -> Probe {
    let name = path.display().to_string();
    let (outcome, summary) = match fs::metadata(path) {
        Err(error) => (Outcome::Failed, format!("cannot be read: {error}")),
        Ok(metadata) => match metadata.permissions().mode() & 0o777 {
            mode if mode & forbidden != 0 => {
                let fix = if forbidden == OTHERS { "o=" } else { "600" };
                (Outcome::Warned, format!("others may read it (mode {mode:04o}); run: chmod {fix} {name}"))
            }
            mode => (Outcome::Ok, format!("mode {mode:04o}")),
        },
    };
    Probe::new(subject, name, outcome, summary)
}

/// Of every certificate in the file: a chain is good as long as all of it is.
fn validity(path: &Path, now: i64) -> Probe {
    let (outcome, summary) = match certificate_validity(path) {
        Err(error) => (Outcome::Failed, format!("cannot be read: {error}")),
        Ok(None) => (Outcome::Failed, "there is no PEM certificate in it".to_owned()),
        Ok(Some(Validity { begins_at, .. })) if now < begins_at => {
            (Outcome::Failed, format!("is not valid before {}", date(begins_at)))
        }
        Ok(Some(Validity { ends_at, .. })) if ends_at <= now => {
            (Outcome::Failed, format!("expired on {}", date(ends_at)))
        }
        Ok(Some(Validity { ends_at, .. })) if ends_at < now + SOON * DAY => {
            let days = (ends_at - now) / DAY;
            (Outcome::Warned, format!("ends on {}, in {days} day{}", date(ends_at), if days == 1 { "" } else { "s" }))
        }
        Ok(Some(Validity { ends_at, .. })) => (Outcome::Ok, format!("good until {}", date(ends_at))),
    };
    Probe::new("certificate", path.display().to_string(), outcome, summary)
}

/// The day in UTC.
fn date(at: i64) -> String {
    let since = Duration::from_secs(u64::try_from(at).unwrap_or_default());
    let at = SystemTime::UNIX_EPOCH.checked_add(since).unwrap_or(SystemTime::UNIX_EPOCH);
    humantime::format_rfc3339_seconds(at).to_string().chars().take(10).collect()
}
