//! Signing out: the sessions of a browser end here and, if wanted, at the issuer (OpenID Connect RP-Initiated Logout 1.0). Their
//! refresh tokens are given back in any case (RFC 7009).
//!
//! Owns who may ask for it. Another site's page may not (rule K5), and a link only leads to a question (K10).

use std::sync::Arc;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;

use super::session::Live;
use super::{Browsers, Failure, Login, Next, Reply, cookies, query, request};
use crate::secret::Secret;

/// The field of the form that says that it is ours.
const FORGERY: &str = "forgery";

/// What a browser sent to sign out.
#[derive(Clone, Copy)]
pub struct SignOutRequest<'a> {
    pub is_post: bool,
    /// The host that it is for, with its port if it has one.
    pub authority: &'a str,
    pub headers: &'a HeaderMap,
    /// The form.
    pub body: &'a [u8],
}

impl Browsers {
    /// Ends every session that the browser has with routes of this host.
    pub async fn sign_out(&self, asked: &SignOutRequest<'_>) -> Reply {
        let presented: Vec<Presented<'_>> =
            self.logins.iter().filter_map(|login| Some((login, self.presented(login, asked.headers)?))).collect();
        if presented.is_empty() {
            return Reply { next: Next::SignedOut, cookies: Vec::new() };
        }
        if !asked.is_post || !self.is_meant(asked, &presented) {
            let next =
                Next::ConfirmSignOut { forgery: self.forgery(&presented), leads_to: self.leads_to(&presented).await };
            return Reply { next, cookies: Vec::new() };
        }
        let (mut address, mut has_failed) = (None, false);
        let mut removed = Vec::new();
        for (login, hash) in &presented {
            let live = self.known(login, hash).await.ok().flatten();
            if self.try_end(hash).await.is_err() {
                has_failed = true;
                continue;
            }
            if address.is_none() && login.signs_out_at_issuer {
                address = issuers_logout(login, live.as_deref()).await;
            }
            give_back(login, live.and_then(|live| live.kept.refresh_token.clone()));
            removed.extend(cookies::remove(&cookies::of_session(&login.name, self.origins.is_https())));
            self.count_login(login, "signed_out");
        }
        if has_failed {
            return Reply { next: Next::Failed(still_signed_in()), cookies: removed };
        }
        let reply = address.map_or(Reply { next: Next::SignedOut, cookies: Vec::new() }, Reply::to);
        Reply { cookies: removed, ..reply }
    }

    /// Whether the person wants this: a page of this origin asks, or our own form does.
    fn is_meant(&self, asked: &SignOutRequest<'_>, presented: &[Presented<'_>]) -> bool {
        if request::is_proven(asked.headers, (asked.authority, self.origins.is_https())) {
            return true;
        }
        // A browser that says nothing of where a request comes from. One that says it comes from elsewhere is believed.
        let is_silent = !asked.headers.contains_key("sec-fetch-site");
        let value = std::str::from_utf8(asked.body).ok().and_then(|body| query::find(body, FORGERY));
        let sent = value.and_then(|value| URL_SAFE_NO_PAD.decode(value).ok());
        is_silent && sent.is_some_and(|sent| hmac::verify(&self.forms, &message(presented), &sent).is_ok())
    }

    fn forgery(&self, presented: &[Presented<'_>]) -> String {
        URL_SAFE_NO_PAD.encode(hmac::sign(&self.forms, &message(presented)))
    }

    /// Where the form's answer may lead (rule K2).
    async fn leads_to(&self, presented: &[Presented<'_>]) -> Vec<String> {
        let Some((login, _)) = presented.iter().find(|(login, _)| login.signs_out_at_issuer) else { return Vec::new() };
        let endpoint = login.issuer.endpoints().await.ok().and_then(|endpoints| endpoints.end_session.clone());
        endpoint.into_iter().chain(login.after_logout.clone()).collect()
    }
}

/// The cookie stays, so that the person can try again: whoever has a copy of it is signed in as well.
fn still_signed_in() -> Failure {
    Failure {
        status: 503,
        code: "logout_unavailable",
        description: "The session cannot be ended now; it goes on.",
        again: Some(super::LOGOUT.to_owned()),
    }
}

/// Where the issuer ends its own session. Without an answer of its own, people are signed out here only.
async fn issuers_logout(login: &Login, live: Option<&Live>) -> Option<String> {
    let endpoint = login.issuer.endpoints().await.ok()?.end_session.clone()?;
    let mut parameters = vec![("id_token_hint", live?.kept.id_token.as_str()), ("client_id", &login.client.id)];
    if let Some(after) = &login.after_logout {
        parameters.push(("post_logout_redirect_uri", after));
    }
    Some(query::with(&endpoint, &parameters))
}

/// Behind the answer: the person does not wait for the issuer.
pub(super) fn give_back(login: &Arc<Login>, refresh_token: Option<String>) {
    let Some(refresh_token) = refresh_token else { return };
    let login = Arc::clone(login);
    tokio::spawn(async move { login.issuer.revoke(&login.client, Secret::new(refresh_token)).await });
}

/// A login, and the hash of what the browser presents for it.
type Presented<'a> = (&'a Arc<Login>, String);

/// A form is of the sessions that were there when it was shown.
fn message(presented: &[Presented<'_>]) -> Vec<u8> {
    let sessions = presented.iter().map(|(login, hash)| format!("{} {hash}\n", login.name));
    sessions.collect::<String>().into_bytes()
}

#[cfg(test)]
mod tests;
