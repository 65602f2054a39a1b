//! Where people log in: the logins of the configuration, and a tenant of ours as the place of one.
//!
//! Owns the wiring. A tenant of ours is asked in this process: no request leaves it.

use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::assemble::Standing;
use super::issuers::{Believed, outbound_of, unaskable};
use super::{StartError, offline, open};
use crate::browsers::{
    Browsers, Client, Dependencies, Endpoints, Form, Issuer, Login, Origins, TokenRefusal, Tokens, Unanswered,
};
use crate::config::{self, Config, IssuerKind};
use crate::gateway::{Answer, Endpoints as OwnPaths, RequestId};
use crate::issuers::SignIn;
use crate::jose::Sealing;
use crate::metrics::Metrics;
use crate::oauth::{AuthorizationServer, Sender, TokenRequest};
use crate::percent;
use crate::secret::Secret;
use crate::web;

/// The logins of a configuration, in its order, and the sessions that begin with them.
#[derive(Clone)]
pub(super) struct Logins {
    pub logins: Vec<Arc<Login>>,
    pub browsers: Arc<Browsers>,
    /// Answers the paths that belong to them.
    pub paths: OwnPaths,
}

impl Logins {
    /// # Errors
    /// [`StartError`] when nobody can be asked for tokens, or the master key cannot be read.
    pub(super) fn new(
        config: &Config,
        Standing { opened, server, metrics, .. }: &Standing,
        believed: &Believed,
        listening: &[(SocketAddr, bool)],
    ) -> Result<Self, StartError> {
        let mut logins = Vec::with_capacity(config.logins.len());
        for login in &config.logins {
            let issuer = &config.issuers[login.issuer.0];
            let issuer: Arc<dyn Issuer> = match &issuer.kind {
                IssuerKind::Tenant(_) => {
                    let tenant = believed.tenants.iter().find(|(name, _)| *name == issuer.name);
                    let tenant_id = tenant.map(|(_, tenant_id)| *tenant_id).unwrap_or_default();
                    Arc::new(OwnTenant { tenant_id, server: server.clone(), metrics: metrics.clone() })
                }
                IssuerKind::Foreign(settings) => {
                    let outbound = outbound_of(opened, metrics)?.to(settings).map_err(unaskable)?;
                    let unknown = || StartError::Outbound(format!("issuer {} is not known", issuer.name));
                    let known = believed.foreign.iter().find(|known| known.name == issuer.name).ok_or_else(unknown)?;
                    Arc::new(SignIn::new(&issuer.name, known.issuer.clone(), settings, outbound))
                }
            };
            logins.push(Arc::new(compiled(login, issuer)));
        }
        let on = Dependencies {
            store: opened.store.clone(),
            sealing: Sealing::new(&open::master_key(config, &opened.entropy, opened.writes)?),
            form_key: server.keys().derived_key(b"faregate browser forms"),
            revocations: opened.revocations.clone(),
            metrics: metrics.clone(),
            clock: opened.clock.clone(),
            entropy: opened.entropy.clone(),
        };
        let public_url = &config.public_url;
        let port = match public_url.port() {
            Some(0) => listening.first().map(|(address, _)| address.port()),
            port => port,
        };
        let origins = Origins::new(public_url.is_https(), public_url.host(), port);
        let browsers = Browsers::new(logins.clone(), origins, on);
        let paths = paths(web::Service::new(web::gate(browsers.clone(), public_url.host())));
        Ok(Self { logins, browsers, paths })
    }
}

fn compiled(login: &config::Login, issuer: Arc<dyn Issuer>) -> Login {
    Login {
        name: login.name.clone(),
        issuer,
        client: Client { id: login.client_id.clone(), secret: login.client_secret.clone() },
        scope: login.scopes.join(" "),
        parameters: login.parameters.clone(),
        idle_for: open::seconds(login.idle_for),
        life_for: open::seconds(login.life_for),
        signs_out_at_issuer: login.signs_out_at_issuer,
        after_logout: login.after_logout.clone(),
    }
}

fn paths(service: web::Service) -> OwnPaths {
    Arc::new(move |mut request: Request<Bytes>| -> Answer {
        let service = service.clone();
        if let Some(id) = request.extensions_mut().remove::<RequestId>() {
            request.extensions_mut().insert(web::RequestId(id.as_str().to_owned()));
        }
        Box::pin(async move {
            let answer: Response<Bytes> = service.call(request).await;
            answer
        })
    })
}

/// A tenant of ours at which people log in.
struct OwnTenant {
    tenant_id: Uuid,
    server: Arc<AuthorizationServer>,
    metrics: Arc<Metrics>,
}

impl OwnTenant {
    /// The token endpoint, as the client would call it.
    async fn ask(&self, client: &Client, form: &Form) -> Result<Tokens, TokenRefusal> {
        let (tenant, body) = (self.tenant_id.to_string(), body(client, form));
        let answer = self.server.token(&request(&tenant, &body)).await.map_err(|error| {
            let code = error.code.as_str();
            tracing::info!(client.id = client.id, oauth.error = code, "a login or a session got no tokens");
            if error.status() >= 429 { TokenRefusal::Unanswered } else { TokenRefusal::Refused }
        })?;
        let labels = [answer.grant_type.as_str(), answer.profile.as_str()];
        self.metrics.tokens_issued.with_label_values(&labels).inc();
        Ok(Tokens {
            expires_at: Some(answer.issued_at.saturating_add(answer.expires_in)),
            access_token: Secret::new(answer.access_token),
            refresh_token: answer.refresh_token.map(Secret::new),
            id_token: answer.id_token.map(Secret::new),
        })
    }
}

/// The form with what proves the client.
fn body(client: &Client, form: &Form) -> Secret<String> {
    let mut fields: Vec<(&str, &str)> = form.iter().map(|(name, value)| (*name, value.expose().as_str())).collect();
    fields.push(("client_id", &client.id));
    fields.extend(client.secret.as_ref().map(|secret| ("client_secret", secret.expose().as_str())));
    Secret::new(percent::form(&fields))
}

fn request<'a>(tenant: &'a str, body: &'a Secret<String>) -> TokenRequest<'a> {
    TokenRequest {
        authorization: &[],
        tenant_header: None,
        tenant_path: Some(tenant),
        body: body.expose().as_bytes(),
        peer: None,
        sender: Sender::default(),
    }
}

#[async_trait]
impl Issuer for OwnTenant {
    fn is_foreign(&self) -> bool {
        false
    }

    async fn endpoints(&self) -> Result<Arc<Endpoints>, Unanswered> {
        let document = self.server.metadata(Some(self.tenant_id)).await.ok().flatten().ok_or(Unanswered)?;
        let members: Map<String, Value> = serde_json::from_slice(&document).map_err(|_| Unanswered)?;
        let text = |name: &str| members.get(name).and_then(Value::as_str).map(str::to_owned);
        let says = |name: &str| members.get(name).and_then(Value::as_bool).unwrap_or(false);
        Ok(Arc::new(Endpoints {
            issuer: text("issuer").ok_or(Unanswered)?,
            authorization: text("authorization_endpoint").ok_or(Unanswered)?,
            end_session: text("end_session_endpoint"),
            names_itself: says("authorization_response_iss_parameter_supported"),
        }))
    }

    async fn tokens(&self, client: &Client, form: Form) -> Result<Tokens, TokenRefusal> {
        self.ask(client, &form).await
    }

    async fn revoke(&self, client: &Client, refresh_token: Secret<String>) {
        let form = vec![("token", refresh_token), ("token_type_hint", Secret::new("refresh_token".to_owned()))];
        let (tenant, body) = (self.tenant_id.to_string(), body(client, &form));
        if let Err(error) = self.server.revoke_token(&request(&tenant, &body)).await {
            let code = error.code.as_str();
            tracing::warn!(client.id = client.id, oauth.error = code, "the refresh token of a session stays good");
        }
    }

    /// It never left this process, so that its signature says nothing that is not known.
    async fn read_id_token(&self, client: &Client, id_token: &str) -> Result<Map<String, Value>, TokenRefusal> {
        let issuer = self.server.keys().issuer(Some(self.tenant_id)).ok_or(TokenRefusal::Unanswered)?;
        let claims = offline::claims(id_token).ok_or(TokenRefusal::Refused)?;
        let names_client = match claims.get("aud") {
            Some(Value::Array(several)) => several.iter().any(|one| one.as_str() == Some(&client.id)),
            Some(one) => one.as_str() == Some(&client.id),
            None => false,
        };
        let is_own = claims.get("iss").and_then(Value::as_str) == Some(&issuer.issuer);
        if is_own && names_client { Ok(claims) } else { Err(TokenRefusal::Refused) }
    }
}
