//! API keys: who may call the management API, and which part of it (D-10). It does not know what the parts do.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

/// Methods by path, `/api/entity` meaning everything below it too. Empty: everything.
pub type Endpoints = BTreeMap<String, BTreeSet<String>>;

/// A key of the management API. Its text is known to its holder only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    pub id: Uuid,
    /// What people call it; need not be unique.
    pub name: String,
    /// SHA-256 of the key, 64 lower case hexadecimal digits. A plain hash, because keys are long and random.
    pub sha256: String,
    /// The only tenant that it can see; `None`: all of them.
    pub tenant_id: Option<Uuid>,
    pub endpoints: Endpoints,
    /// Whether it may make and change other keys.
    pub is_key_manager: bool,
    /// First instant at which it is no longer accepted.
    pub expires_at: Option<i64>,
    pub managed_by: Option<String>,
    pub created_at: i64,
    pub updated_at: i64,
}

impl ApiKey {
    /// A key that may do everything, in no store.
    pub fn unlimited(sha256: String) -> Self {
        Self {
            id: Uuid::nil(),
            name: String::new(),
            sha256,
            tenant_id: None,
            endpoints: BTreeMap::new(),
            is_key_manager: true,
            expires_at: None,
            managed_by: None,
            created_at: 0,
            updated_at: 0,
        }
    }

    pub fn is_live(&self, now: i64) -> bool {
        self.expires_at.is_none_or(|expires_at| now < expires_at)
    }

    /// Whether the key may send `method` to `path`. The longest path that fits decides, so that a key for
    /// `/api/user` can be kept from `/api/user/registration`.
    pub fn allows(&self, method: &str, path: &str) -> bool {
        allow(&self.endpoints, method, path)
    }

    /// Whether the key may do everything that one for these endpoints may. Between two paths that either of them names nothing
    /// is decided anew, so that those paths tell.
    pub fn may_all_of(&self, endpoints: &Endpoints) -> bool {
        if endpoints.is_empty() {
            return self.endpoints.is_empty();
        }
        let methods: BTreeSet<&String> = endpoints.values().flatten().collect();
        let mut paths = self.endpoints.keys().chain(endpoints.keys());
        paths.all(|path| {
            methods.iter().all(|method| !allow(endpoints, method, path) || allow(&self.endpoints, method, path))
        })
    }

    /// Whether the key is good for as long as one that ends then.
    pub fn lasts_until(&self, expires_at: Option<i64>) -> bool {
        self.expires_at.is_none_or(|own| expires_at.is_some_and(|expires_at| expires_at <= own))
    }
}

fn allow(endpoints: &Endpoints, method: &str, path: &str) -> bool {
    let fits = |endpoint: &str| match path.strip_prefix(endpoint) {
        Some(rest) => rest.is_empty() || rest.starts_with('/'),
        None => false,
    };
    let decisive = endpoints.iter().filter(|(endpoint, _)| fits(endpoint)).max_by_key(|(path, _)| path.len());
    endpoints.is_empty() || decisive.is_some_and(|(_, methods)| methods.contains(method))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limited(endpoints: &[(&str, &[&str])]) -> ApiKey {
        let endpoint = |(path, methods): &(&str, &[&str])| {
            ((*path).to_owned(), methods.iter().map(|&method| method.to_owned()).collect())
        };
        ApiKey { endpoints: endpoints.iter().map(endpoint).collect(), ..ApiKey::unlimited(String::new()) }
    }

    // D-10: an exclusion is a limit too
    #[test]
    fn no_key_contains_what_it_is_kept_from() {
        let own = limited(&[("/api/user", &["GET", "POST"]), ("/api/user/search", &[])]);
        for within in [
            limited(&[("/api/user", &["GET"]), ("/api/user/search", &[])]),
            limited(&[("/api/user/action", &["POST"])]),
            limited(&[("/api/user/search", &[])]),
            own.clone(),
        ] {
            assert!(own.may_all_of(&within.endpoints), "{:?}", within.endpoints);
            assert!(ApiKey::unlimited(String::new()).may_all_of(&within.endpoints));
        }
        for beyond in [
            limited(&[("/api/user", &["GET"])]),
            limited(&[("/api/user/search/x", &["GET"])]),
            limited(&[("/api/user", &["DELETE"]), ("/api/user/search", &[])]),
            limited(&[("/api", &["GET"]), ("/api/user/search", &[])]),
            limited(&[]),
        ] {
            assert!(!own.may_all_of(&beyond.endpoints), "{:?}", beyond.endpoints);
        }
    }

    // D-10
    #[test]
    fn what_ends_lasts_as_long_as_what_ends_before() {
        let ends = ApiKey { expires_at: Some(100), ..limited(&[]) };
        assert!(ends.lasts_until(Some(100)) && ends.lasts_until(Some(99)));
        assert!(!ends.lasts_until(Some(101)) && !ends.lasts_until(None));
        assert!(limited(&[]).lasts_until(None) && limited(&[]).lasts_until(Some(1)));
    }

    // D-10
    #[test]
    fn the_longest_endpoint_that_fits_decides() {
        let endpoint =
            |path: &str, methods: &[&str]| (path.to_owned(), methods.iter().map(|&m| m.to_owned()).collect());
        let key = ApiKey {
            id: Uuid::nil(),
            name: String::new(),
            sha256: String::new(),
            tenant_id: None,
            endpoints: BTreeMap::from([endpoint("/api/user", &["GET", "POST"]), endpoint("/api/user/search", &[])]),
            is_key_manager: false,
            expires_at: Some(100),
            managed_by: None,
            created_at: 0,
            updated_at: 0,
        };
        assert!(key.allows("GET", "/api/user") && key.allows("POST", "/api/user/1"));
        for (method, path) in [
            ("DELETE", "/api/user"),
            ("GET", "/api/user/search"),
            ("GET", "/api/users"),
            ("GET", "/api/entity"),
            ("get", "/api/user"),
        ] {
            assert!(!key.allows(method, path), "{method} {path}");
        }
        assert!(ApiKey { endpoints: BTreeMap::new(), ..key.clone() }.allows("DELETE", "/api/tenant"));
        assert!(key.is_live(99) && !key.is_live(100));
    }
}
