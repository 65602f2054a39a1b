//! What cannot be changed while a gateway runs.
//!
//! Owns the list of these keys. Everything else takes effect when the configuration is loaded again.

use super::keys::{Keys, MasterKey};
use super::store::StoreLocation;
use super::values::Config;

impl Config {
    /// The keys in which `newer` differs and that only a restart changes.
    pub fn fixed_in(&self, newer: &Self) -> Vec<&'static str> {
        let differs = [
            ("public_url", self.public_url != newer.public_url),
            ("admin", self.admin != newer.admin),
            ("store", store(&self.store) != store(&newer.store)),
            ("keys", !same_keys(&self.keys, &newer.keys)),
            ("management.event_log", self.management.event_log != newer.management.event_log),
            ("limits.h2_streams", self.limits.h2_streams != newer.limits.h2_streams),
            ("limits.h2_header_list", self.limits.h2_header_list != newer.limits.h2_header_list),
            ("limits.h2_idle", self.limits.h2_idle_for != newer.limits.h2_idle_for),
            ("log", self.log != newer.log),
            ("threads", self.threads != newer.threads),
            ("token_cache", self.token_cache != newer.token_cache),
        ];
        differs.into_iter().filter(|(_, differs)| *differs).map(|(key, _)| key).collect()
    }
}

fn store(location: &StoreLocation) -> String {
    location.url().expose().clone()
}

fn same_keys(own: &Keys, newer: &Keys) -> bool {
    let same = match (&own.master_key, &newer.master_key) {
        (MasterKey::Value(own), MasterKey::Value(newer)) => own.expose() == newer.expose(),
        (MasterKey::File(own), MasterKey::File(newer)) => own == newer,
        (MasterKey::Value(_), MasterKey::File(_)) | (MasterKey::File(_), MasterKey::Value(_)) => false,
    };
    same && own.publish_before_for == newer.publish_before_for && own.keep_after_for == newer.keep_after_for
}

#[cfg(test)]
mod tests {
    use super::super::{Environment, parse};

    #[test]
    fn what_only_a_restart_changes_is_named() {
        let parsed = |text: &str| parse("test.yaml", text, &Environment::of([("A", "b")])).ok().unwrap();
        let before = parsed("admin: 127.0.0.1:9090\n");
        assert!(
            before.fixed_in(&parsed("admin: 127.0.0.1:9090\nlisten: [127.0.0.1:8080, 127.0.0.1:8081]\n")).is_empty()
        );
        let after = "admin: 127.0.0.1:9091\npublic_url: http://localhost\nstore: sqlite://other.db\nkeys: { master_key_file: b.key }\nmanagement: { event_log: { entries: 5 } }\nlimits: { h2_streams: 7, h2_header_list: 8KiB, h2_idle: 1s }\nlog: { level: debug }\nthreads: 7\ntoken_cache: { size: 1MiB }\n";
        assert_eq!(
            before.fixed_in(&parsed(after)),
            [
                "public_url",
                "admin",
                "store",
                "keys",
                "management.event_log",
                "limits.h2_streams",
                "limits.h2_header_list",
                "limits.h2_idle",
                "log",
                "threads",
                "token_cache"
            ]
        );
    }
}
