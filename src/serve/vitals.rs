//! What the admin listener tells of the parts that the gateway does not know: passwords, the store's changes, signing keys.

use std::sync::Arc;

use super::Opened;
use crate::gateway::admin::{KeyInUse, Vitals};
use crate::model::KeyPurpose;
use crate::oauth::KeyRing;

/// Asked whenever somebody looks; nothing of it waits.
pub(super) fn vitals(opened: &Arc<Opened>, keys: &Arc<KeyRing>) -> Box<dyn Fn() -> Vitals + Send + Sync> {
    let (opened, keys) = (opened.clone(), keys.clone());
    Box::new(move || {
        let queue = opened.directory.password_queue();
        Vitals {
            passwords_running: queue.running,
            passwords_waiting: queue.waiting,
            password_places: queue.places,
            changes_read_ago: opened.directory.heard_ago(),
            keys: in_use(&keys, opened.clock.now()),
        }
    })
}

/// The default tenant's first.
fn in_use(keys: &KeyRing, now: i64) -> Vec<KeyInUse> {
    let mut found = Vec::new();
    for issuer in keys.issuers() {
        for purpose in KeyPurpose::OF_TENANTS {
            let Some(signing) = issuer.signing(purpose, now) else { continue };
            found.push(KeyInUse {
                tenant: issuer.tenant.name.clone(),
                purpose: purpose.as_str(),
                kid: signing.kid,
                signs_for: now.saturating_sub(signing.since).max(0),
                next: signing.next.map(|(kid, at)| (kid, at.saturating_sub(now))),
            });
        }
    }
    found
}
