//! RFC 6750: bearer tokens, at a guarded route and at UserInfo, through the real listener.
//!
//! Which tokens are good is `gateway::tokens`'s; here it is where they stand and what those hear who bring none.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::support::authorization_server::part;
use crate::support::gateway::{Gateway, Raw};
use crate::support::gateway_people::{BRIEF, BRIEF_WEB, text};

const ROUTES: &str = r#"
upstreams: { app: "${UPSTREAM}" }
routes:
  /api/**:
    upstream: app
    tokens: [self, brief]
    require: { GET: authenticated, POST: authenticated, PUT: scope orders:write, DELETE: role admin }
"#;

const API: &str = "/api/orders";
const USERINFO: &str = "/oauth2/userinfo";

/// What comes back.
enum Expected {
    /// 200
    Passed,
    /// 401 and a challenge that accuses nobody of anything (section 3.1, last paragraph).
    Asked,
    /// This status and this error code.
    Refused(u16, &'static str),
    /// 403 and the scope to ask for, if one would help.
    TooLittle(Option<&'static str>),
}

use Expected::{Asked, Passed, Refused, TooLittle};

const BAD: Expected = Refused(400, "invalid_request");
const WRONG: Expected = Refused(401, "invalid_token");

/// Section, what is given, and the request: method and query, fields, body. `{good}` is a token.
type Row = (&'static str, &'static str, &'static str, Expected);

/// How a guarded route takes tokens.
const AT_THE_API: [Row; 34] = [
    ("2.1", "one space, one token", "GET\nAuthorization: Bearer {good}", Passed),
    ("2.1", "the scheme has no case", "GET\nauthorization: bEARER {good}", Passed),
    ("2.1", "another scheme", "GET\nAuthorization: Basic dTpw", Asked),
    ("2.1", "a scheme that begins alike", "GET\nAuthorization: Bearers {good}", Asked),
    ("2.1", "no scheme", "GET\nAuthorization: {good}", Asked),
    ("2.1", "no token", "GET\nAuthorization: Bearer", BAD),
    ("2.1", "two spaces", "GET\nAuthorization: Bearer  {good}", BAD),
    ("2.1", "a tab", "GET\nAuthorization: Bearer\t{good}", BAD),
    ("2.1", "quotes", "GET\nAuthorization: Bearer \"{good}\"", BAD),
    ("2.1", "two tokens", "GET\nAuthorization: Bearer {good} {good}", BAD),
    ("2.1", "a list", "GET\nAuthorization: Bearer {good}, Bearer {good}", BAD),
    ("2.1", "a parameter", "GET\nAuthorization: Bearer token={good},x", BAD),
    ("2.1", "every character of a b64token", "GET\nAuthorization: Bearer aZ09-._~+/=", WRONG),
    ("2", "two fields", "GET\nAuthorization: Bearer {good}\nAuthorization: Bearer {good}", BAD),
    ("2", "two schemes", "GET\nAuthorization: Bearer {good}\nAuthorization: Basic dTpw", BAD),
    ("2", "in the field and in the query", "GET ?access_token={good}\nAuthorization: Bearer {good}", BAD),
    ("2", "the same with another spelling", "GET ?a=b&access%5Ftoken={good}\nAuthorization: Bearer {good}", BAD),
    // An upstream's forms are the upstream's: what is in a body is never looked at here.
    ("2.2", "in a form", "POST\nContent-Type: application/x-www-form-urlencoded\n\naccess_token={good}", Asked),
    (
        "2.2",
        "in the field, and something in a form",
        "POST\nAuthorization: Bearer {good}\nContent-Type: application/x-www-form-urlencoded\n\naccess_token=x",
        Passed,
    ),
    // RFC 9700 4.3.2 forbids what 2.3 allows.
    ("2.3", "in the query", "GET ?access_token={good}", Asked),
    ("2.3", "in a cookie", "GET\nCookie: access_token={good}", Asked),
    ("3", "nothing", "GET", Asked),
    ("3", "nothing, with a method that nobody may use", "PATCH", Asked),
    ("3.1", "no token of anybody", "GET\nAuthorization: Bearer x", WRONG),
    ("3.1", "three empty parts", "GET\nAuthorization: Bearer ..", WRONG),
    ("3.1", "another signature", "GET\nAuthorization: Bearer {forged}", WRONG),
    ("3.1", "an expired token", "GET\nAuthorization: Bearer {expired}", WRONG),
    ("3.1", "a revoked token", "GET\nAuthorization: Bearer {revoked}", WRONG),
    ("3.1", "an ID token", "GET\nAuthorization: Bearer {id}", WRONG),
    ("3.1", "a scope that it has", "PUT\nAuthorization: Bearer {writer}", Passed),
    ("3.1", "a scope that it has not", "PUT\nAuthorization: Bearer {good}", TooLittle(Some("orders:write"))),
    ("3.1", "a role: no scope would help", "DELETE\nAuthorization: Bearer {good}", TooLittle(None)),
    ("3.1", "a method that nobody may use", "PATCH\nAuthorization: Bearer {good}", TooLittle(None)),
    ("3.1", "the token is looked at before the scope", "PUT\nAuthorization: Bearer {forged}", WRONG),
];

/// How UserInfo takes them.
const AT_USERINFO: [Row; 29] = [
    ("2.1", "one space, one token", "GET\nAuthorization: Bearer {good}", Passed),
    ("2.1", "in a POST", "POST\nAuthorization: Bearer {good}", Passed),
    ("2.1", "the scheme has no case", "GET\nauthorization: bEARER {good}", Passed),
    // F-146: whatever is in the field and is no token is a token that is no good.
    ("2.1", "another scheme", "GET\nAuthorization: Basic dTpw", WRONG),
    ("2.1", "no token", "GET\nAuthorization: Bearer", WRONG),
    ("2.1", "two spaces", "GET\nAuthorization: Bearer  {good}", WRONG),
    ("2.1", "a tab", "GET\nAuthorization: Bearer\t{good}", WRONG),
    ("2.1", "two tokens", "GET\nAuthorization: Bearer {good} {good}", WRONG),
    ("2", "two fields", "GET\nAuthorization: Bearer {good}\nAuthorization: Bearer {good}", BAD),
    (
        "2",
        "in the field and in the form",
        "POST\nAuthorization: Bearer {good}\nContent-Type: application/x-www-form-urlencoded\n\naccess_token={good}",
        BAD,
    ),
    ("2.2", "in a form", "POST\nContent-Type: application/x-www-form-urlencoded\n\naccess_token={good}", Passed),
    (
        "2.2",
        "in a form with a character set",
        "POST\nContent-Type: application/x-www-form-urlencoded; charset=UTF-8\n\naccess_token={good}",
        Passed,
    ),
    (
        "2.2",
        "in a form, beside others",
        "POST\nContent-Type: application/x-www-form-urlencoded\n\na=b&access_token={good}",
        Passed,
    ),
    (
        "2.2",
        "in a form, twice",
        "POST\nContent-Type: application/x-www-form-urlencoded\n\naccess_token={good}&access_token={good}",
        BAD,
    ),
    ("2.2", "in a form, empty", "POST\nContent-Type: application/x-www-form-urlencoded\n\naccess_token=", Asked),
    ("2.2", "in an empty form", "POST\nContent-Type: application/x-www-form-urlencoded", Asked),
    (
        "2.2",
        "in a body that is no form",
        "POST\nContent-Type: application/json\n\n{\"access_token\":\"{good}\"}",
        Asked,
    ),
    (
        "2.2",
        "in a body of several parts",
        "POST\nContent-Type: multipart/form-data; boundary=x\n\n--x\r\nContent-Disposition: form-data; name=\"access_token\"\r\n\r\n{good}\r\n--x--\r\n",
        Asked,
    ),
    ("2.2", "in a body without a type", "POST\n\naccess_token={good}", Asked),
    (
        "2.2",
        "in the body of a GET",
        "GET\nContent-Type: application/x-www-form-urlencoded\n\naccess_token={good}",
        Asked,
    ),
    ("2.3", "in the query", "GET ?access_token={good}", Asked),
    (
        "2.3",
        "in the query of a POST",
        "POST ?access_token={good}\nContent-Type: application/x-www-form-urlencoded",
        Asked,
    ),
    ("3", "nothing", "GET", Asked),
    ("3.1", "no token of anybody", "GET\nAuthorization: Bearer x", WRONG),
    ("3.1", "another signature", "GET\nAuthorization: Bearer {forged}", WRONG),
    ("3.1", "an expired token", "GET\nAuthorization: Bearer {expired}", WRONG),
    ("3.1", "a revoked token", "GET\nAuthorization: Bearer {revoked}", WRONG),
    ("3.1", "an ID token", "GET\nAuthorization: Bearer {id}", WRONG),
    ("3.1", "a token that is not for this", "GET\nAuthorization: Bearer {writer}", TooLittle(Some("openid"))),
];

type Tokens = BTreeMap<&'static str, String>;

/// One of each kind.
async fn tokens(gateway: &Gateway) -> Tokens {
    let expired = gateway.tokens_of_ada_at(BRIEF_WEB, &format!("/{BRIEF}/oauth2/token"), "openid").await;
    let expired = text(&expired, "access_token");
    // It is good, and at both places.
    let fields = format!("Authorization: Bearer {expired}\r\n");
    for target in [API, USERINFO] {
        assert_eq!(gateway.request("GET", target, &fields).await.status(), 200, "{target}");
    }
    let good = gateway.tokens_of_ada("openid").await;
    let revoked = text(&gateway.tokens_of_ada("openid").await, "access_token");
    let (status, _) = gateway.ask("/oauth2/revoke", &[("token", &revoked)]).await;
    assert_eq!(status, 200);
    let access_token = text(&good, "access_token");
    let (signed, _) = access_token.rsplit_once('.').unwrap();
    let forged = format!("{signed}.{}", "A".repeat(86));
    let writer = text(&gateway.tokens_of_ada("orders:write").await, "access_token");
    let expires_at = UNIX_EPOCH + Duration::from_secs(part(&expired, 1)["exp"].as_u64().unwrap());
    tokio::time::sleep(expires_at.duration_since(SystemTime::now()).unwrap_or_default()).await;
    let named = [("good", access_token), ("id", text(&good, "id_token")), ("forged", forged), ("expired", expired)];
    named.into_iter().chain([("revoked", revoked), ("writer", writer)]).collect()
}

async fn send(gateway: &Gateway, path: &str, request: &str, tokens: &Tokens) -> Raw {
    let filled =
        tokens.iter().fold(request.to_owned(), |text, (name, token)| text.replace(&format!("{{{name}}}"), token));
    let (head, body) = filled.split_once("\n\n").unwrap_or((&filled, ""));
    let (first, fields) = head.split_once('\n').unwrap_or((head, ""));
    let (method, query) = first.split_once(' ').unwrap_or((first, ""));
    let fields: String = fields.lines().map(|field| format!("{field}\r\n")).collect();
    let length = if method == "GET" && body.is_empty() { None } else { Some(body.len()) };
    let length = length.map(|length| format!("Content-Length: {length}\r\n")).unwrap_or_default();
    let head = format!("{method} {path}{query} HTTP/1.1\r\nHost: gate.test\r\n{fields}{length}");
    gateway.raw(format!("{head}Connection: close\r\n\r\n{body}")).await
}

/// The attributes of a challenge (section 3).
pub(super) fn attributes<'a>(challenge: &'a str, name: &str) -> BTreeMap<&'a str, &'a str> {
    let rest = challenge.strip_prefix("Bearer ").unwrap_or_else(|| panic!("{name}: {challenge}"));
    let mut found = BTreeMap::new();
    for attribute in rest.strip_suffix('"').unwrap().split("\", ") {
        let (attribute, value) = attribute.split_once("=\"").unwrap();
        // Within quotes nothing that would have to be escaped.
        assert!(
            value.bytes().all(|byte| matches!(byte, b' '..=b'~') && !b"\"\\".contains(&byte)),
            "{name}: {challenge}"
        );
        assert!(found.insert(attribute, value).is_none(), "{name}: {attribute} is there twice");
    }
    found
}

async fn check(gateway: &Gateway, (path, realm): (&str, &str), rows: &[Row], tokens: &Tokens) -> usize {
    let mut passed = 0;
    for (section, given, request, expected) in rows {
        let name = format!("RFC 6750 {section}: {given}");
        let answer = send(gateway, path, request, tokens).await;
        let challenge = answer.field("www-authenticate");
        let (status, error, scope) = match expected {
            Passed => {
                assert_eq!((answer.status(), challenge), (200, None), "{name}: {}", answer.text);
                passed += 1;
                continue;
            }
            Asked => (401, None, None),
            Refused(status, error) => (*status, Some(*error), None),
            TooLittle(scope) => (403, Some("insufficient_scope"), *scope),
        };
        assert_eq!(answer.status(), status, "{name}: {}", answer.text);
        let challenge = challenge.unwrap_or_else(|| panic!("{name}: no challenge: {}", answer.text));
        let said = attributes(challenge, &name);
        assert_eq!((said["realm"], said.get("error").copied()), (realm, error), "{name}: {challenge}");
        // Whoever has no good token is told what to ask one for.
        let scope = scope.or((status == 401 && request.starts_with("PUT")).then_some("orders:write"));
        assert_eq!(said.get("scope").copied(), scope, "{name}: {challenge}");
        let leads = [401, 403].contains(&status) && path == API;
        assert_eq!(said.contains_key("resource_metadata"), leads, "{name}: {challenge}");
        let others = said.keys().filter(|name| !["realm", "scope", "resource_metadata"].contains(name)).count();
        assert!(error.is_some() || others == 0, "{name}: {challenge}");
        // Section 5.3: nobody keeps an answer to somebody's credentials.
        assert_eq!(answer.field("cache-control"), Some("no-store"), "{name}");
        assert!(tokens.values().all(|token| !answer.text.contains(token)), "{name}: a token is told again");
    }
    passed
}

// RFC 6750 2, 2.1, 2.2, 2.3, 3, 3.1; F-331, F12, F14
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guarded_route_takes_one_token_in_one_place() {
    let (gateway, _) = Gateway::with_people("standard", ROUTES).await;
    let tokens = tokens(&gateway).await;
    let before = gateway.upstream.count();
    let passed = check(&gateway, (API, "faregate"), &AT_THE_API, &tokens).await;
    assert_eq!(gateway.upstream.count() - before, passed, "nothing else reached the upstream");
}

// RFC 6750 2, 2.1, 2.2, 2.3, 3, 3.1; F-145, F-146, F-147, F-149, F-150
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn userinfo_takes_one_token_in_the_field_or_the_form() {
    let (gateway, _) = Gateway::with_people("standard", ROUTES).await;
    let tokens = tokens(&gateway).await;
    check(&gateway, (USERINFO, "userinfo"), &AT_USERINFO, &tokens).await;
}
