//! What the page of one's account lists: sessions, and applications with what they were let have.
//!
//! Owns what people are shown of them, and in which order.

use std::collections::HashMap;

use uuid::Uuid;

use super::Section;
use crate::directory::Access;
use crate::model::{Application, Session};
use crate::oauth::AuthorizationServer;
use crate::oauth::consent::{is_given, worded};
use crate::oauth::error::OAuthError;
use crate::oauth::interaction::{AccountLinks, ListedApplication, ListedSession, Message, Page, Reply};
use crate::oauth::own_page::OwnPage;
use crate::oauth::passkeys;
use crate::oauth::session::SignedIn;
use crate::profile::Endpoint;

/// Of sessions and of applications; who has more is led on, so that the page stays small for everybody.
const MOST_SHOWN: usize = 12;
/// The parameter that shows them all.
const SHOW: &str = "show";
const ALL: &str = "all";

impl AuthorizationServer {
    pub(super) async fn account_overview(
        &self,
        page: &OwnPage<'_>,
        person: &SignedIn,
        message: Option<Message>,
    ) -> Result<Reply, OAuthError> {
        let now = self.clock.now();
        let mut access = self.directory.access_of(person.user.id).await?;
        let own = person.session.as_ref().map(|session| session.id);
        access.sessions.sort_by_key(|session| (own != Some(session.id), -session.last_used_at));
        let mut sessions: Vec<_> = access.sessions.iter().map(|session| listed(session, own, now)).collect();
        let mut applications = self.applications_with_access(&access).await?;
        let has_other_sessions = sessions.iter().any(|session| !session.is_this);
        let mut left_out = 0;
        if page.parameters.find(SHOW) != Some(ALL) {
            left_out = sessions.len().saturating_sub(MOST_SHOWN) + applications.len().saturating_sub(MOST_SHOWN);
            sessions.truncate(MOST_SHOWN);
            applications.truncate(MOST_SHOWN);
        }
        let user = &person.user;
        let link = |section: Section| section.is_for(user).then(|| page.section_address(section.name()));
        let links = AccountLinks {
            password: link(Section::Password),
            second_factor: link(Section::SecondFactor),
            sign_out: page.address(Endpoint::Logout, &[]),
            passkeys: passkeys::place(&page.issuer).map(|_| page.address(Endpoint::Passkeys, &[])),
            all: (left_out > 0).then(|| page.address(Endpoint::Account, &[(SHOW, ALL)])),
        };
        Ok(page.show(Page::Account {
            form: page.form(),
            message,
            login_id: user.email.clone().or_else(|| user.username.clone()).unwrap_or_default(),
            password_changed_for: now - user.password_changed_at,
            recovery_codes: user.has_second_factor().then_some(user.recovery_codes.len()),
            passkeys: user.passkeys.len(),
            sessions,
            has_other_sessions,
            applications,
            left_out,
            links,
        }))
    }

    /// The one that was used last comes first.
    async fn applications_with_access(&self, access: &Access) -> Result<Vec<ListedApplication>, OAuthError> {
        let mut ids: Vec<Uuid> = Vec::new();
        let of_grants = access.grants.iter().map(|grant| grant.approval.application_id);
        for id in of_grants.chain(access.consents.iter().map(|consent| consent.application_id)) {
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
        let mut known = HashMap::new();
        for id in &ids {
            if let Some(application) = self.directory.application(*id).await? {
                known.insert(*id, application);
            }
        }
        let now = self.clock.now();
        let known = ids.iter().filter_map(|id| known.get(id));
        let mut listed: Vec<_> = known.map(|application| with_access(application, access, now)).collect();
        listed.sort_by_key(|listed| listed.used_for.or(listed.allowed_for).unwrap_or(i64::MAX));
        Ok(listed)
    }
}

fn listed(session: &Session, own: Option<Uuid>, now: i64) -> ListedSession {
    ListedSession {
        id: session.id,
        is_this: own == Some(session.id),
        user_agent: session.user_agent.clone().unwrap_or_default(),
        place: session.peer.clone().unwrap_or_default(),
        began_for: now - session.created_at,
        used_for: now - session.last_used_at,
    }
}

fn with_access(application: &Application, access: &Access, now: i64) -> ListedApplication {
    let grants = || access.grants.iter().filter(|grant| grant.approval.application_id == application.id);
    let consent = access.consents.iter().find(|consent| consent.application_id == application.id);
    let mut scopes: Vec<&str> = Vec::new();
    let given = consent.iter().flat_map(|consent| consent.scopes.iter().filter(|entry| is_given(entry)));
    for scope in grants().flat_map(|grant| &grant.approval.scopes).chain(given) {
        if !scopes.contains(&scope.as_str()) {
            scopes.push(scope);
        }
    }
    let mut devices: Vec<String> = grants().filter_map(|grant| grant.device_name.clone()).collect();
    devices.sort();
    devices.dedup();
    ListedApplication {
        id: application.id,
        name: application.title().to_owned(),
        devices,
        scopes: scopes.into_iter().map(|scope| worded(scope, application, true)).collect(),
        allowed_for: consent.map(|consent| now - consent.granted_at),
        used_for: grants().map(|grant| now - grant.last_used_at).min(),
        lasts_for: grants().map(|grant| grant.expires_at - now).max(),
    }
}
