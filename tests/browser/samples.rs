//! Every page with plausible content on a real address, with the header fields that it has in life.
//!
//! Owns also two clients on addresses of their own, that pages lead to. It decides nothing.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Path, Query, Request, State};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use axum::routing::{any, get};
use faregate::model::Theme;
use faregate::web::pages::{self, Chrome, ConfirmLogout, Form, FormAction, FormPost, Language, Page, SignedOut};
use serde::Deserialize;
use tokio::net::TcpListener;

/// Where the client sends browsers on to a third origin.
pub const HOP: &str = "/hop";

pub struct Samples {
    pub address: SocketAddr,
    /// Another origin. Answers everything, and remembers it.
    pub client: SocketAddr,
    pub seen: Arc<Mutex<Vec<String>>>,
}

#[derive(Deserialize)]
struct Wanted {
    ui_locales: Option<String>,
    /// Whether the policy names the client.
    #[serde(default)]
    listed: bool,
    #[serde(default)]
    themed: bool,
}

impl Samples {
    pub async fn start() -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let client = serve(Router::new().fallback(any(remember)).with_state(Arc::clone(&seen))).await;
        let router = Router::new()
            .route("/pages/{name}", get(page))
            .route("/leave/{name}", get(leave).post(bounce))
            .route(pages::ASSET, get(pages::asset))
            .with_state(client);
        Self { address: serve(router).await, client, seen }
    }

    pub fn url(&self, name: &str, language: Language) -> String {
        format!("http://{}/pages/{name}?ui_locales={}", self.address, language.tag())
    }
}

async fn serve(router: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

async fn remember(State(seen): State<Arc<Mutex<Vec<String>>>>, request: Request) -> Response {
    let line = format!("{} {}", request.method(), request.uri());
    let path = request.uri().path().to_owned();
    let port = request.headers()["host"].to_str().unwrap().rsplit(':').next().unwrap().to_owned();
    let body = axum::body::to_bytes(request.into_body(), 10_000).await.unwrap();
    seen.lock().unwrap().push(format!("{line} {}", String::from_utf8_lossy(&body)).trim_end().to_owned());
    if path == HOP {
        return Redirect::to(&format!("http://localhost:{port}/cb")).into_response();
    }
    Html("<!DOCTYPE html><title>client</title><p>client").into_response()
}

async fn page(Path(name): Path<String>, Query(wanted): Query<Wanted>) -> Response {
    let Some((_, page)) = pages::samples().into_iter().find(|(sample, _)| *sample == name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let theme = if wanted.themed { themed() } else { Theme::default() };
    show(&*page, wanted.ui_locales.as_deref(), &theme)
}

/// Pages that lead to the client.
async fn leave(State(client): State<SocketAddr>, Path(name): Path<String>, Query(wanted): Query<Wanted>) -> Response {
    let (action, frames) = (format!("http://{client}/cb"), [format!("http://{client}/out?sid=1")]);
    match name.as_str() {
        "form_post" => {
            let fields = [("code", "a b"), ("state", "x&y=<z>"), ("submit", "hidden")];
            show(&FormPost { action: &action, fields: &fields }, None, &Theme::default())
        }
        "bounce" => {
            let form = Form { action: "/leave/bounce", fields: &[], forgery: "" };
            let form_action = if wanted.listed { FormAction::HereAnd(&action) } else { FormAction::Here };
            pages::respond(
                StatusCode::OK,
                &ConfirmLogout { form },
                &chrome(Language::English, &Theme::default()),
                form_action,
            )
        }
        _ => show(&SignedOut { frames: &frames, next: Some(&action) }, None, &Theme::default()),
    }
}

/// Sends those who posted a form to the client, as the authorization endpoint does.
async fn bounce(State(client): State<SocketAddr>) -> Redirect {
    Redirect::to(&format!("http://{client}/cb"))
}

fn show(page: &dyn Page, ui_locales: Option<&str>, theme: &Theme) -> Response {
    let language = Language::choose(ui_locales, None);
    pages::respond(StatusCode::OK, page, &chrome(language, theme), FormAction::Here)
}

fn chrome(language: Language, theme: &Theme) -> Chrome<'_> {
    Chrome { language, theme, tenant_name: "Pied Piper", here: Some("/pages/x"), is_https: false }
}

/// A theme that tests what pages do with colours that cannot be read.
fn themed() -> Theme {
    Theme {
        name: Some("Sunny Side Bakery & Sons".to_owned()),
        logo: Some(
            "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 40 40'%3E\
             %3Ccircle cx='20' cy='20' r='18' fill='%23f5b700'/%3E%3C/svg%3E"
                .to_owned(),
        ),
        accent: Some("#f5b700".to_owned()),
        accent_dark: Some("#5a3d00".to_owned()),
        welcome: [(String::new(), "Fresh rolls from six in the morning.".to_owned())].into(),
    }
}
