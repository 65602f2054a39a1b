//! `faregate dev`: a whole world without any file.
//!
//! Owns the settings of that world and what it prints. It is an ordinary configuration, `dev.yaml` beside this file, that
//! runs on the ordinary gateway.

use std::fs::{self, OpenOptions};
use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{Failure, Format, Outcome, UNUSABLE, WRONG, output, say};
use crate::config::{self, Config, Environment};
use crate::entropy::Entropy;
use crate::gateway::ListenError;
use crate::serve::{Running, StartError};

const CONFIGURATION: &str = include_str!("dev.yaml");

/// The name of the entity that is called. The one that calls is `reporting`.
const TARGET: &str = "orders";

/// Who may open everything, `/admin/**` included. Named in `dev.yaml` too, where names take no variables.
const USER_EMAIL: &str = "admin@example.com";
const USER_ROLE: &str = "admin";

/// Where each application may be sent back to. Its port may differ (RFC 8252 7.3).
const CALLBACK: &str = "http://127.0.0.1:9999/callback";

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  faregate dev\n  faregate dev --upstream http://127.0.0.1:3000 --data ./state")]
pub struct Arguments {
    /// Where requests are taken; port 0 takes a free one. Loopback only
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080", value_parser = address)]
    listen: SocketAddr,
    /// Where metrics and health are. Loopback only
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9090", value_parser = address)]
    admin_listen: SocketAddr,
    /// Forward to this URL instead of the built-in echo
    #[arg(long, value_name = "URL", value_parser = upstream)]
    upstream: Option<String>,
    /// Keep the store, the keys and the secrets in this folder
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Print a line per decision
    #[arg(long)]
    decisions: bool,
    /// `json` prints one line to standard output once requests are answered
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// What differs from one world to the next.
#[derive(Deserialize, Serialize)]
struct World {
    master_key: String,
    api_key: String,
    recipient_id: String,
    recipient_secret: String,
    target_id: String,
    target_secret: String,
    user_id: String,
    user_password: String,
    web_id: String,
    web_secret: String,
    spa_id: String,
    device_id: String,
}

pub fn run(arguments: Arguments) -> Outcome {
    for address in [arguments.listen, arguments.admin_listen] {
        if !address.ip().is_loopback() {
            let error = anyhow::anyhow!(
                "{address} is not a loopback address; `faregate dev` prints its secrets, so it listens on this machine only: use `faregate serve` for anything else"
            );
            return Err(Failure::Failed(WRONG, error));
        }
    }
    let world = match &arguments.data {
        Some(folder) => World::kept_in(folder).map_err(|error| Failure::Failed(UNUSABLE, error))?,
        None => World::new(&Entropy::system()),
    };
    let config = configuration(&arguments, &world)?;
    let format = arguments.format;
    let outcome = super::serve::until_signal(config, None, |running| match format {
        Format::Json => output::announce(&format!("{}\n", description(running, &world))),
        Format::Text => output::announce(&welcome(running, &world)),
    });
    outcome.map_err(|failure| with_choice(failure, &arguments))
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "an IP address and a port, such as 127.0.0.1:8081".to_owned())
}

/// A port in use is most likely at the very first start: says how another one is chosen.
fn with_choice(failure: Failure, arguments: &Arguments) -> Failure {
    let Failure::Failed(code, error) = failure else { return failure };
    let choice = match error.downcast_ref::<StartError>() {
        Some(StartError::Listen(ListenError::InUse { address })) if *address == arguments.admin_listen => {
            "--admin-listen"
        }
        Some(StartError::Listen(ListenError::InUse { .. })) => "--listen",
        Some(_) | None => return Failure::Failed(code, error),
    };
    Failure::Failed(code, anyhow::anyhow!("{error}: {choice} 127.0.0.1:0 takes a free one"))
}

/// As `upstreams:` takes it.
fn upstream(text: &str) -> Result<String, String> {
    let environment = Environment::of([("UPSTREAM", text)]);
    let read = config::parse("--upstream", "upstreams: { upstream: \"${UPSTREAM}\" }", &environment);
    let wanted = "write it like http://127.0.0.1:3000, without a path";
    read.map(|_| text.to_owned()).map_err(|_| wanted.to_owned())
}

fn configuration(arguments: &Arguments, world: &World) -> Result<Config, Failure> {
    let store = match &arguments.data {
        Some(folder) => format!("sqlite://{}", folder.join("faregate.db").display()),
        None => "sqlite::memory:".to_owned(),
    };
    let environment = Environment::of([
        ("LISTEN", arguments.listen.to_string()),
        ("ADMIN", arguments.admin_listen.to_string()),
        ("STORE", store),
        ("MASTER_KEY", world.master_key.clone()),
        ("API_KEY", world.api_key.clone()),
        ("DECISIONS", arguments.decisions.to_string()),
        ("UPSTREAM", arguments.upstream.clone().unwrap_or_else(|| "builtin:echo".to_owned())),
        ("TARGET_ID", world.target_id.clone()),
        ("TARGET_SECRET", world.target_secret.clone()),
        ("RECIPIENT_ID", world.recipient_id.clone()),
        ("RECIPIENT_SECRET", world.recipient_secret.clone()),
        ("USER_ID", world.user_id.clone()),
        ("USER_PASSWORD", world.user_password.clone()),
        ("WEB_ID", world.web_id.clone()),
        ("WEB_SECRET", world.web_secret.clone()),
        ("SPA_ID", world.spa_id.clone()),
        ("DEVICE_ID", world.device_id.clone()),
        ("CALLBACK", CALLBACK.to_owned()),
    ]);
    config::parse("faregate dev", CONFIGURATION, &environment).map_err(|problems| {
        // Only what came from the command line can be wrong here.
        say(format_args!("{}", config::render_all(&problems, super::colour(&std::io::stderr()))));
        Failure::Said(WRONG)
    })
}

impl World {
    fn new(entropy: &Entropy) -> Self {
        let mut master_key = [0; 32];
        entropy.fill(&mut master_key);
        Self {
            master_key: STANDARD.encode(master_key),
            api_key: entropy.token(32),
            recipient_id: entropy.uuid().to_string(),
            recipient_secret: entropy.client_secret(),
            target_id: entropy.uuid().to_string(),
            target_secret: entropy.client_secret(),
            user_id: entropy.uuid().to_string(),
            user_password: entropy.token(12),
            web_id: entropy.uuid().to_string(),
            web_secret: entropy.client_secret(),
            spa_id: entropy.uuid().to_string(),
            device_id: entropy.uuid().to_string(),
        }
    }

    /// The world of `folder`, made at the first time. Its file holds secrets, so only its owner may read it.
    fn kept_in(folder: &Path) -> anyhow::Result<Self> {
        let path = folder.join("dev.json");
        fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
        let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        match made {
            Ok(mut file) => {
                let world = Self::new(&Entropy::system());
                serde_json::to_writer_pretty(&mut file, &world)?;
                file.write_all(b"\n")
                    .and_then(|()| file.sync_all())
                    .with_context(|| format!("cannot write {}", path.display()))?;
                Ok(world)
            }
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Self::read(&path),
            Err(error) => Err(error).with_context(|| format!("cannot make {}", path.display())),
        }
    }

    fn read(path: &Path) -> anyhow::Result<Self> {
        let mut file = fs::File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
        let mode = file.metadata()?.permissions().mode() & 0o777;
        anyhow::ensure!(
            mode & 0o077 == 0,
            "{path} can be read by others (mode {mode:04o}); run: chmod 600 {path}",
            path = path.display()
        );
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        let foreign =
            || format!("{} is not what `faregate dev --data` wrote; remove the folder to start anew", path.display());
        let kept: Map<String, Value> = serde_json::from_str(&text).with_context(foreign)?;
        // An older program kept less.
        let Value::Object(mut whole) = serde_json::to_value(Self::new(&Entropy::system()))? else {
            anyhow::bail!(foreign());
        };
        anyhow::ensure!(kept.contains_key("master_key"), foreign());
        let is_whole = whole.keys().all(|key| kept.contains_key(key));
        whole.extend(kept);
        let world: Self = serde_json::from_value(Value::Object(whole)).with_context(foreign)?;
        if !is_whole {
            // The file is its owner's already, and keeps its mode.
            fs::write(path, format!("{}\n", serde_json::to_string_pretty(&world)?))
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(world)
    }
}

/// One line of JSON that scripts can read.
fn description(running: &Running, world: &World) -> Value {
    json!({
        "gateway": running.url(),
        "admin": running.admin.map(|address| format!("http://{address}")),
        "issuer": running.issuers.first(),
        "tenant_id": running.tenant_id.to_string(),
        "api_key": world.api_key,
        "entities": {
            "recipient": { "id": world.recipient_id, "client_id": world.recipient_id, "client_secret": world.recipient_secret },
            "target": { "id": world.target_id, "name": TARGET, "client_id": world.target_id, "client_secret": world.target_secret },
        },
        "user": { "id": world.user_id, "email": USER_EMAIL, "password": world.user_password, "roles": [USER_ROLE] },
        "applications": {
            "web": { "client_id": world.web_id, "client_secret": world.web_secret, "redirect_uris": [CALLBACK] },
            "spa": { "client_id": world.spa_id, "redirect_uris": [CALLBACK] },
            "device": { "client_id": world.device_id, "redirect_uris": [CALLBACK] },
        },
        "routes": [
            { "path": "/public/**", "methods": ["*"], "require": "public" },
            { "path": "/api/**", "methods": ["GET"], "require": format!("permission read on {TARGET}") },
            { "path": "/api/**", "methods": ["*"], "require": format!("permission write on {TARGET}") },
            { "path": "/admin/**", "methods": ["*"], "require": "role admin" },
        ],
    })
}

/// What a person sees: where things are, and three lines to paste.
fn welcome(running: &Running, world: &World) -> String {
    let url = running.url();
    let admin = running.admin.map(|address| format!("http://{address}")).unwrap_or_default();
    let World { api_key, recipient_id, recipient_secret, user_password, web_id, web_secret, spa_id, device_id, .. } =
        world;
    let token = format!(
        "$(curl -s -u '{recipient_id}:{recipient_secret}' -d grant_type=client_credentials -d scope=target-entity:{TARGET}:read \
         {url}/oauth2/token | sed 's/.*\"access_token\":\"\\([^\"]*\\)\".*/\\1/')"
    );
    format!(
        "Faregate is ready.\n\
         \n\
         \x20 gateway  {url}    issuer  {issuer}\n\
         \x20 admin    {admin}/dashboard\n\
         \x20 API      {url}/api/    key  {api_key}\n\
         \x20 user     {USER_EMAIL}    password  {user_password}    role  {USER_ROLE}\n\
         \x20 web      {web_id}    secret  {web_secret}\n\
         \x20 spa      {spa_id}    no secret, PKCE\n\
         \x20 device   {device_id}    no secret, device grant\n\
         \x20          each of them returns to {CALLBACK}\n\
         \n\
         Three requests to paste into another terminal.\n\
         \n\
         401, nobody is asking:\n\
         curl -i {url}/api/orders\n\
         \n\
         403, the service `reporting` may read, not write:\n\
         curl -i -X POST -H \"Authorization: Bearer {token}\" {url}/api/orders\n\
         \n\
         200, and what the upstream was told:\n\
         curl -i -H \"Authorization: Bearer {token}\" {url}/api/orders\n\
         \n\
         Ctrl-C ends it{kept}.\n",
        issuer = running.issuers.first().map_or("", String::as_str),
        kept = if running.is_ephemeral { "; nothing is kept" } else { "" },
    )
}
