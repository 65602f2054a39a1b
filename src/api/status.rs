//! `GET /api/status`: whether the management API answers. With a key it says a little more.

use axum::body::Body;
use axum::extract::{Request, State};
use serde_json::json;

use super::Api;
use super::answer::{Reply, json_answer, nothing};

pub(super) async fn find(State(api): State<Api>, request: Request<Body>) -> Reply {
    api.directory.tenants().await?;
    // FusionAuth answers strangers with nothing but the status code.
    match api.admit(request).await {
        Ok(_) => json_answer(&json!({ "status": "Ok", "version": env!("CARGO_PKG_VERSION") })),
        Err(_) => nothing(),
    }
}
