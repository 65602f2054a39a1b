//! HARDENING E3: what was made for one purpose is good for no other. Everything that is secret or signed is given to
//! every place that takes one of them, at the real gateway.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use faregate::jose::{SigningKey, TokenType};
use serde_json::{Value, json};

use crate::support::authorization_server::{encode, part};
use crate::support::browser::parameters;
use crate::support::gateway::{Gateway, client};
use crate::support::gateway_people::{ADA, PASSWORD, SIGNER, WEB, WEB_URI, text};
use crate::support::person::{Person, Seen};

const ROUTES: &str = r#"
upstreams: { app: "${UPSTREAM}", told: { servers: ["${UPSTREAM}"], jwt: true } }
routes:
  /api/**: { upstream: app, tokens: [self], require: authenticated }
  /told/**: { upstream: told, tokens: [self], require: authenticated }
"#;
const DEVICE_CODE: &str = "urn:ietf:params:oauth:grant-type:device_code";
const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    AccessToken,
    IdToken,
    RefreshToken,
    AuthorizationCode,
    DeviceCode,
    LogoutToken,
    ClientAssertion,
    /// What an upstream is told.
    ForwardedToken,
}

const KINDS: [Kind; 8] = [
    Kind::AccessToken,
    Kind::IdToken,
    Kind::RefreshToken,
    Kind::AuthorizationCode,
    Kind::DeviceCode,
    Kind::LogoutToken,
    Kind::ClientAssertion,
    Kind::ForwardedToken,
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    GuardedRoute,
    UserInfo,
    Introspection,
    Revocation,
    CodeGrant,
    RefreshGrant,
    DeviceGrant,
    HintAtLogin,
    HintAtLogout,
    ClientAuthentication,
    DeviceApproval,
}

const PLACES: [Place; 11] = [
    Place::GuardedRoute,
    Place::UserInfo,
    Place::Introspection,
    Place::Revocation,
    Place::CodeGrant,
    Place::RefreshGrant,
    Place::DeviceGrant,
    Place::HintAtLogin,
    Place::HintAtLogout,
    Place::ClientAuthentication,
    Place::DeviceApproval,
];

/// What belongs together; what ends something comes last.
const ACCEPTED: [(Kind, Place); 13] = [
    (Kind::AccessToken, Place::GuardedRoute),
    (Kind::AccessToken, Place::UserInfo),
    (Kind::AccessToken, Place::Introspection),
    (Kind::AccessToken, Place::DeviceApproval),
    (Kind::IdToken, Place::HintAtLogin),
    (Kind::IdToken, Place::HintAtLogout),
    (Kind::RefreshToken, Place::Introspection),
    (Kind::AuthorizationCode, Place::CodeGrant),
    (Kind::DeviceCode, Place::DeviceGrant),
    (Kind::ClientAssertion, Place::ClientAuthentication),
    (Kind::RefreshToken, Place::RefreshGrant),
    (Kind::AccessToken, Place::Revocation),
    (Kind::RefreshToken, Place::Revocation),
];

struct World {
    gateway: Gateway,
    secrets: BTreeMap<Kind, String>,
    /// Of a device that nobody has let in.
    user_code: String,
}

impl World {
    async fn start(profile: &str) -> Self {
        let (gateway, key) = Gateway::with_people(profile, ROUTES).await;
        let tokens = gateway.tokens_of_ada("openid offline_access").await;
        let (device_code, user_code) = device(&gateway).await;
        let mut ada = Person::new(gateway.address, ADA, PASSWORD);
        let query = format!("client_id={WEB}&tenantId={}&user_code={user_code}", gateway.running.tenant_id);
        let page = ada.go(&format!("/oauth2/device?{query}"), "allow");
        assert!(matches!(page, Seen::Page(_)), "{page:?}");
        let (_, user_code) = device(&gateway).await;
        let logout_token = logout_token(&gateway).await;
        let fields = format!("Authorization: Bearer {}\r\n", text(&tokens, "access_token"));
        assert_eq!(gateway.request("GET", "/told/x", &fields).await.status(), 200);
        let forwarded = gateway.upstream.requests().iter().rev().find_map(|told| told.field("x-auth-jwt"));
        let secrets = BTreeMap::from([
            (Kind::AccessToken, text(&tokens, "access_token")),
            (Kind::IdToken, text(&tokens, "id_token")),
            (Kind::RefreshToken, text(&tokens, "refresh_token")),
            (Kind::AuthorizationCode, code(&gateway, &mut ada)),
            (Kind::DeviceCode, device_code),
            (Kind::LogoutToken, logout_token),
            (Kind::ClientAssertion, assertion(&gateway, &key)),
            (Kind::ForwardedToken, forwarded.unwrap()),
        ]);
        Self { gateway, secrets, user_code }
    }

    /// Whether `place` takes the secret; anything but a plain yes or a plain no fails the test.
    async fn accepts(&self, place: Place, secret: &str) -> bool {
        let ask = async |path: &str, form: &[(&str, &str)]| self.gateway.ask(path, form).await;
        let redeem = async |grant_type: &str, name: &str| {
            let form = [("grant_type", grant_type), (name, secret), ("redirect_uri", WEB_URI)];
            refused_with(ask("/oauth2/token", &form).await, 400, &["invalid_grant", "invalid_request"])
        };
        match place {
            Place::GuardedRoute => self.opens("/api/x", secret).await,
            Place::UserInfo => self.opens("/oauth2/userinfo", secret).await,
            Place::Introspection => self.is_active(secret).await,
            Place::Revocation => {
                let before = self.state().await;
                assert_eq!(ask("/oauth2/revoke", &[("token", secret)]).await.0, 200);
                before != self.state().await
            }
            Place::CodeGrant => redeem("authorization_code", "code").await,
            Place::RefreshGrant => redeem("refresh_token", "refresh_token").await,
            Place::DeviceGrant => redeem(DEVICE_CODE, "device_code").await,
            Place::HintAtLogin => {
                let uri = encode(WEB_URI);
                let query = format!("client_id={WEB}&redirect_uri={uri}&response_type=code&prompt=none");
                let (status, location) = self.open(&format!("/oauth2/authorize?{query}&id_token_hint={secret}")).await;
                assert_eq!(status, 302, "{location}");
                let said = parameters(location.split_once('?').unwrap().1);
                match said["error_reason"].as_str() {
                    "invalid_id_token_hint" => false,
                    // It names somebody, who is not logged in here.
                    "authentication_required" => true,
                    _ => panic!("{said:?}"),
                }
            }
            Place::HintAtLogout => match self.open(&format!("/oauth2/logout?id_token_hint={secret}")).await.0 {
                400 => false,
                // Nobody was logged in, and nobody is now.
                200 | 302 => true,
                status => panic!("{status}"),
            },
            Place::ClientAuthentication => {
                let form = [
                    ("grant_type", "authorization_code"),
                    ("client_assertion_type", ASSERTION),
                    ("client_assertion", secret),
                ];
                let (status, answer) = self.gateway.post_form("/oauth2/token", &form).await;
                match (status, answer["error"].as_str(), answer["error_reason"].as_str()) {
                    (401, Some("invalid_client"), _) => false,
                    // The client is believed, and has forgotten its code.
                    (400, _, Some("missing_code")) => true,
                    _ => panic!("{status} {answer}"),
                }
            }
            Place::DeviceApproval => {
                let form = [("token", secret), ("user_code", &self.user_code)];
                refused_with(ask("/oauth2/device/approve", &form).await, 401, &["invalid_token"])
            }
        }
    }

    async fn opens(&self, path: &str, secret: &str) -> bool {
        let answer = self.gateway.request("GET", path, &format!("Authorization: Bearer {secret}\r\n")).await;
        match answer.status() {
            200 => true,
            401 => false,
            _ => panic!("{}", answer.text),
        }
    }

    async fn open(&self, path: &str) -> (u16, String) {
        let answer = client().get(self.gateway.url(path)).header("Accept", "text/html").send().await.unwrap();
        let location = answer.headers().get("location").map(|location| location.to_str().unwrap().to_owned());
        (answer.status().as_u16(), location.unwrap_or_default())
    }

    async fn is_active(&self, token: &str) -> bool {
        let (status, answer) = self.gateway.ask("/oauth2/introspect", &[("token", token)]).await;
        assert_eq!(status, 200, "{answer}");
        answer["active"].as_bool().unwrap()
    }

    /// What revocation could have ended.
    async fn state(&self) -> [bool; 2] {
        let of = async |kind| self.is_active(&self.secrets[&kind]).await;
        [of(Kind::AccessToken).await, of(Kind::RefreshToken).await]
    }
}

/// Whether the answer is a 200 and not one of these refusals.
fn refused_with((status, answer): (u16, Value), expected: u16, errors: &[&str]) -> bool {
    let is_refused = status == expected && answer["error"].as_str().is_some_and(|error| errors.contains(&error));
    assert!(status == 200 || is_refused, "{status} {answer}");
    !is_refused
}

async fn device(gateway: &Gateway) -> (String, String) {
    let (status, answer) = gateway.ask("/oauth2/device_authorize", &[("scope", "openid")]).await;
    assert_eq!(status, 200, "{answer}");
    (text(&answer, "device_code"), text(&answer, "user_code"))
}

fn code(gateway: &Gateway, person: &mut Person) -> String {
    let query = format!("client_id={WEB}&redirect_uri={}&response_type=code&scope=openid", encode(WEB_URI));
    match person.go(&format!("http://{}/oauth2/authorize?{query}", gateway.address), "allow") {
        Seen::Elsewhere(url) => parameters(url.split_once('?').unwrap().1)["code"].clone(),
        page => panic!("{page:?}"),
    }
}

/// What the server of `web` is sent when Ada logs out in another browser.
async fn logout_token(gateway: &Gateway) -> String {
    let mut elsewhere = Person::new(gateway.address, ADA, PASSWORD);
    let code = code(gateway, &mut elsewhere);
    let form = [("grant_type", "authorization_code"), ("code", &*code), ("redirect_uri", WEB_URI)];
    let (_, tokens) = gateway.ask("/oauth2/token", &form).await;
    elsewhere.go(&format!("/oauth2/logout?id_token_hint={}", text(&tokens, "id_token")), "");
    for _ in 0..500 {
        if let Some(told) =
            gateway.upstream.requests().iter().find(|told| told.request_line().contains("/back-channel"))
        {
            return parameters(&String::from_utf8_lossy(&told.body))["logout_token"].clone();
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("nobody was told of the logout");
}

fn assertion(gateway: &Gateway, key: &SigningKey) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let issuer = &gateway.running.issuers[0];
    let claims = json!({ "iss": SIGNER, "sub": SIGNER, "aud": issuer, "exp": now + 120, "iat": now, "jti": "once" });
    key.sign(TokenType::Jwt, &claims).unwrap()
}

async fn only_the_diagonal_passes(profile: &str, access_token_type: &str) {
    let world = World::start(profile).await;
    let secrets = &world.secrets;
    let types = [Kind::AccessToken, Kind::IdToken, Kind::LogoutToken, Kind::ForwardedToken]
        .map(|kind| part(&secrets[&kind], 0)["typ"].clone());
    assert_eq!(types, [access_token_type, "JWT", "logout+jwt", "gate+jwt"]);
    let pairs = KINDS.into_iter().flat_map(|kind| PLACES.into_iter().map(move |place| (kind, place)));
    let wrong: Vec<_> = pairs.filter(|pair| !ACCEPTED.contains(pair)).collect();
    assert_eq!((wrong.len(), ACCEPTED.len(), KINDS.len() * PLACES.len()), (75, 13, 88), "every cell is looked at");
    for (kind, place) in wrong {
        assert!(!world.accepts(place, &secrets[&kind]).await, "{place:?} accepts {kind:?}");
    }
    // Nothing was spent or ended by all that: every one of them is good for what it was made for.
    for (kind, place) in ACCEPTED {
        assert!(world.accepts(place, &secrets[&kind]).await, "{place:?} refuses {kind:?}");
    }
}

// E3, C10, D3, F6, F18, JWT BCP 3.12
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_made_for_one_purpose_is_good_for_no_other() {
    only_the_diagonal_passes("standard", "at+jwt").await;
}

// E3: where access tokens and ID tokens have the same type, it is the keys that tell them apart.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_keys_tell_apart_what_the_type_does_not() {
    only_the_diagonal_passes("fusionauth", "JWT").await;
}
