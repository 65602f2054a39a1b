//! `/api/logout`: whoever holds a refresh token ends it, or with `global` everything of its user. No key is asked for.

use axum::body::Body;
use axum::extract::{Request, State};

use super::Api;
use super::answer::{Reply, nothing};
use super::members::Members;
use super::received::Received;

/// In the query or in a body. The answer is the same whether there was anything to end.
pub(super) async fn log_out(State(api): State<Api>, request: Request<Body>) -> Reply {
    let received = Received::read(request).await?;
    let (token, everywhere) = match received.is_bare() {
        true => (received.query("refreshToken").into_iter().next(), received.query_flag("global")),
        false => {
            let body = received.json()?;
            let mut members = Members::of_whole(&body)?;
            let (token, everywhere) = (members.text("refreshToken"), members.flag("global"));
            members.finish()?;
            (token, everywhere.unwrap_or_default())
        }
    };
    if let Some(token) = token {
        api.server.log_out_by_token(&token, everywhere).await?;
    }
    nothing()
}
