//! People and applications for the tests of what they do without our pages. All of them are made through the API.

use faregate::secret::Secret;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Answer, Caller};
use crate::support::gateway::{Gateway, client};

const SECTIONS: &str = r#"
management: { public: true, api_key: root-key-of-the-tests-0123456789-abcdef }
upstreams: { app: "${UPSTREAM}" }
routes:
  /any/**: { upstream: app, require: authenticated }
  /readers/**: { upstream: app, require: role reader }
"#;

pub const PASSWORD: &str = "correct mule battery stable 17";
pub const ANN: &str = "00000000-0000-4000-8000-00000000a001";
pub const BOB: &str = "00000000-0000-4000-8000-00000000b0b1";

/// Ann is a reader of the shop, Bob is nothing there.
pub struct People {
    pub gateway: Gateway,
    /// The id of the shop, which is its client id too.
    pub shop: String,
}

impl People {
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// With variables of the configuration.
    pub async fn start_with(variables: &[(&str, &str)]) -> Self {
        let gateway = Gateway::with(SECTIONS, variables).await;
        let shop = application(&gateway, "shop", json!({})).await;
        let people = Self { gateway, shop };
        for (id, name) in [(ANN, "ann"), (BOB, "bob")] {
            let user = json!({ "email": format!("{name}@example.com"), "username": name, "password": PASSWORD });
            done(people.root().post(&format!("/api/user/{id}"), json!({ "user": user })).await);
        }
        people.register(ANN, &people.shop).await;
        people
    }

    pub fn root(&self) -> Caller<'_> {
        Caller::root(&self.gateway)
    }

    pub fn stranger(&self) -> Caller<'_> {
        Caller::stranger(&self.gateway)
    }

    /// Another application with the role `reader`; `more` is put over what an application has otherwise.
    pub async fn application(&self, name: &str, more: Value) -> String {
        application(&self.gateway, name, more).await
    }

    pub async fn register(&self, user: &str, application: &str) {
        let registration = json!({ "registration": { "applicationId": application } });
        done(self.root().post(&format!("/api/user/registration/{user}"), registration).await);
    }

    /// What a login at the shop is answered.
    pub async fn log_in(&self, login_id: &str, password: &str) -> Answer {
        let login = json!({ "loginId": login_id, "password": password, "applicationId": self.shop });
        self.root().post("/api/login", login).await
    }

    /// The token and the refresh token of Ann, who just logged in to the shop.
    pub async fn tokens_of_ann(&self) -> (String, String) {
        let answer = done(self.log_in("ann", PASSWORD).await);
        (text(&answer.body, "token"), text(&answer.body, "refreshToken"))
    }

    /// A token of Ann's that an application of the operator's got for an API that it calls.
    pub async fn token_for_api(&self) -> String {
        let api = "https://orders.example.com/";
        let path = format!("/api/tenant/{}", self.gateway.running.tenant_id);
        let apis = json!([{ "identifier": api, "scopes": [] }]);
        done(self.root().patch(&path, json!({ "tenant": { "apis": apis } })).await);
        let settings = json!({ "enabledGrants": ["password"], "clientAuthenticationPolicy": "NotRequired" });
        let phone = self.application("phone", json!({ "oauthConfiguration": settings })).await;
        self.register(ANN, &phone).await;
        let form = [("grant_type", "password"), ("client_id", &*phone), ("username", "ann"), ("password", PASSWORD)];
        let form: Vec<_> = form.into_iter().chain([("resource", api)]).collect();
        let (_, tokens) = self.gateway.post_form("/oauth2/token", &form).await;
        let token = text(&tokens, "access_token");
        assert_eq!(claims(&token)["aud"], api);
        token
    }

    /// What a guarded route answers to this token.
    pub async fn status_of(&self, path: &str, token: &str) -> u16 {
        client().get(self.gateway.url(path)).bearer_auth(token).send().await.unwrap().status().as_u16()
    }

    /// Gives the user a second factor; what makes its codes, and the recovery codes.
    pub async fn enroll(&self, user: &str) -> (totp_rs::Totp, Vec<Secret<String>>) {
        let enrolled = self.gateway.running.directory().enroll_totp(Uuid::parse_str(user).unwrap()).await.unwrap();
        (authenticator(enrolled.secret.expose()), enrolled.recovery_codes)
    }
}

/// What makes the codes of a shared secret in base32.
pub fn authenticator(base32: &str) -> totp_rs::Totp {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let bits = base32.chars().flat_map(|c| {
        let value = ALPHABET.find(c).unwrap();
        (0..5).rev().map(move |bit| (value >> bit) & 1 == 1)
    });
    let bits: Vec<bool> = bits.collect();
    let secret: Vec<u8> =
        bits.chunks(8).map(|byte| byte.iter().fold(0, |byte, &bit| byte << 1 | u8::from(bit))).collect();
    let secret: [u8; 20] = secret.try_into().unwrap();
    totp_rs::Builder::new().with_secret(secret).build().unwrap()
}

/// The code for now.
pub fn code(authenticator: &totp_rs::Totp) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    authenticator.generate(now.as_secs()).to_string()
}

async fn application(gateway: &Gateway, name: &str, more: Value) -> String {
    let mut application = json!({
        "loginConfiguration": { "allowTokenRefresh": true, "generateRefreshTokens": true },
        "name": name,
        "roles": [{ "name": "reader", "isDefault": true }],
    });
    application.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let made = done(Caller::root(gateway).post("/api/application", json!({ "application": application })).await);
    text(&made.body["application"], "id")
}

/// An answer that has to be a success.
pub fn done(answer: Answer) -> Answer {
    assert_eq!(answer.status, 200, "{answer:?}");
    answer
}

pub fn text(body: &Value, name: &str) -> String {
    body[name].as_str().unwrap_or_else(|| panic!("no {name}: {body}")).to_owned()
}

/// The claims of a token, unverified.
pub fn claims(token: &str) -> Value {
    use base64::Engine as _;
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}
