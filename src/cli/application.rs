//! `faregate application`: the clients that people log in to, in the store of a configuration.
//!
//! Owns the words of these commands. The rules are `directory`'s.

use clap::Subcommand;
use serde_json::{Value, json};
use uuid::Uuid;

use super::directory::{Access, Common, on_directory, tenant_called};
use super::{Failure, Outcome};
use crate::directory::{Directory, NewApplication, NewRole, NewSecret};
use crate::model::{
    Application, ApplicationGrant, ApplicationSettings, CertificateSubject, ClientAuthenticationPolicy, PkcePolicy,
    Relationship, Role, UrlValidation,
};
use crate::secret::Secret;

/// Help shows these in fewer lines, so that it fits a screen; manual pages and completions have them like all others.
const RARER: &str = "Rarer, and explained in the manual page: --client-authentication POLICY, --pkce POLICY, --url-validation POLICY, \
                     --logout-uri URL, --back-channel-logout-uri URL, --device-scope SCOPE, --device-refresh-life SECONDS, \
                     --tls-client-auth KIND:NAME, --require-pushed-authorization-requests BOOLEAN.";

#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Create an application; its secret is shown once
    #[command(after_help = RARER)]
    Create {
        name: String,
        /// Without a secret: a page or a program in the hands of its users
        #[arg(long)]
        public: bool,
        /// Instead of the id
        #[arg(long)]
        client_id: Option<String>,
        #[command(flatten)]
        changes: Box<Changes>,
        /// Where there are several tenants
        #[arg(long)]
        tenant: Option<String>,
    },
    /// Change an application; what is not given stays
    #[command(after_help = RARER)]
    Update {
        /// Name or id
        application: String,
        #[command(flatten)]
        changes: Box<Changes>,
        #[arg(long)]
        tenant: Option<String>,
    },
    /// List applications
    List {
        #[arg(long)]
        tenant: Option<String>,
    },
    /// Show an application
    Show {
        /// Name or id
        application: String,
        #[arg(long)]
        tenant: Option<String>,
    },
    /// Replace an application's secret; the new one is shown once
    #[command(alias = "secret")]
    RegenerateSecret {
        /// Name or id
        application: String,
        #[arg(long)]
        tenant: Option<String>,
        /// How long the old secret stays good
        #[arg(long, value_name = "SECONDS", default_value_t = 0, value_parser = clap::value_parser!(i64).range(0..))]
        keep_old: i64,
    },
    /// Delete an application, its registrations and its tokens
    Delete {
        /// Name or id
        application: String,
        #[arg(long)]
        tenant: Option<String>,
    },
}

/// What is given more than once replaces the whole list.
#[derive(Debug, clap::Args)]
struct Changes {
    /// Where people are sent back to, character for character; may be repeated
    #[arg(long = "redirect-uri", value_name = "URL")]
    redirect_uris: Vec<String>,
    /// A page that may start logins and show ours in a frame; may be repeated
    #[arg(long = "origin", value_name = "ORIGIN")]
    origins: Vec<String>,
    /// authorization_code, implicit, password, refresh_token or device_code; may be repeated
    #[arg(long = "grant", value_name = "GRANT", value_parser = grant)]
    grants: Vec<ApplicationGrant>,
    /// A service that may exchange its users' tokens for its own (RFC 8693); may be repeated
    #[arg(hide = true, long = "token-exchange-client", value_name = "CLIENT_ID")]
    token_exchange_clients: Vec<String>,
    /// A role that its users can have; may be repeated
    #[arg(long = "role", value_name = "ROLE")]
    roles: Vec<String>,
    /// Required, NotRequired or NotRequiredWhenUsingPKCE
    #[arg(hide = true, long, value_name = "POLICY", value_parser = client_authentication)]
    client_authentication: Option<ClientAuthenticationPolicy>,
    /// Required, NotRequired or NotRequiredWhenUsingClientAuthentication
    #[arg(hide = true, long, value_name = "POLICY", value_parser = pkce)]
    pkce: Option<PkcePolicy>,
    /// ExactMatch or AllowWildcards
    #[arg(hide = true, long, value_name = "POLICY", value_parser = url_validation)]
    url_validation: Option<UrlValidation>,
    /// FirstParty or ThirdParty, which asks people for consent
    #[arg(long, value_name = "RELATIONSHIP", value_parser = relationship)]
    relationship: Option<Relationship>,
    /// Called in a frame when a session ends elsewhere
    #[arg(hide = true, long, value_name = "URL")]
    logout_uri: Option<String>,
    /// Where logout tokens are posted
    #[arg(hide = true, long, value_name = "URL")]
    back_channel_logout_uri: Option<String>,
    /// Only registered users may log in
    #[arg(long, value_name = "BOOLEAN")]
    require_registration: Option<bool>,
    /// Authorization requests have to be pushed (RFC 9126)
    #[arg(hide = true, long, value_name = "BOOLEAN")]
    require_pushed_authorization_requests: Option<bool>,
    /// The only scopes that devices get; may be repeated
    #[arg(hide = true, long = "device-scope", value_name = "SCOPE")]
    device_scopes: Vec<String>,
    /// After how long the refresh tokens of devices end at the latest
    #[arg(hide = true, long, value_name = "SECONDS")]
    device_refresh_life: Option<i64>,
    /// Whose certificates are its own: subject_dn, san_dns, san_uri, san_ip or san_email, and the name
    #[arg(hide = true, long = "tls-client-auth", value_name = "KIND:NAME", value_parser = certificate_subject)]
    certificate_subject: Option<CertificateSubject>,
}

fn certificate_subject(text: &str) -> Result<CertificateSubject, String> {
    let (kind, name) = text.split_once(':').unwrap_or((text, ""));
    named(CertificateSubject::of(kind, name.to_owned()), &CertificateSubject::KINDS)
}

fn named<T>(found: Option<T>, known: &[&str]) -> Result<T, String> {
    found.ok_or_else(|| format!("one of: {}", known.join(", ")))
}

fn grant(text: &str) -> Result<ApplicationGrant, String> {
    let known = ["authorization_code", "implicit", "password", "refresh_token", "device_code"];
    let text = if text == "device_code" { ApplicationGrant::DeviceCode.as_str() } else { text };
    named(ApplicationGrant::parse(text), &known)
}

fn client_authentication(text: &str) -> Result<ClientAuthenticationPolicy, String> {
    let known = ClientAuthenticationPolicy::ALL.map(ClientAuthenticationPolicy::as_str);
    named(ClientAuthenticationPolicy::parse(text), &known)
}

fn pkce(text: &str) -> Result<PkcePolicy, String> {
    named(PkcePolicy::parse(text), &PkcePolicy::ALL.map(PkcePolicy::as_str))
}

fn url_validation(text: &str) -> Result<UrlValidation, String> {
    named(UrlValidation::parse(text), &UrlValidation::ALL.map(UrlValidation::as_str))
}

fn relationship(text: &str) -> Result<Relationship, String> {
    named(Relationship::parse(text), &Relationship::ALL.map(Relationship::as_str))
}

impl Changes {
    fn apply(&self, settings: &mut ApplicationSettings) {
        let list = |from: &Vec<String>, to: &mut Vec<String>| {
            if !from.is_empty() {
                to.clone_from(from);
            }
        };
        list(&self.redirect_uris, &mut settings.redirect_uris);
        list(&self.origins, &mut settings.origins);
        list(&self.token_exchange_clients, &mut settings.token_exchange_clients);
        if !self.grants.is_empty() {
            settings.grants.clone_from(&self.grants);
        }
        settings.client_authentication = self.client_authentication.unwrap_or(settings.client_authentication);
        settings.pkce = self.pkce.unwrap_or(settings.pkce);
        settings.url_validation = self.url_validation.unwrap_or(settings.url_validation);
        settings.relationship = self.relationship.unwrap_or(settings.relationship);
        settings.logout_uri = self.logout_uri.clone().or(settings.logout_uri.take());
        let back_channel = self.back_channel_logout_uri.clone();
        settings.back_channel_logout_uri = back_channel.or(settings.back_channel_logout_uri.take());
        settings.requires_registration = self.require_registration.unwrap_or(settings.requires_registration);
        let pushed = self.require_pushed_authorization_requests;
        settings.requires_pushed_requests = pushed.unwrap_or(settings.requires_pushed_requests);
        let devices = &mut settings.device_grant;
        if !self.device_scopes.is_empty() {
            devices.scopes = Some(self.device_scopes.clone());
        }
        devices.refresh_tokens_for = self.device_refresh_life.or(devices.refresh_tokens_for);
        settings.certificate_subject = self.certificate_subject.clone().or(settings.certificate_subject.take());
    }

    fn new_roles(&self) -> impl Iterator<Item = NewRole> {
        self.roles.iter().map(|name| NewRole { name: name.clone(), ..NewRole::default() })
    }

    /// Roles that are there already keep their ids.
    fn roles(&self, before: &Application, directory: &Directory) -> Vec<Role> {
        if self.roles.is_empty() {
            return before.roles.clone();
        }
        let role = |new: NewRole| before.role(&new.name).cloned().unwrap_or_else(|| directory.role(new));
        self.new_roles().map(role).collect()
    }
}

pub fn run(arguments: &Arguments) -> Outcome {
    let access = match arguments.action {
        Action::Create { .. } => Access::Create,
        Action::List { .. } | Action::Show { .. } => Access::Read,
        Action::Update { .. } | Action::RegenerateSecret { .. } | Action::Delete { .. } => Access::Change,
    };
    on_directory(&arguments.common, access, async |directory| match &arguments.action {
        Action::Create { name, public, client_id, changes, tenant } => {
            let mut settings = ApplicationSettings::default();
            if *public {
                settings.client_authentication = ClientAuthenticationPolicy::NotRequired;
                settings.pkce = PkcePolicy::Required;
            }
            changes.apply(&mut settings);
            let new = NewApplication {
                id: None,
                tenant_id: tenant_called(directory, tenant.as_deref()).await?.id,
                name: name.clone(),
                client_id: client_id.clone(),
                client_secret: if *public { NewSecret::None } else { NewSecret::Generated },
                roles: changes.new_roles().collect(),
                settings,
            };
            let created = directory.create_application(new).await?;
            Ok(with_secret(&created.application, created.client_secret.as_ref()))
        }
        Action::Update { application, changes, tenant } => {
            let before = application_called(directory, tenant.as_deref(), application).await?;
            let mut after = before.clone();
            changes.apply(&mut after.settings);
            after.roles = changes.roles(&before, directory);
            Ok(shown(&directory.update_application(&before, after).await?))
        }
        Action::List { tenant } => {
            let tenant = match tenant {
                Some(name) => Some(tenant_called(directory, Some(name)).await?.id),
                None => None,
            };
            Ok(directory.applications(tenant).await?.iter().map(shown).collect())
        }
        Action::Show { application, tenant } => {
            Ok(shown(&application_called(directory, tenant.as_deref(), application).await?))
        }
        Action::RegenerateSecret { application, tenant, keep_old } => {
            let application = application_called(directory, tenant.as_deref(), application).await?;
            let renewed = directory.regenerate_application_secret(application.id, *keep_old).await?;
            Ok(with_secret(&renewed.application, renewed.client_secret.as_ref()))
        }
        Action::Delete { application, tenant } => {
            let application = application_called(directory, tenant.as_deref(), application).await?;
            directory.delete_application(application.id).await?;
            Ok(json!({ "deleted": application.id }))
        }
    })
}

/// By name or id.
pub(super) async fn application_called(
    directory: &Directory,
    tenant: Option<&str>,
    name: &str,
) -> Result<Application, Failure> {
    let tenant = tenant_called(directory, tenant).await?;
    let applications = directory.applications(Some(tenant.id)).await?;
    let names = applications.iter().map(|known| known.name.as_str()).collect::<Vec<_>>().join(", ");
    let unknown = anyhow::anyhow!(
        "tenant {:?} has no application {name:?}; it has: {}",
        tenant.name,
        if names.is_empty() { "none" } else { &names }
    );
    let id = Uuid::try_parse(name).ok();
    applications.into_iter().find(|known| known.name == name || Some(known.id) == id).ok_or(unknown.into())
}

fn shown(application: &Application) -> Value {
    let settings = &application.settings;
    let roles: Vec<&str> = application.roles.iter().map(|role| role.name.as_str()).collect();
    json!({
        "id": application.id,
        "name": application.name,
        "client_id": application.client_id,
        "tenant_id": application.tenant_id,
        "public": application.is_public(),
        "client_authentication": settings.client_authentication.as_str(),
        "pkce": settings.pkce.as_str(),
        "grants": settings.grants.iter().map(|grant| grant.as_str()).collect::<Vec<_>>(),
        "url_validation": settings.url_validation.as_str(),
        "redirect_uris": settings.redirect_uris,
        "origins": settings.origins,
        "relationship": settings.relationship.as_str(),
        "require_registration": settings.requires_registration,
        "require_pushed_authorization_requests": settings.requires_pushed_requests,
        "device_grant": { "scopes": settings.device_grant.scopes, "refresh_token_life": settings.device_grant.refresh_tokens_for },
        "tls_client_auth": settings.certificate_subject,
        "token_exchange_clients": settings.token_exchange_clients,
        "logout_uri": settings.logout_uri,
        "back_channel_logout_uri": settings.back_channel_logout_uri,
        "roles": roles,
        "managed_by": application.managed_by,
    })
}

/// The only place where a secret is printed, once.
fn with_secret(application: &Application, secret: Option<&Secret<String>>) -> Value {
    let mut shown = shown(application);
    if let Some(secret) = secret {
        shown["client_secret"] = secret.expose().as_str().into();
    }
    shown
}
