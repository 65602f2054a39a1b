//! Pushed authorization requests through the real listener: a client, a browser and two nodes on one store.

use crate::support::dpop::DpopKey;
use crate::support::files::Folder;
use crate::support::gateway::{Gateway, client};
use crate::support::gateway_people::{ADA, PASSWORD, WEB, WEB_SECRET, WEB_URI, text};
use crate::support::visitor::Visitor;

/// The authorization server alone.
const SECTIONS: &str = r#"
public_url: https://gate.example.com
upstreams: { app: "${UPSTREAM}" }
routes: { /public/**: { upstream: app, public: true } }
"#;

// A14, H5, RFC 9126: pushed to one node, answered by another
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pushed_request_is_good_on_every_node() {
    let folder = Folder::new();
    let store = format!("sqlite://{}", folder.path().join("faregate.db").display());
    let (here, _) = Gateway::with_people_on(&store, "standard", SECTIONS).await;
    let (there, _) = Gateway::with_people_on(&store, "standard", SECTIONS).await;
    let key = DpopKey::new();
    let proof = |path: &str| key.proof("POST", &format!("https://gate.example.com{path}"), None);
    let form = [
        ("client_id", WEB),
        ("client_secret", WEB_SECRET),
        ("response_type", "code"),
        ("redirect_uri", WEB_URI),
        ("scope", "openid"),
        ("state", "a state"),
    ];
    let wrong = here.post_form("/oauth2/par", &form[2..]).await;
    assert_eq!((wrong.0, text(&wrong.1, "error").as_str()), (400, "invalid_request"));
    let answer = client().post(here.url("/oauth2/par")).header("DPoP", proof("/oauth2/par")).form(&form).send().await;
    let answer = answer.unwrap();
    assert_eq!(answer.status().as_u16(), 201);
    let pushed: serde_json::Value = answer.json().await.unwrap();
    let uri = text(&pushed, "request_uri");
    let link = |gateway: &Gateway| gateway.url(&format!("/oauth2/authorize?client_id={WEB}&request_uri={uri}"));
    let mut visitor = Visitor::new();
    let page = visitor.open(&link(&there)).await;
    assert!(page.body.contains("id=\"password\"") && !page.body.contains("a state"), "{page:?}");
    let seen = visitor.send_form(&page, &[("loginId", ADA), ("password", PASSWORD)]).await;
    let to = reqwest::Url::parse(seen.field("location")).unwrap();
    let of = |name: &str| to.query_pairs().find(|(own, _)| own == name).map(|(_, value)| value.into_owned());
    assert_eq!(of("state").as_deref(), Some("a state"), "{to}");
    let code = of("code").unwrap();
    assert_eq!(visitor.copy().open(&link(&here)).await.status, 400, "spent on every node");
    let redeem = async |proof: Option<String>| {
        let form = [("grant_type", "authorization_code"), ("code", &*code), ("redirect_uri", WEB_URI)];
        let call = client().post(here.url("/oauth2/token")).basic_auth(WEB, Some(WEB_SECRET)).form(&form);
        let call = match proof {
            Some(proof) => call.header("DPoP", proof),
            None => call,
        };
        call.send().await.unwrap().json::<serde_json::Value>().await.unwrap()
    };
    assert_eq!(text(&redeem(None).await, "error"), "invalid_grant");
    assert_eq!(text(&redeem(Some(proof("/oauth2/token"))).await, "token_type"), "DPoP");
    let metrics = here.metrics().await;
    assert!(metrics.contains("faregate_oauth_errors_total{endpoint=\"par\",error=\"invalid_request\"} 1"), "{metrics}");
}
