//! `faregate user`: people, their passwords, second factors and roles, in the store of a configuration.
//!
//! Owns the words of these commands. The rules are `directory`'s.

use clap::Subcommand;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::application::application_called;
use super::directory::{Access, Common, on_directory, tenant_called};
use super::typed::{piped_password, read_password};
use super::{Failure, Outcome};
use crate::directory::{Directory, DirectoryError, NewRegistration, NewUser};
use crate::model::{Consent, Passkey, PasswordChange, RefreshToken, Session, User, UserProfile};
use crate::secret::Secret;

#[derive(Debug, clap::Args)]
#[command(after_help = "Passwords are read from standard input, or asked for on a terminal.")]
pub struct Arguments {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    action: Action,
}

/// Who is meant.
#[derive(Debug, clap::Args)]
struct Who {
    /// Email, username or id
    user: String,
    /// Where there are several tenants
    #[arg(long)]
    tenant: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Create a user
    Create {
        /// The email, or the username if there is no @ in it
        login: String,
        /// Beside an email
        #[arg(long)]
        username: Option<String>,
        /// The full name
        #[arg(long)]
        name: Option<String>,
        /// The email is known to be theirs
        #[arg(long)]
        verified: bool,
        /// Read a temporary password: the first login has to choose another one. Without any, nobody logs in until
        /// `set-password`
        #[arg(long)]
        password: bool,
        /// The account and the password are your own: it stays
        #[arg(long, requires = "password")]
        mine: bool,
        /// Register for an application, with roles: APPLICATION or APPLICATION:ROLE,ROLE; may be repeated
        #[arg(long = "registration", value_name = "APPLICATION[:ROLES]")]
        registrations: Vec<String>,
        #[arg(long)]
        tenant: Option<String>,
    },
    /// List users
    List {
        #[arg(long)]
        tenant: Option<String>,
        /// At most so many
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        limit: u32,
        /// Those behind the user with this id
        #[arg(long, value_name = "ID")]
        after: Option<Uuid>,
    },
    /// Show a user with their registrations
    Show(Who),
    /// Set a temporary password, read from standard input or made and shown once: the next login has to choose another
    /// one; sessions and tokens of the user end
    SetPassword(Who),
    /// Let nobody log in as this user; sessions and tokens end now
    Lock(Who),
    /// Let the user log in again
    Unlock(Who),
    /// Show the sessions of a user, and what applications were given by them
    Access(Who),
    /// End every session and token of the user, or one
    Revoke {
        #[command(flatten)]
        who: Who,
        /// One session, with what was given in it
        #[arg(long, value_name = "ID", group = "one")]
        session: Option<Uuid>,
        /// One grant: the refresh tokens and access tokens that come from it
        #[arg(long, value_name = "ID", group = "one")]
        grant: Option<Uuid>,
        /// The consent for one application, with what it was given; the user is asked again
        #[arg(long, value_name = "APPLICATION", group = "one")]
        consent: Option<String>,
    },
    /// Set the user's roles in an application, and register them for it
    Roles {
        /// Email, username or id
        user: String,
        /// Name or id
        application: String,
        /// May be repeated; none takes all away
        #[arg(long = "role", value_name = "ROLE")]
        roles: Vec<String>,
        /// End the registration instead
        #[arg(long, conflicts_with = "roles")]
        unregister: bool,
        #[arg(long)]
        tenant: Option<String>,
    },
    /// Give the user a second factor; its secret and the recovery codes are shown once
    Totp {
        #[command(flatten)]
        who: Who,
        /// Take it away instead, for somebody who lost it
        #[arg(long)]
        remove: bool,
        /// Only other recovery codes; the earlier ones are worth nothing any more
        #[arg(long, conflicts_with = "remove")]
        recovery_codes: bool,
    },
    /// List the user's passkeys, which they add themselves at /oauth2/passkeys
    Passkeys {
        #[command(flatten)]
        who: Who,
        /// Take them all away, for somebody who lost them; sessions and tokens of the user end
        #[arg(long)]
        remove: bool,
    },
    /// Delete a user and everything about them
    Delete(Who),
}

pub fn run(arguments: &Arguments) -> Outcome {
    let wanted = match arguments.action {
        Action::Create { .. } => Access::Create,
        Action::List { .. } | Action::Show(_) | Action::Access(_) | Action::Passkeys { remove: false, .. } => {
            Access::Read
        }
        Action::SetPassword(_)
        | Action::Lock(_)
        | Action::Unlock(_)
        | Action::Revoke { .. }
        | Action::Roles { .. }
        | Action::Totp { .. }
        | Action::Passkeys { .. }
        | Action::Delete(_) => Access::Change,
    };
    on_directory(&arguments.common, wanted, async |directory| match &arguments.action {
        Action::Create { .. } => create(directory, &arguments.action).await,
        Action::List { tenant, limit, after } => {
            let tenant = match tenant {
                Some(name) => Some(tenant_called(directory, Some(name)).await?.id),
                None => None,
            };
            Ok(directory.users(tenant, *after, *limit).await?.iter().map(shown).collect())
        }
        Action::Show(who) => with_registrations(directory, &user_called(directory, who).await?).await,
        Action::SetPassword(who) => {
            let user = user_called(directory, who).await?;
            let made = directory.set_temporary_password(user.id, piped_password()?.as_ref()).await?;
            let mut shown = shown(&user_called(directory, who).await?);
            if let Some(made) = made {
                // The only place where it is printed, once.
                shown["temporary_password"] = made.expose().as_str().into();
            }
            Ok(shown)
        }
        Action::Lock(who) => Ok(shown(&directory.lock_user(user_called(directory, who).await?.id).await?)),
        Action::Unlock(who) => Ok(shown(&directory.unlock_user(user_called(directory, who).await?.id).await?)),
        Action::Access(who) => access(directory, &user_called(directory, who).await?).await,
        Action::Revoke { who, session: Some(session), .. } => {
            directory.end_session(user_called(directory, who).await?.id, *session).await?;
            Ok(json!({ "revoked": session }))
        }
        Action::Revoke { who, grant: Some(grant), .. } => {
            directory.end_grant(user_called(directory, who).await?.id, *grant).await?;
            Ok(json!({ "revoked": grant }))
        }
        Action::Revoke { who, consent: Some(application), .. } => {
            let user = user_called(directory, who).await?;
            let application = application_called(directory, who.tenant.as_deref(), application).await?;
            directory.withdraw_consent(user.id, application.id).await?;
            Ok(json!({ "revoked": application.id }))
        }
        Action::Revoke { who, .. } => {
            let user = user_called(directory, who).await?;
            directory.revoke_user(user.id).await?;
            Ok(json!({ "revoked": user.id }))
        }
        Action::Roles { user, application, roles, unregister, tenant } => {
            let who = Who { user: user.clone(), tenant: tenant.clone() };
            let user = user_called(directory, &who).await?;
            let application = application_called(directory, tenant.as_deref(), application).await?;
            if *unregister {
                directory.unregister(user.id, application.id).await?;
                return Ok(json!({ "deleted": { "user": user.id, "application": application.name } }));
            }
            let registration = directory.set_roles(user.id, application.id, roles.clone()).await?;
            Ok(json!({ "user": user.id, "application": application.name, "roles": registration.roles }))
        }
        Action::Totp { who, remove: true, .. } => {
            let user = user_called(directory, who).await?;
            directory.remove_totp(user.id).await?;
            Ok(json!({ "user": user.id, "second_factor": false }))
        }
        Action::Totp { who, recovery_codes: true, .. } => {
            let user = user_called(directory, who).await?;
            let codes = directory.renew_recovery_codes(&user).await?;
            // Printed here, once.
            Ok(json!({ "user": user.id, "second_factor": true, "recovery_codes": exposed(&codes) }))
        }
        Action::Totp { who, .. } => {
            let user = user_called(directory, who).await?;
            let enrollment = directory.enroll_totp(user.id).await?;
            // Printed here, once.
            Ok(json!({
                "user": user.id,
                "second_factor": true,
                "uri": enrollment.uri.expose().as_str(),
                "secret": enrollment.secret.expose().as_str(),
                "recovery_codes": exposed(&enrollment.recovery_codes),
            }))
        }
        Action::Passkeys { who, remove } => {
            let user = user_called(directory, who).await?;
            if *remove {
                directory.remove_passkeys(user.id).await?;
            }
            let kept: Vec<&Passkey> = user.passkeys.iter().filter(|_| !remove).collect();
            Ok(json!({ "user": user.id, "passkeys": kept.into_iter().map(passkey).collect::<Vec<_>>() }))
        }
        Action::Delete(who) => {
            let user = user_called(directory, who).await?;
            directory.delete_user(user.id).await?;
            Ok(json!({ "deleted": user.id }))
        }
    })
}

async fn create(directory: &Directory, action: &Action) -> Result<Value, Failure> {
    let Action::Create { login, username, name, verified, password, mine, registrations, tenant } = action else {
        return Err(anyhow::anyhow!("not a command to create a user").into());
    };
    let is_email = login.contains('@');
    if !is_email && username.is_some() {
        return Err(anyhow::anyhow!("{login:?} is the username already; --username goes beside an email").into());
    }
    let tenant_id = tenant_called(directory, tenant.as_deref()).await?.id;
    // Before anything is written: every application and role that is asked for.
    let mut wanted = Vec::new();
    for text in registrations {
        let (name, roles) = match text.split_once(':') {
            Some((name, roles)) => (name, Some(roles.split(',').map(str::to_owned).collect::<Vec<_>>())),
            None => (text.as_str(), None),
        };
        let application = application_called(directory, tenant.as_deref(), name).await?;
        if let Some(unknown) = roles.iter().flatten().find(|role| application.role(role).is_none()) {
            return Err(anyhow::anyhow!("application {name:?} has no role {unknown:?}").into());
        }
        wanted.push((application.id, roles));
    }
    let user = directory
        .create_user(NewUser {
            tenant_id,
            email: is_email.then(|| login.clone()),
            username: if is_email { username.clone() } else { Some(login.clone()) },
            email_verified: *verified,
            password: if *password { Some(read_password()?) } else { None },
            // Nobody chooses the password of somebody else (L16).
            password_change: (*password && !mine).then_some(PasswordChange::Administrative),
            profile: UserProfile { name: name.clone(), ..UserProfile::default() },
            ..NewUser::default()
        })
        .await?;
    for (application_id, roles) in wanted {
        let new = NewRegistration { user_id: user.id, application_id, roles, data: Map::new() };
        directory.register(new).await?;
    }
    with_registrations(directory, &user).await
}

async fn user_called(directory: &Directory, who: &Who) -> Result<User, Failure> {
    let tenant = tenant_called(directory, who.tenant.as_deref()).await?;
    let found = match Uuid::try_parse(&who.user) {
        Ok(id) => directory.user(id).await.map_err(DirectoryError::from)?.map(|user| (*user).clone()),
        Err(_) => directory.find_user(tenant.id, &who.user).await.map_err(DirectoryError::from)?,
    };
    let found = found.filter(|user| user.tenant_id == tenant.id);
    found.ok_or_else(|| anyhow::anyhow!("tenant {:?} has no user {:?}", tenant.name, who.user).into())
}

fn shown(user: &User) -> Value {
    json!({
        "id": user.id,
        "email": user.email,
        "username": user.username,
        "name": user.profile.name,
        "tenant_id": user.tenant_id,
        "verified": user.email_verified,
        "locked": user.locked_at.is_some(),
        "password": user.password_hash.is_some(),
        "password_change": user.password_change.map(PasswordChange::as_str),
        "second_factor": user.has_second_factor(),
        "recovery_codes_left": user.recovery_codes.len(),
        "passkeys": user.passkeys.len(),
        "managed_by": user.managed_by,
    })
}

fn exposed(codes: &[Secret<String>]) -> Vec<&str> {
    codes.iter().map(|code| code.expose().as_str()).collect()
}

/// What people know it by, never what it is checked with.
fn passkey(passkey: &Passkey) -> Value {
    json!({ "name": passkey.name, "algorithm": passkey.algorithm.as_str(), "created_at": passkey.created_at })
}

/// Sessions, grants and consents; never what stands for them.
async fn access(directory: &Directory, user: &User) -> Result<Value, Failure> {
    let applications = directory.applications(Some(user.tenant_id)).await?;
    let name = |id: Uuid| applications.iter().find(|application| application.id == id).map(|found| found.name.as_str());
    let access = directory.access_of(user.id).await?;
    let session = |session: &Session| {
        json!({
            "id": session.id,
            "authenticated_at": session.authenticated_at,
            "methods": session.methods,
            "last_used_at": session.last_used_at,
            "expires_at": session.expires_at,
            "peer": session.peer,
            "user_agent": session.user_agent,
        })
    };
    let grant = |token: &RefreshToken| {
        json!({
            "id": token.approval.grant_id,
            "application": name(token.approval.application_id),
            "scopes": token.approval.scopes,
            "session": token.approval.session_id,
            "device": token.device_name,
            "approved_at": token.approval.authenticated_at,
            "last_used_at": token.last_used_at,
            "expires_at": token.expires_at,
        })
    };
    let consent = |consent: &Consent| {
        json!({
            "application": name(consent.application_id),
            "scopes": consent.scopes,
            "granted_at": consent.granted_at,
            "expires_at": consent.expires_at,
        })
    };
    Ok(json!({
        "sessions": access.sessions.iter().map(session).collect::<Vec<_>>(),
        "grants": access.grants.iter().map(grant).collect::<Vec<_>>(),
        "consents": access.consents.iter().map(consent).collect::<Vec<_>>(),
    }))
}

async fn with_registrations(directory: &Directory, user: &User) -> Result<Value, Failure> {
    let applications = directory.applications(Some(user.tenant_id)).await?;
    let registrations = directory.registrations(&[user.id]).await?;
    let shown_one = |registration: &crate::model::Registration| {
        let application = applications.iter().find(|application| application.id == registration.application_id);
        json!({ "application": application.map(|application| &application.name), "roles": registration.roles })
    };
    let mut shown = shown(user);
    shown["registrations"] = registrations.iter().map(shown_one).collect();
    Ok(shown)
}
