//! The way back: what an issuer answered becomes a session, or a page that says why not (RFC 6749 4.1.2, RFC 9207, OpenID
//! Connect Core 3.1.3).
//!
//! Owns the checks and their order. None of them can be skipped by what comes with the request.

use http::{HeaderMap, HeaderValue};
use serde_json::{Map, Value};

use super::attempt::{ATTEMPT_FOR, Attempt};
use super::{Browsers, Failure, Login, Next, Reply, TokenRefusal, Tokens, cookies, query};
use crate::model::ClientSecret;
use crate::secret::{Secret, equal};
use crate::store::Lease;

/// What [`Browsers::callback`] answers when something is wrong.
type Outcome<T> = Result<T, Failure>;

impl Browsers {
    /// Answers a browser that an issuer sent back. `name` is what follows the path, if anything does.
    pub async fn callback(&self, name: Option<&str>, query: &str, headers: &HeaderMap) -> Reply {
        let Some(login) = self.called_back(name) else {
            return Reply::failed(failure(404, "unknown_login", "No login has this address."));
        };
        // 1. Who began this? A state that this browser was not given is somebody else's login, or one that is done.
        let state = query::find(query, "state").unwrap_or_default();
        let Some(attempt) = self.find_attempt(login, &state, headers) else {
            self.count_login(login, "unknown");
            let description = "This browser did not begin this login, or has finished it, or keeps no cookies.";
            return Reply::failed(failure(400, "login_unknown", description));
        };
        let outcome = self.finish(login, &attempt, (query, headers)).await;
        // Whatever came of it: nobody comes back with it again.
        let removed = cookies::remove(&self.attempt_cookie(login, &state));
        match outcome {
            Ok(session) => {
                self.count_login(login, "done");
                let next = Next::Redirect(format!("{}{}", attempt.origin, attempt.back));
                Reply { next, cookies: [session, removed].into_iter().flatten().collect() }
            }
            Err(failure) => {
                self.count_login(login, failure.code);
                let again = Some(attempt.back);
                let next = Next::Failed(Failure { again, ..failure });
                Reply { next, cookies: removed.into_iter().collect() }
            }
        }
    }

    /// The login whose answers come here. RFC 9700 4.4.2: each has an address of its own.
    fn called_back(&self, name: Option<&str>) -> Option<&Login> {
        match (&*self.logins, name) {
            ([only], None) => Some(only),
            ([_] | [], _) | (_, None) => None,
            (several, Some(name)) => several.iter().map(|login| &**login).find(|login| login.name == name),
        }
    }

    /// The session's cookie.
    async fn finish(
        &self,
        login: &Login,
        attempt: &Attempt,
        (query, headers): (&str, &HeaderMap),
    ) -> Outcome<Option<HeaderValue>> {
        let now = self.clock.now();
        if attempt.is_over(now) {
            return Err(failure(400, "login_expired", "The login took longer than ten minutes."));
        }
        // 2. Once.
        let lease = Lease { now, expires_at: now.saturating_add(ATTEMPT_FOR) };
        match self.store.remember_once("browser_login", &ClientSecret::hash(&attempt.state), lease).await {
            Ok(true) => {}
            Ok(false) => return Err(failure(400, "login_replayed", "This answer was used before.")),
            Err(error) => {
                tracing::warn!(store.error = %error, "a login cannot be finished now");
                return Err(unavailable("The store does not answer."));
            }
        }
        // 3. Is it from whom it was asked of?
        self.check_issuer(login, query).await?;
        // 4. Did they say no?
        if let Some(error) = query::find(query, "error") {
            return Err(refused(login, &error));
        }
        let Some(code) = query::find(query, "code").map(Secret::new) else {
            return Err(failure(400, "no_code", "The issuer's answer has neither a code nor an error."));
        };
        // 5. The code for tokens, 6. which are for this attempt.
        let tokens = self.redeem(login, attempt, code).await?;
        let claims = self.check_id_token(login, attempt, &tokens).await?;
        // 7. The session; the one that was there before ends (K6).
        self.end_presented(login, headers).await;
        match self.start(login, tokens, &claims, attempt.demands.clone()).await {
            Ok(presented) => {
                let name = cookies::of_session(&login.name, self.origins.is_https());
                Ok(cookies::set(&name, &presented, None))
            }
            Err(error) => {
                tracing::warn!(store.error = %error, "a session cannot be stored now");
                Err(unavailable("The store does not answer."))
            }
        }
    }

    /// RFC 9207 2.4: a wrong name is refused, and so is none from somebody who says that they give it.
    async fn check_issuer(&self, login: &Login, query: &str) -> Outcome<()> {
        let endpoints = login.issuer.endpoints().await.map_err(|_| unavailable("The issuer does not answer."))?;
        let is_right = match query::find(query, "iss") {
            Some(issuer) => issuer == endpoints.issuer,
            // Two of them are none that could be checked.
            None => !endpoints.names_itself && !query.split('&').any(|pair| pair.starts_with("iss=")),
        };
        match is_right {
            true => Ok(()),
            false => Err(failure(400, "wrong_issuer", "The answer is not from the issuer that was asked.")),
        }
    }

    async fn redeem(&self, login: &Login, attempt: &Attempt, code: Secret<String>) -> Outcome<Tokens> {
        let form = vec![
            ("grant_type", Secret::new("authorization_code".to_owned())),
            ("code", code),
            ("redirect_uri", Secret::new(self.redirect_uri(&attempt.origin, login))),
            ("code_verifier", Secret::new(attempt.verifier.clone())),
        ];
        login.issuer.tokens(&login.client, form).await.map_err(|refusal| match refusal {
            TokenRefusal::Refused => failure(400, "code_refused", "The issuer did not take the code."),
            TokenRefusal::Unanswered => unavailable("The issuer gives no tokens now."),
        })
    }

    /// OpenID Connect Core 3.1.3.7.
    async fn check_id_token(&self, login: &Login, attempt: &Attempt, tokens: &Tokens) -> Outcome<Map<String, Value>> {
        let Some(id_token) = &tokens.id_token else {
            return Err(failure(502, "no_id_token", "The issuer gave no ID token."));
        };
        let read = login.issuer.read_id_token(&login.client, id_token.expose()).await;
        let claims = read.map_err(|refusal| match refusal {
            TokenRefusal::Refused => failure(502, "bad_id_token", "The issuer's ID token is not good here."),
            TokenRefusal::Unanswered => unavailable("The issuer's keys cannot be had now."),
        })?;
        let nonce = claims.get("nonce").and_then(Value::as_str).unwrap_or_default();
        if !equal(nonce.as_bytes(), attempt.nonce.as_bytes()) {
            return Err(failure(400, "wrong_nonce", "The ID token is of another login."));
        }
        if !is_authorized_party(&claims, &login.client.id) {
            return Err(failure(502, "bad_id_token", "The ID token is for another client."));
        }
        Ok(claims)
    }
}

/// Who is named beside others has to be the one it was issued to (Core 2, `azp`).
fn is_authorized_party(claims: &Map<String, Value>, client_id: &str) -> bool {
    let party = claims.get("azp").and_then(Value::as_str);
    match claims.get("aud").and_then(Value::as_array) {
        Some(several) if several.len() > 1 => party == Some(client_id),
        Some(_) | None => party.is_none_or(|party| party == client_id),
    }
}

fn failure(status: u16, code: &'static str, description: &'static str) -> Failure {
    Failure { status, code, description, again: None }
}

fn unavailable(description: &'static str) -> Failure {
    failure(503, "login_unavailable", description)
}

/// RFC 6749 4.1.2.1. The word is the issuer's; ours are told to the person.
fn refused(login: &Login, error: &str) -> Failure {
    let is_word = error.len() <= 40 && error.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    let error = if is_word { error } else { "-" };
    tracing::info!(login.name = login.name, oauth.error = error, "an issuer refused a login");
    match error {
        "access_denied" => failure(403, "login_denied", "The login was cancelled or refused."),
        "temporarily_unavailable" | "server_error" => unavailable("The issuer cannot log anybody in now."),
        _ => failure(502, "login_refused", "The issuer refused the request; the log says why."),
    }
}

#[cfg(test)]
mod tests;
