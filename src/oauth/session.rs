//! Browser sessions: single sign-on (rule K6).
//!
//! Owns when one begins, counts and ends; how the browser keeps it is `web`'s, how people prove themselves `login`'s.

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::AuthorizationServer;
use super::interaction::{BrowserRequest, Keep, Kept};
use super::plain_name::plain_name;
use super::secret_shape::draw;
use crate::entropy::Entropy;
use crate::events::Event;
use crate::model::{ClientSecret, Session, Tenant, User};
use crate::profile::{SecretShape, SessionState};
use crate::secret::Secret;
use crate::store::Result;

/// Idle limits move at most this often, so that not every request writes.
const TOUCH_INTERVAL: i64 = 60;
/// Of what a browser calls itself.
const MOST_USER_AGENT: usize = 200;

/// A person whom the server knows, and since when.
#[derive(Clone, Debug)]
pub(super) struct SignedIn {
    pub user: User,
    /// None if the person did not want to be remembered (D-18).
    pub session: Option<Session>,
    pub authenticated_at: i64,
    /// `amr` values (RFC 8176).
    pub methods: Vec<String>,
    /// Whether they proved themselves for this very request.
    pub is_fresh: bool,
}

impl SignedIn {
    /// The authentication context class: `2` with a second factor, `1` without.
    pub(super) fn acr(&self) -> &'static str {
        if self.has_second_factor() { "2" } else { "1" }
    }

    /// Whether they proved themselves with one.
    pub(super) fn has_second_factor(&self) -> bool {
        self.methods.iter().any(|method| method == "mfa")
    }
}

impl AuthorizationServer {
    /// The live session that the browser presents, and its user. `None` if there is none in this tenant.
    pub(super) async fn find_session(
        &self,
        tenant: &Tenant,
        request: &BrowserRequest<'_>,
    ) -> Result<Option<(Session, User)>> {
        let now = self.clock.now();
        let Some(session) = self.presented_session(request).await? else { return Ok(None) };
        if session.tenant_id != tenant.id || !session.is_live(now) {
            return Ok(None);
        }
        let user = self.store.find_user(session.user_id).await?;
        let Some(user) = user.filter(|user| user.obstacle(now).is_none()) else { return Ok(None) };
        if now - session.last_used_at >= TOUCH_INTERVAL {
            let idle_expires_at = (now + tenant.settings.session_idle_for).min(session.expires_at);
            if !self.store.touch_session(session.id, now, idle_expires_at).await? {
                return Ok(None); // It ended meanwhile.
            }
        }
        Ok(Some((session, user)))
    }

    /// Begins a session for a person who just proved themselves, or goes on with theirs: clients know it by its id, and are
    /// told by it when it ends. Somebody else's that the browser had in this tenant is over.
    pub(super) async fn begin_session(
        &self,
        tenant: &Tenant,
        request: &BrowserRequest<'_>,
        signed_in: &mut SignedIn,
    ) -> Result<Kept> {
        let now = self.clock.now();
        let token = self.entropy.token(32);
        let settings = &tenant.settings;
        let before = self.presented_session(request).await?.filter(|before| before.tenant_id == tenant.id);
        let own = before.as_ref().filter(|before| before.user_id == signed_in.user.id && before.is_live(now));
        let mut session = Session {
            id: own.map_or_else(|| self.entropy.uuid(), |own| own.id),
            hash: ClientSecret::hash(&token),
            tenant_id: tenant.id,
            user_id: signed_in.user.id,
            authenticated_at: signed_in.authenticated_at,
            methods: signed_in.methods.clone(),
            created_at: own.map_or(now, |own| own.created_at),
            last_used_at: now,
            idle_expires_at: now + settings.session_idle_for.min(settings.session_for),
            expires_at: now + settings.session_for,
            peer: request.peer.map(|peer| peer.to_string()),
            user_agent: request.user_agent.map(shortened),
        };
        if own.is_none() || !self.store.renew_session(&session).await? {
            // One that ended meanwhile stays over.
            if own.is_some() {
                (session.id, session.created_at) = (self.entropy.uuid(), now);
            }
            let replaced = before.map(|before| before.id);
            self.store.insert_session(&session, replaced).await?;
            if replaced.is_some() {
                self.untold.notify_one();
            }
            Event::SessionStarted.tell(&session.id.to_string());
        }
        let kept = Kept {
            session: Keep::Set(Secret::new(token), Some(settings.session_for)),
            interaction: Keep::AsItIs,
            browser_state: Keep::Set(Secret::new(browser_state(&session)), Some(settings.session_for)),
        };
        signed_in.session = Some(session);
        Ok(kept)
    }

    /// Ends the session of the browser, if it has one, and tells none of its clients.
    pub(super) async fn leave_session(&self, request: &BrowserRequest<'_>) -> Result<Kept> {
        if let Some(session) = self.presented_session(request).await?
            && self.store.end_session(session.id).await?
        {
            Event::SessionEnded.tell(&session.id.to_string());
        }
        Ok(forgotten(request))
    }

    /// The same, and its clients are told as soon as may be, by whichever node is there to do it: somebody logs out, or logs
    /// in without being remembered.
    pub(super) async fn abandon_session(&self, request: &BrowserRequest<'_>) -> Result<Kept> {
        if let Some(session) = self.presented_session(request).await? {
            self.store.abandon_session(session.id, self.clock.now()).await?;
            self.untold.notify_one();
            Event::SessionEnded.tell(&session.id.to_string());
        }
        Ok(forgotten(request))
    }

    /// The session that the browser presents, live or not, of whatever tenant.
    async fn presented_session(&self, request: &BrowserRequest<'_>) -> Result<Option<Session>> {
        // Longer than any of ours is nothing of ours.
        match request.session.filter(|presented| presented.len() <= 64) {
            Some(presented) => self.store.find_session(&ClientSecret::hash(presented)).await,
            None => Ok(None),
        }
    }
}

/// What a browser keeps of a session that is over.
pub(super) fn forgotten(request: &BrowserRequest<'_>) -> Kept {
    match request.session {
        Some(_) => Kept { session: Keep::Remove, interaction: Keep::AsItIs, browser_state: Keep::Remove },
        None => Kept::default(),
    }
}

/// What tells one session from the next in a browser, and tells nothing else (Session Management 1.0 section 3.2).
pub(super) fn browser_state(session: &Session) -> String {
    ClientSecret::hash(&format!("browser state {}", session.hash))
}

/// The state of the session as one client sees it (Session Management 1.0 section 3.2). `None` for a redirect URI without
/// a web origin, which has no scripts that could ask.
pub(super) fn state_for(
    session: &Session,
    (client_id, redirect_uri): (&str, &str),
    shape: SessionState,
    entropy: &Entropy,
) -> Option<String> {
    let (scheme, rest) = redirect_uri.split_once("://").filter(|(scheme, _)| ["http", "https"].contains(scheme))?;
    let authority = rest.split(['/', '?']).next()?.to_ascii_lowercase();
    let host = authority.rsplit('@').next()?;
    // An origin does not name the port that everybody assumes.
    let default_port = if scheme == "https" { ":443" } else { ":80" };
    let origin = format!("{scheme}://{}", host.strip_suffix(default_port).unwrap_or(host));
    let browser_state = browser_state(session);
    let (state, salt) = match shape {
        SessionState::Hex => {
            let salt = entropy.token(16);
            (ClientSecret::hash(&format!("{client_id} {origin} {browser_state} {salt}")), salt)
        }
        // F-272
        SessionState::Base64Url => {
            let salt = draw(SecretShape::Guid, entropy, 16);
            let text = format!("{client_id}{origin}{browser_state}{salt}");
            (URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, text.as_bytes())), salt)
        }
    };
    Some(format!("{state}.{salt}"))
}

/// Without what could do anything in a terminal or on a page.
fn shortened(user_agent: &str) -> String {
    plain_name(user_agent, MOST_USER_AGENT)
}
