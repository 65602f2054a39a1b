//! A router as a plain function from request to answer, for a caller that knows nothing of axum.
//!
//! Owns the two conversions of bodies; both fit into memory on both sides.

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

/// Endpoints. Clones share them.
#[derive(Clone)]
pub struct Service(Router);

impl Service {
    pub fn new(router: Router) -> Self {
        Self(router)
    }

    /// Answers one request.
    pub async fn call(&self, request: Request<Bytes>) -> Response<Bytes> {
        let answer = match self.0.clone().oneshot(request.map(Body::from)).await {
            Ok(answer) => answer,
            Err(never) => match never {},
        };
        let (parts, body) = answer.into_parts();
        // Bodies of ours are in memory already: collecting them cannot fail.
        let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        Response::from_parts(parts, body)
    }
}
