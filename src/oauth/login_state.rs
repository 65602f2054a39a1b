//! What is remembered between the steps of one login: in the browser, sealed, for a few minutes (UX 22).
//!
//! Owns the seal and the expiry; the store never hears of a login that is not complete.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::AuthorizationServer;
use super::interaction::{BrowserRequest, Keep};
use crate::model::Tenant;
use crate::revocations::Bearings;
use crate::secret::Secret;

/// A cookie may have 4096 bytes; ours have a few hundred.
const MOST_BYTES: usize = 2048;

/// Who proved what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LoginState {
    pub stage: Stage,
    pub tenant_id: Uuid,
    pub user_id: Uuid,
    /// `amr` values of what was proven.
    pub methods: Vec<String>,
    pub authenticated_at: i64,
    /// Whether the person wants to be remembered (D-18).
    pub remembers: bool,
    /// Of a complete login.
    pub session_id: Option<Uuid>,
    /// The request that a complete login was for: it counts as new for no other.
    pub request: Option<String>,
    pub expires_at: i64,
    /// When the browser was given it: what is revoked of the user afterwards takes it along.
    #[serde(default)]
    pub issued_at: i64,
}

/// How far the login has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Stage {
    /// The second factor is missing.
    Password,
    /// A new password is missing.
    Proven,
    /// Nothing is missing; the person may still be asked for consent.
    Complete,
}

impl AuthorizationServer {
    /// What the browser is to keep.
    pub(super) fn keep_login(&self, tenant: &Tenant, state: &LoginState) -> Keep {
        let issued_at = self.revocations.earliest(self.clock.now(), &bearings(state));
        // Nothing in it fails to be JSON.
        let text = serde_json::to_vec(&LoginState { issued_at, ..state.clone() }).unwrap_or_default();
        let seal = hmac::sign(&self.state_key(), &text);
        let sealed = format!("{}.{}", URL_SAFE_NO_PAD.encode(&text), URL_SAFE_NO_PAD.encode(seal));
        Keep::Set(Secret::new(sealed), Some(tenant.settings.interaction_for))
    }

    /// What the browser kept, if it is whole, of this tenant and not over.
    pub(super) fn kept_login(&self, tenant: &Tenant, request: &BrowserRequest<'_>) -> Option<LoginState> {
        let (text, seal) = request.interaction.filter(|kept| kept.len() <= MOST_BYTES)?.split_once('.')?;
        let text = URL_SAFE_NO_PAD.decode(text).ok()?;
        hmac::verify(&self.state_key(), &text, &URL_SAFE_NO_PAD.decode(seal).ok()?).ok()?;
        let state: LoginState = serde_json::from_slice(&text).ok()?;
        (state.tenant_id == tenant.id && self.clock.now() < state.expires_at).then_some(state)
    }

    /// Whether the user was revoked since: a new password, for example, ends what began with the old one.
    pub(super) fn is_login_revoked(&self, state: &LoginState) -> bool {
        self.revocations.concern(&bearings(state))
    }

    fn state_key(&self) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, &self.keys.derived_key(b"faregate login steps"))
    }
}

fn bearings(state: &LoginState) -> Bearings<'static> {
    let (user_id, tenant_id) = (Some(state.user_id), Some(state.tenant_id));
    Bearings { user_id, tenant_id, issued_at: state.issued_at, ..Bearings::default() }
}
