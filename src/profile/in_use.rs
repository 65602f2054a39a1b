//! Which paths of dialects are ours at this moment: those of the dialects that some tenant speaks.
//!
//! Owns the answer for every request of the gateway, so it asks nobody and looks at one byte while no tenant speaks a
//! dialect with paths of its own. It does not know whose request it is.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU8, Ordering};

use arc_swap::ArcSwap;
use uuid::Uuid;
use uuid::fmt::Hyphenated;

use super::{Dialect, Endpoint, Path};
use crate::model::{Profile, Tenant};

/// The dialects that tenants speak, as far as they have paths of their own. Readers never wait.
#[derive(Debug, Default)]
pub struct InUse {
    /// One bit for each profile, in the order of [`Profile::ALL`].
    profiles: AtomicU8,
    /// The names of tenants that may stand in front of a path.
    realms: ArcSwap<HashSet<Box<str>>>,
}

/// A path of a dialect's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spoken<'p> {
    pub endpoint: Endpoint,
    path: Path,
    /// The segment in front of it: the id of a tenant, or its name where the dialect has realms.
    pub tenant: Option<&'p str>,
}

impl Spoken<'_> {
    /// The pattern of the path, for those who count.
    pub const fn pattern(&self) -> &'static str {
        match self.tenant {
            None => self.path.alone,
            Some(_) => self.path.of_tenant,
        }
    }

    /// Whether the endpoint is here for tenants of this dialect.
    pub fn is_of(&self, dialect: &Dialect) -> bool {
        dialect.own_path(self.endpoint) == Some(self.path)
            || (dialect.has_realms && self.tenant.is_some() && self.endpoint.shared() == self.path)
    }
}

impl InUse {
    /// Takes note of the tenants that there are now.
    pub fn replace<'t>(&self, tenants: impl IntoIterator<Item = &'t Tenant>) {
        let (mut profiles, mut realms) = (0, HashSet::new());
        for tenant in tenants {
            let dialect = Dialect::of(tenant.profile);
            if !dialect.own_paths.is_empty() {
                profiles |= bit(tenant.profile);
            }
            // Nobody's name stands for the shared paths or the management API.
            if dialect.has_realms && !is_taken(&tenant.name) {
                realms.insert(tenant.name.as_str().into());
            }
        }
        self.realms.store(realms.into());
        self.profiles.store(profiles, Ordering::Relaxed);
    }

    /// The endpoint at a canonical path, if that is a path of a dialect in use.
    pub fn find<'p>(&self, path: &'p str) -> Option<Spoken<'p>> {
        let profiles = self.profiles.load(Ordering::Relaxed);
        if profiles == 0 {
            return None;
        }
        let used = || Profile::ALL.into_iter().filter(|profile| profiles & bit(*profile) != 0).map(Dialect::of);
        if let Some((endpoint, path)) = used().find_map(|dialect| dialect.at(path)) {
            return Some(Spoken { endpoint, path, tenant: None });
        }
        let (tenant, rest) = split(path);
        let is_id = tenant.len() == Hyphenated::LENGTH && Uuid::try_parse(tenant).is_ok();
        for dialect in used() {
            let own = dialect.at(rest).filter(|_| is_id || self.is_realm(dialect, tenant));
            let found = own.or_else(|| shared_at(rest).filter(|_| self.is_realm(dialect, tenant)));
            if let Some((endpoint, path)) = found {
                return Some(Spoken { endpoint, path, tenant: Some(tenant) });
            }
        }
        None
    }

    fn is_realm(&self, dialect: &Dialect, name: &str) -> bool {
        dialect.has_realms && self.realms.load().contains(name)
    }
}

/// Whether a path is one that only dialects have, in use or not.
pub fn is_spoken_somewhere(path: &str) -> bool {
    let (tenant, rest) = split(path);
    let is_at = |path: &str| Profile::ALL.into_iter().any(|profile| Dialect::of(profile).at(path).is_some());
    !is_taken(tenant) && (is_at(path) || is_at(rest))
}

/// Every pattern of a dialect's own paths, for those who count.
pub fn patterns() -> Vec<&'static str> {
    let mut patterns = Vec::new();
    for dialect in Profile::ALL.map(Dialect::of) {
        let shared = Endpoint::ALL.into_iter().filter(|_| dialect.has_realms).map(Endpoint::shared);
        let own = dialect.own_paths.iter().flat_map(|(_, path)| [path.alone, path.of_tenant]);
        patterns.extend(own.chain(shared.map(|path| path.of_tenant)));
    }
    patterns.sort_unstable();
    patterns.dedup();
    patterns
}

/// `/first/rest` as `first` and `/rest`.
fn split(path: &str) -> (&str, &str) {
    let inner = path.strip_prefix('/').unwrap_or_default();
    inner.split_at(inner.find('/').unwrap_or(inner.len()))
}

/// Whether paths of ours begin with this segment for every tenant.
fn is_taken(name: &str) -> bool {
    name == "api" || Endpoint::ALL.into_iter().any(|endpoint| split(endpoint.shared().alone).0 == name)
}

fn shared_at(path: &str) -> Option<(Endpoint, Path)> {
    Endpoint::ALL.into_iter().map(|endpoint| (endpoint, endpoint.shared())).find(|(_, shared)| shared.alone == path)
}

const fn bit(profile: Profile) -> u8 {
    1 << profile as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(name: &str, profile: Profile) -> Tenant {
        Tenant { profile, ..Tenant::new(Uuid::from_u128(7), name, 0) }
    }

    // D1, F-330: a path that nobody speaks is a route's.
    #[test]
    fn a_path_is_ours_while_somebody_speaks_its_dialect() {
        let in_use = InUse::default();
        for profile in Profile::ALL {
            let dialect = Dialect::of(profile);
            for (endpoint, path) in dialect.own_paths {
                let of_tenant = format!("/30663132-6464-6665-3032-326466613934{}", path.alone);
                in_use.replace([]);
                assert_eq!((in_use.find(path.alone), in_use.find(&of_tenant)), (None, None), "{path:?}");
                in_use.replace([&tenant("acme", profile), &tenant("other", Profile::FusionAuth)]);
                let found = in_use.find(path.alone).unwrap();
                assert_eq!((found.endpoint, found.pattern(), found.is_of(dialect)), (*endpoint, path.alone, true));
                let found = in_use.find(&of_tenant).unwrap();
                assert_eq!((found.endpoint, found.pattern(), found.is_of(dialect)), (*endpoint, path.of_tenant, true));
                assert_eq!(in_use.find(&format!("{}/x", path.alone)), None);
                assert_eq!(in_use.find(&format!("/api{}", path.alone)), None);
            }
        }
    }

    // D1
    #[test]
    fn a_realm_is_the_name_of_a_tenant() {
        let in_use = InUse::default();
        in_use.replace([&tenant("master", Profile::SimpleIdServer), &tenant("acme", Profile::Auth0)]);
        let dialect = Dialect::of(Profile::SimpleIdServer);
        for (endpoint, path) in dialect.own_paths {
            let path = format!("/master{}", path.alone);
            let found = in_use.find(&path).unwrap();
            assert_eq!((found.endpoint, found.tenant), (*endpoint, Some("master")));
        }
        assert!(in_use.find("/master/.well-known/openid-configuration").unwrap().is_of(dialect));
        for other in ["/orders/token", "/acme/token", "/acme/oauth/token", "/orders/.well-known/openid-configuration"] {
            assert_eq!(in_use.find(other), None, "{other}");
        }
    }

    // D1: a tenant cannot take the shared paths, nor those of another dialect, by its name.
    #[test]
    fn a_name_is_no_way_into_the_paths_of_others() {
        let in_use = InUse::default();
        let names = ["oauth2", ".well-known", "password", "api", "oauth", "authorization"];
        let tenants = names.map(|name| tenant(name, Profile::SimpleIdServer));
        in_use.replace(tenants.iter().chain([&tenant("a", Profile::Auth0), &tenant("f", Profile::Fusio)]));
        for path in ["/oauth2/token", "/oauth2/userinfo", "/.well-known/jwks", "/api/token", "/password/token"] {
            assert_eq!(in_use.find(path), None, "{path}");
        }
        for path in ["/oauth/token", "/authorization/token", "/authorization/authorize"] {
            assert_eq!(in_use.find(path).unwrap().tenant, None, "{path}");
        }
    }

    #[test]
    fn shared_paths_are_nobodys_own() {
        for path in Endpoint::ALL.map(Endpoint::shared) {
            assert!(!is_spoken_somewhere(path.alone), "{path:?}");
        }
        for path in ["/oauth/token", "/master/token", "/30663132-6464-6665-3032-326466613934/activate"] {
            assert!(is_spoken_somewhere(path), "{path}");
        }
    }

    // D1: which endpoint it is does not depend on the tenant.
    #[test]
    fn a_path_means_one_endpoint() {
        let all: Vec<_> = Profile::ALL.map(Dialect::of).iter().flat_map(|dialect| dialect.own_paths).collect();
        for (endpoint, path) in &all {
            for (other, _) in all.iter().filter(|(_, same)| same == path) {
                assert_eq!(endpoint, other, "{path:?}");
            }
            assert_eq!(shared_at(path.alone), None, "{path:?} is shared");
        }
    }
}
