//! The real gateway with a person and her clients: what the tests ask it for, as a client would.

use faregate::jose::{Algorithm, SigningKey};
use serde_json::{Value, json};

use super::gateway::{Gateway, client};

/// A client that can keep a secret, and may do everything.
pub const WEB: &str = "web";
pub const WEB_SECRET: &str = "web-secret-web-secret-web-secret-web-secret";
pub const ADA: &str = "ada@example.com";
pub const PASSWORD: &str = "Setec Astronomy is not too many secrets";
pub const WEB_URI: &str = "https://web.example/cb";
/// A client with a key instead of a secret.
pub const SIGNER: &str = "signer";
/// The tenant whose access tokens are good for a few seconds.
pub const BRIEF: &str = "7d1f7cb2-0c6e-4d61-8a52-6f0f7d1f4a11";
/// Its client.
pub const BRIEF_WEB: &str = "brief-web";

/// Ada is in both tenants. The logout tokens of `web` go to the recording upstream.
const PEOPLE: &str = r#"
listen: "${LISTEN}"
issuers: { self: {}, brief: { tenant: brief } }
directory:
  tenants:
    default: { id_token_algorithm: ES256, profile: "${PROFILE}" }
    brief: { id: 7d1f7cb2-0c6e-4d61-8a52-6f0f7d1f4a11, id_token_algorithm: ES256, access_token_life: 4s }
  applications:
    web:
      tenant: default
      client_id: web
      client_secret: "${WEB_SECRET}"
      grants: [authorization_code, refresh_token, password, device_code]
      redirect_uris: "https://web.example/cb"
      scopes: ["orders:read", "orders:write"]
      back_channel_logout_uri: "${UPSTREAM}/back-channel"
      device_verification_uri: "https://web.example/device"
    signer:
      tenant: default
      client_id: signer
      client_authentication: Required
      jwks: '${SIGNER_KEYS}'
      redirect_uris: "https://signer.example/cb"
    brief-web:
      tenant: brief
      client_id: brief-web
      client_secret: "${WEB_SECRET}"
      grants: [password]
  users:
    ada@example.com:
      - { tenant: default, password: "${PASSWORD}" }
      - { tenant: brief, password: "${PASSWORD}" }
"#;

impl Gateway {
    /// A gateway with Ada and these sections, which speaks this dialect; and the key of `signer`.
    pub async fn with_people(profile: &str, sections: &str) -> (Self, SigningKey) {
        Self::with_people_on("sqlite::memory:", profile, sections).await
    }

    /// The same on a store that others may share.
    pub async fn with_people_on(store: &str, profile: &str, sections: &str) -> (Self, SigningKey) {
        let key = SigningKey::generate(Algorithm::Es256).unwrap();
        let keys = json!({ "keys": [key.verifying_key().public_jwk().unwrap()] }).to_string();
        let variables = [
            ("WEB_SECRET", WEB_SECRET),
            ("PASSWORD", PASSWORD),
            ("SIGNER_KEYS", &keys),
            ("PROFILE", profile),
            ("STORE", store),
        ];
        (Self::of(&format!("{PEOPLE}{sections}"), &variables).await, key)
    }

    /// What `web` is answered when it posts this form with its name and secret.
    pub async fn ask(&self, path: &str, form: &[(&str, &str)]) -> (u16, Value) {
        self.ask_as(WEB, path, form).await
    }

    /// The same for another client with that secret.
    pub async fn ask_as(&self, client_id: &str, path: &str, form: &[(&str, &str)]) -> (u16, Value) {
        let own = [("client_id", client_id), ("client_secret", WEB_SECRET)];
        self.post_form(path, &[&own[..], form].concat()).await
    }

    /// What anybody is answered who posts this form.
    pub async fn post_form(&self, path: &str, form: &[(&str, &str)]) -> (u16, Value) {
        let answer = client().post(self.url(path)).form(form).send().await.unwrap();
        let status = answer.status().as_u16();
        (status, serde_json::from_str(&answer.text().await.unwrap()).unwrap_or_default())
    }

    /// The tokens of Ada, who gave her password to `web`.
    pub async fn tokens_of_ada(&self, scope: &str) -> Value {
        self.tokens_of_ada_at(WEB, "/oauth2/token", scope).await
    }

    /// The same at another client.
    pub async fn tokens_of_ada_at(&self, client_id: &str, path: &str, scope: &str) -> Value {
        let form = [("grant_type", "password"), ("username", ADA), ("password", PASSWORD), ("scope", scope)];
        let (status, tokens) = self.ask_as(client_id, path, &form).await;
        assert_eq!(status, 200, "{tokens}");
        tokens
    }
}

/// A member of an answer that is a text.
pub fn text(answer: &Value, name: &str) -> String {
    answer[name].as_str().unwrap_or_else(|| panic!("no {name}: {answer}")).to_owned()
}
