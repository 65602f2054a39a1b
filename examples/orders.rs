//! An upstream without a line of token code: it serves each caller its own orders and lets the gateway say who calls.
//!
//! Owns what an upstream has to do, which is to read one header. It checks no token and no permission: whether a request
//! may read or write was decided before it arrived. That holds only while nobody but the gateway can connect here, so
//! the default is loopback; elsewhere, put it on a network that only the gateway is on.
//!
//! ```console
//! $ cargo run --example orders &
//! $ cargo run -- dev --upstream http://127.0.0.1:3000
//! ```

use std::collections::HashMap;
use std::env;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let address = env::var("ORDERS_LISTEN").unwrap_or_else(|_| "127.0.0.1:3000".to_owned());
    // The gateway sends the path on as it was asked for, so these are the paths that clients use.
    let router = Router::new()
        .route("/api/orders", get(list).post(place))
        .route("/health", get(|| async { "ok\n" }))
        .with_state(Orders::default());
    let listener = TcpListener::bind(&address).await?;
    let mut stop = signal(SignalKind::terminate())?;
    eprintln!("orders: listening on http://{}", listener.local_addr()?);
    axum::serve(listener, router)
        .with_graceful_shutdown(async move {
            stop.recv().await;
        })
        .await?;
    Ok(())
}

/// Everyone's orders, by the subject of the token that placed them.
type Orders = Arc<Mutex<HashMap<String, Vec<Order>>>>;

#[derive(Clone, Serialize)]
struct Order {
    number: usize,
    item: String,
    /// The program that placed it, which may act for more than one subject.
    placed_by: String,
}

#[derive(Deserialize)]
struct Wish {
    item: String,
}

async fn list(caller: Caller, State(orders): State<Orders>) -> Json<Vec<Order>> {
    let orders = orders.lock().unwrap_or_else(PoisonError::into_inner);
    Json(orders.get(&caller.subject).cloned().unwrap_or_default())
}

async fn place(caller: Caller, State(orders): State<Orders>, Json(wish): Json<Wish>) -> (StatusCode, Json<Order>) {
    let mut orders = orders.lock().unwrap_or_else(PoisonError::into_inner);
    let own = orders.entry(caller.subject).or_default();
    let order = Order { number: own.len() + 1, item: wish.item, placed_by: caller.client };
    own.push(order.clone());
    (StatusCode::CREATED, Json(order))
}

/// Who calls, in the gateway's words.
struct Caller {
    /// The user, or the entity of a service that calls in its own name.
    subject: String,
    /// The client that the token was issued to.
    client: String,
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = (StatusCode, &'static str);

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        // The gateway removes these headers from every request and sets its own, so one that lacks them did not pass it,
        // or came by a public route.
        let stranger = (StatusCode::FORBIDDEN, "this service is reached through the gateway\n");
        Ok(Self {
            subject: only(&parts.headers, "x-auth-subject").ok_or(stranger)?,
            client: only(&parts.headers, "x-auth-client").ok_or(stranger)?,
        })
    }
}

/// The field's value, if it is there exactly once: of two, nobody can say which one is true.
fn only(headers: &HeaderMap, name: &str) -> Option<String> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok().map(str::to_owned),
        (None, _) | (Some(_), Some(_)) => None,
    }
}
