//! Ids of logins that wait for the code of a second factor, at the token endpoint (F-113) and at the Login API.
//!
//! Owns what such an id is and how long it is good; nothing is stored for it. Whether a code is right is `directory`'s.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

use super::AuthorizationServer;
use crate::model::{Tenant, User};
use crate::secret::Secret;
use crate::store;

/// How the login began. An id is good only where it is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Begun {
    /// With the password, by a client that has to prove itself again.
    TokenEndpoint,
    /// With the password, by a holder of an API key.
    LoginApi,
    /// By a holder of an API key who wants to see the second factor alone.
    WithoutPassword,
}

/// A login that an id stands for.
pub(super) struct WaitingLogin {
    pub user: User,
    pub application_id: Option<Uuid>,
    pub begun: Begun,
}

impl Begun {
    const ALL: [Self; 3] = [Self::TokenEndpoint, Self::LoginApi, Self::WithoutPassword];

    const fn mark(self) -> u8 {
        match self {
            Self::TokenEndpoint => b't',
            Self::LoginApi => b'l',
            Self::WithoutPassword => b'w',
        }
    }
}

impl AuthorizationServer {
    /// User, application, beginning, end, and our code over them and over when the password was last changed: it is good
    /// for minutes, and until the password changes.
    pub(super) fn waiting_login_id(
        &self,
        tenant: &Tenant,
        user: &User,
        application_id: Option<Uuid>,
        begun: Begun,
    ) -> Secret<String> {
        let expires_at = self.clock.now() + tenant.settings.interaction_for;
        let mut bytes = user.id.as_bytes().to_vec();
        bytes.extend(application_id.unwrap_or_default().as_bytes());
        bytes.push(begun.mark());
        bytes.extend(expires_at.to_be_bytes());
        let signed = signed_text(&bytes, user);
        bytes.extend(hmac::sign(&self.waiting_login_key(), &signed).as_ref());
        Secret::new(URL_SAFE_NO_PAD.encode(bytes))
    }

    /// `None` for an id that is unknown or over. The user may have been locked meanwhile.
    ///
    /// # Errors
    /// If the store does not answer.
    pub(super) async fn find_waiting_login(&self, id: &str) -> store::Result<Option<WaitingLogin>> {
        let Ok(bytes) = URL_SAFE_NO_PAD.decode(id) else { return Ok(None) };
        let Some((named, code)) = bytes.split_first_chunk::<41>() else { return Ok(None) };
        let Some((user_id, rest)) = named.split_first_chunk::<16>() else { return Ok(None) };
        let Some((application_id, rest)) = rest.split_first_chunk::<16>() else { return Ok(None) };
        let Some((&[mark], expires_at)) = rest.split_first_chunk::<1>() else { return Ok(None) };
        let Some((expires_at, _)) = expires_at.split_first_chunk::<8>() else { return Ok(None) };
        let Some(begun) = Begun::ALL.into_iter().find(|begun| begun.mark() == mark) else { return Ok(None) };
        let Some(user) = self.store.find_user(Uuid::from_bytes(*user_id)).await? else { return Ok(None) };
        let is_ours = hmac::verify(&self.waiting_login_key(), &signed_text(named, &user), code).is_ok();
        if !is_ours || self.clock.now() >= i64::from_be_bytes(*expires_at) {
            return Ok(None);
        }
        let application_id = Some(Uuid::from_bytes(*application_id)).filter(|id| !id.is_nil());
        Ok(Some(WaitingLogin { user, application_id, begun }))
    }

    fn waiting_login_key(&self) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, &self.keys.derived_key(b"faregate logins that wait for a second factor"))
    }
}

fn signed_text(named: &[u8], user: &User) -> Vec<u8> {
    [named, user.tenant_id.as_bytes(), &user.password_changed_at.to_be_bytes()].concat()
}
