//! Users, their registrations, and searches for them.

use serde_json::{Value, json};
use uuid::Uuid;

use super::{Answer, Caller, start};

const PASSWORD: &str = "correct mule battery stable 17";

fn id(answer: &Answer, of: &str) -> String {
    answer.body[of]["id"].as_str().unwrap_or_else(|| panic!("{answer:?}")).to_owned()
}

async fn make(caller: &Caller<'_>, user: Value) -> String {
    id(&caller.post("/api/user", json!({ "user": user })).await, "user")
}

/// An application with the roles `admin` and, by default, `reader`.
async fn shop(caller: &Caller<'_>) -> String {
    let roles = json!([{ "name": "admin" }, { "name": "reader", "isDefault": true }]);
    id(
        &caller.post("/api/application", json!({ "application": { "name": "shop", "roles": roles } })).await,
        "application",
    )
}

// D-13, F-048
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_is_made_found_changed_and_deleted() {
    let gateway = start().await;
    let root = Caller::root(&gateway);
    let own = Uuid::from_u128(0xada);
    let user = json!({
        "birthDate": "1815-12-10", "data": { "color": "red", "kept": null }, "email": "Ada@example.com",
        "expiry": 4_102_444_800_000_i64, "firstName": "Ada", "fullName": "Ada Lovelace",
        "imageUrl": "https://img.example/a.png", "lastName": "Lovelace", "middleName": "B.",
        "mobilePhone": "+44 1", "preferredLanguages": ["en_GB"], "timezone": "Europe/London", "username": "ada",
        "verified": true,
    });
    let made = root.post(&format!("/api/user/{own}"), json!({ "user": user, "skipVerification": true })).await;
    assert_eq!((made.status, id(&made, "user")), (200, own.to_string()), "{made:?}");
    let path = format!("/api/user/{own}");
    let found = root.get(&path).await;
    for (name, value) in user.as_object().unwrap() {
        assert_eq!(&found.body["user"][name], value, "{name}");
    }
    let instant = found.body["user"]["insertInstant"].as_i64().unwrap();
    assert!(instant > 1_700_000_000_000, "milliseconds: {instant}");
    for query in [
        "email=ADA@example.com",
        "username=Ada",
        "loginId=ada",
        "loginId=ada%40example.com",
        "loginId=ada&loginIdTypes=email&loginIdTypes=username",
    ] {
        assert_eq!(root.get(&format!("/api/user?{query}")).await.body, found.body, "{query}");
    }
    for query in [
        "email=ada",
        "username=ada%40example.com",
        "loginId=ada&loginIdTypes=email",
        "loginId=x",
        "x=y",
        "changePasswordId=ada",
        "verificationId=ada",
    ] {
        assert_eq!(root.get(&format!("/api/user?{query}")).await.status, 404, "{query}");
    }
    // What is read can be written: nothing changes.
    let mut same = found.body["user"].clone();
    let again = root.put(&path, json!({ "user": same })).await;
    same["lastUpdateInstant"] = again.body["user"]["lastUpdateInstant"].clone();
    assert_eq!(again.body["user"], same);
    // A new email is not a verified one, unless that is said.
    let patched = root.patch(&path, json!({ "user": { "email": "ada@new.example", "fullName": null } })).await;
    let patched = &patched.body["user"];
    assert_eq!((&patched["email"], &patched["verified"]), (&json!("ada@new.example"), &json!(false)));
    assert_eq!((&patched["fullName"], &patched["firstName"]), (&Value::Null, &json!("Ada")));
    let verified = json!({ "user": { "email": "ada@third.example", "verified": true } });
    assert_eq!(root.patch(&path, verified).await.body["user"]["verified"], true);
    let put = root.put(&path, json!({ "user": { "username": "ada", "passwordChangeRequired": true } })).await;
    let put = &put.body["user"];
    assert_eq!((&put["email"], &put["firstName"], &put["data"]), (&Value::Null, &Value::Null, &json!({})));
    assert_eq!(
        (&put["passwordChangeRequired"], &put["passwordChangeReason"]),
        (&json!(true), &json!("Administrative"))
    );
    // Locked, unlocked, gone.
    let deleted = root.delete(&path).await;
    assert_eq!((deleted.status, deleted.media_type), (200, None));
    assert_eq!(root.get(&path).await.body["user"]["active"], false);
    let back = root.put(&format!("{path}?reactivate=true"), json!({})).await;
    assert_eq!((back.status, &back.body["user"]["active"]), (200, &json!(true)));
    assert_eq!(root.delete(&format!("{path}?hardDelete=true")).await.status, 200);
    assert_eq!((root.get(&path).await.status, root.delete(&path).await.status), (404, 404));
    let other = make(&root, json!({ "username": "bob" })).await;
    let body = Some(("application/json", json!({ "hardDelete": true }).to_string()));
    assert_eq!(root.send(http::Method::DELETE, &format!("/api/user/{other}"), body).await.status, 200);
    assert_eq!(root.get(&format!("/api/user/{other}")).await.status, 404);
}

// D-10: everything that is wrong, with its path
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_members_of_a_user_are_named() {
    let gateway = start().await;
    let root = Caller::root(&gateway);
    let nobody = root.post("/api/user", json!({ "user": {} })).await;
    assert_eq!((nobody.status, nobody.codes()), (400, vec!["[blank]user.email"]));
    let wrong = json!({
        "email": "nobody", "username": "a@b", "birthDate": "2001-02-29", "password": "short",
    });
    let refused = root.post("/api/user", json!({ "user": wrong })).await;
    for code in ["[invalid]user.email", "[invalid]user.username", "[invalid]user.birthDate", "[tooShort]user.password"]
    {
        assert!(refused.codes().contains(&code), "{code} {refused:?}");
    }
    let types = json!({ "email": 1, "data": [], "verified": "yes", "expiry": "soon", "preferredLanguages": "en" });
    let refused = root.post("/api/user", json!({ "user": types })).await;
    for name in types.as_object().unwrap().keys() {
        assert!(refused.codes().contains(&format!("[invalid]user.{name}").as_str()), "{name} {refused:?}");
    }
    make(&root, json!({ "email": "ada@example.com" })).await;
    let twice = root.post("/api/user", json!({ "user": { "email": "ADA@EXAMPLE.COM" } })).await;
    assert_eq!(twice.codes(), ["[duplicate]user.email"]);
}

// D-13: passwords and hashes are never returned, L1
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_goes_in_and_never_comes_out() {
    let gateway = start().await;
    let root = Caller::root(&gateway);
    let made = root.post("/api/user", json!({ "user": { "username": "ada", "password": PASSWORD } })).await;
    let path = format!("/api/user/{}", id(&made, "user"));
    let easy = root.patch(&path, json!({ "user": { "password": "password" } })).await;
    assert_eq!(easy.codes(), ["[tooCommon]user.password"]);
    let required = root.patch(&path, json!({ "user": { "passwordChangeRequired": true } })).await;
    assert_eq!(required.body["user"]["passwordChangeRequired"], true);
    let changed = root.patch(&path, json!({ "user": { "password": "another mule entirely 18" } })).await;
    assert_eq!((changed.status, &changed.body["user"]["passwordChangeRequired"]), (200, &json!(true)));
    let replaced = json!({ "user": { "username": "ada", "password": PASSWORD } });
    let replaced = root.put(&path, replaced).await;
    assert_eq!(replaced.body["user"]["passwordChangeRequired"], false, "{replaced:?}");
    for answer in [&made, &changed, &replaced, &root.get(&path).await, &root.get("/api/user/search").await] {
        assert_eq!(answer.status, 200);
        let text = answer.body.to_string();
        for secret in ["argon2", "\"password\"", "mule", "salt", "recoveryCodes"] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
    }
}

// F-200, D-10
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registration_has_roles_of_its_application() {
    let gateway = start().await;
    let root = Caller::root(&gateway);
    let (shop, ada) = (shop(&root).await, make(&root, json!({ "username": "ada" })).await);
    let (path, place) = (format!("/api/user/registration/{ada}"), format!("/api/user/registration/{ada}/{shop}"));
    assert_eq!(root.get(&place).await.status, 404);
    let body = json!({ "registration": { "applicationId": shop, "data": { "seat": 7 } } });
    let made = root.post(&path, body.clone()).await;
    assert_eq!((made.status, &made.body["registration"]["roles"]), (200, &json!(["reader"])), "{made:?}");
    assert_eq!(root.post(&path, body).await.codes(), ["[duplicate]registration.applicationId"]);
    let found = root.get(&place).await;
    assert_eq!(
        (&found.body["registration"]["applicationId"], &found.body["registration"]["data"]),
        (&json!(shop), &json!({ "seat": 7 }))
    );
    let patched = root.patch(&path, json!({ "registration": { "applicationId": shop, "roles": ["admin"] } })).await;
    let patched = &patched.body["registration"];
    assert_eq!((&patched["roles"], &patched["data"]), (&json!(["admin"]), &json!({ "seat": 7 })));
    let put = root.put(&path, json!({ "registration": { "applicationId": shop, "roles": ["reader", "admin"] } })).await;
    assert_eq!(
        (&put.body["registration"]["roles"], &put.body["registration"]["data"]),
        (&json!(["admin", "reader"]), &json!({}))
    );
    let put = root.put(&place, json!({ "registration": {} })).await;
    assert_eq!(put.body["registration"]["roles"], json!([]));
    let unknown = root.patch(&place, json!({ "registration": { "roles": ["owner"] } })).await;
    assert_eq!(unknown.codes(), ["[missing]registration.roles"]);
    assert_eq!(root.put(&path, json!({ "registration": {} })).await.codes(), ["[missing]registration.applicationId"]);
    let elsewhere = json!({ "registration": { "applicationId": Uuid::nil() } });
    assert_eq!(root.post(&path, elsewhere.clone()).await.codes(), ["[missing]registration.applicationId"]);
    let by_path = root.put(&place, elsewhere).await;
    assert_eq!(
        (by_path.status, &by_path.body["registration"]["applicationId"]),
        (200, &json!(shop)),
        "the path decides"
    );
    assert_eq!(root.get(&format!("/api/user/{ada}")).await.body["user"]["registrations"][0]["applicationId"], shop);
    let removed = root.delete(&place).await;
    assert_eq!((removed.status, removed.media_type, root.delete(&place).await.status), (200, None, 404));
    assert_eq!(root.post(&place, json!({ "registration": { "roles": [] } })).await.status, 200);
}

// D-13: both or nothing
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_and_their_registration_are_made_together() {
    let gateway = start().await;
    let root = Caller::root(&gateway);
    let shop = shop(&root).await;
    let body = |username: &str, role: &str| json!({ "user": { "username": username }, "registration": { "applicationId": shop, "roles": [role] } });
    let made = root.post("/api/user/registration", body("ada", "admin")).await;
    assert_eq!((made.status, &made.body["registration"]["roles"]), (200, &json!(["admin"])), "{made:?}");
    assert_eq!(made.body["user"]["registrations"][0]["roles"], json!(["admin"]));
    let own = Uuid::from_u128(0xb0b);
    let bob = root.post(&format!("/api/user/registration/{own}"), body("bob", "reader")).await;
    assert_eq!(id(&bob, "user"), own.to_string());
    let carol = root.post("/api/user", body("carol", "reader")).await;
    assert_eq!(carol.body["user"]["registrations"][0]["roles"], json!(["reader"]), "{carol:?}");
    for path in ["/api/user", "/api/user/registration"] {
        let refused = root.post(path, body("dave", "owner")).await;
        assert_eq!(refused.codes(), ["[missing]registration.roles"], "{path}");
        assert_eq!(root.get("/api/user?username=dave").await.status, 404, "{path}");
    }
    let refused = root.post("/api/user/registration", json!({ "user": { "email": 1 }, "registration": {} })).await;
    assert_eq!(refused.codes(), ["[invalid]user.email", "[missing]registration.applicationId"]);
}

// D-10: what belongs to another tenant is not there
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_are_searched_page_by_page_in_their_tenant() {
    let gateway = start().await;
    let root = Caller::root(&gateway);
    let shop = shop(&root).await;
    let mut ids = Vec::new();
    for number in 1..=5 {
        let user = json!({ "email": format!("u{number}@example.com"), "fullName": format!("Person {number}") });
        ids.push(make(&root, user).await);
    }
    let other = root.post("/api/tenant", json!({ "tenant": { "name": "other" } })).await;
    let other = Caller::root(&gateway).of_tenant(&id(&other, "tenant"));
    let foreign = make(&other, json!({ "email": "u1@example.com", "username": "100%" })).await;
    let emails = |answer: &Answer| {
        let users = answer.body["users"].as_array().unwrap_or_else(|| panic!("{answer:?}"));
        users.iter().map(|user| user["email"].as_str().unwrap()[..2].to_owned()).collect::<Vec<_>>()
    };
    let search = json!({ "search": {
        "queryString": "*PERSON*", "numberOfResults": 2, "startRow": 1, "orderBy": "email DESC",
    } });
    let found = root.post("/api/user/search", search).await;
    assert_eq!((&found.body["total"], emails(&found)), (&json!(5), vec!["u4".to_owned(), "u3".to_owned()]));
    let found = root.get("/api/user/search?queryString=U1%40&orderBy=insertInstant").await;
    assert_eq!(found.body["total"], 2);
    let found = other.get("/api/user/search").await;
    assert_eq!((&found.body["total"], &found.body["users"][0]["id"]), (&json!(1), &json!(foreign)));
    for (text, total) in [("100%25", 1), ("1%25", 0), ("_1", 0)] {
        assert_eq!(other.get(&format!("/api/user/search?queryString={text}")).await.body["total"], total, "{text}");
    }
    let found = root.get(&format!("/api/user/search?ids={}&ids={}&ids=x", ids[0], ids[2])).await;
    assert_eq!((&found.body["total"], emails(&found)), (&json!(2), vec!["u1".to_owned(), "u3".to_owned()]));
    let found = root.post("/api/user/search", json!({ "search": { "ids": [foreign, ids[4]] } })).await;
    assert_eq!(found.body["total"], 2);
    let wrong = json!({ "search": { "orderBy": "password", "numberOfResults": -1, "ids": 7 } });
    let wrong = root.post("/api/user/search", wrong).await;
    assert_eq!(wrong.codes(), ["[invalid]search.ids", "[invalid]search.numberOfResults", "[invalid]search.orderBy"]);
    assert_eq!(root.send(http::Method::PUT, "/api/user/search", None).await.status, 200);
    // Nothing of another tenant can be touched.
    let path = format!("/api/user/{}", ids[0]);
    assert_eq!((other.get(&path).await.status, other.delete(&path).await.status), (404, 404));
    assert_eq!(other.patch(&path, json!({ "user": { "username": "mine" } })).await.status, 404);
    assert_eq!(other.put(&format!("{path}?reactivate=true"), json!({})).await.status, 404);
    let place = format!("/api/user/registration/{foreign}");
    let refused = other.post(&place, json!({ "registration": { "applicationId": shop } })).await;
    assert_eq!(refused.codes(), ["[missing]registration.applicationId"]);
    assert_eq!(other.get(&format!("/api/user/search?ids={}", ids[0])).await.body["total"], 0);
    assert_eq!(root.get("/api/user?email=u1@example.com").await.body["generalErrors"][0]["code"], "[TenantIdRequired]");
}

// D-13: whoever asks for some in FusionAuth's own language does not get everybody
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn searches_that_are_not_understood_are_refused() {
    let gateway = start().await;
    let root = Caller::root(&gateway);
    for path in ["/api/user/search", "/api/entity/search"] {
        for (search, code) in [
            (json!({ "query": "{}" }), "[invalid]search.query"),
            (json!({ "nextResults": "x" }), "[invalid]search.nextResults"),
            (json!({ "queryString": "email:ann*" }), "[invalid]search.queryString"),
            (json!({ "queryString": "registrations.applicationId:x" }), "[invalid]search.queryString"),
        ] {
            let refused = root.post(path, json!({ "search": search })).await;
            assert_eq!((refused.status, refused.codes()), (400, vec![code]), "{path} {search}");
        }
        assert_eq!(root.get(&format!("{path}?query=x")).await.codes(), ["[invalid]search.query"]);
        assert_eq!(root.get(&format!("{path}?queryString=svc:orders")).await.status, 200, "a name may have a colon");
        assert_eq!(root.post(path, json!({ "search": { "nextResults": null } })).await.status, 200);
    }
}

// D-13: every language that is sent is kept; the first is the claim `locale`
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn languages_come_back_in_their_order() {
    let gateway = start().await;
    let root = Caller::root(&gateway);
    let user = json!({ "username": "ann", "preferredLanguages": ["fr", "en", "de"] });
    let made = root.post("/api/user", json!({ "user": user })).await;
    assert_eq!(made.body["user"]["preferredLanguages"], json!(["fr", "en", "de"]), "{made:?}");
    let path = format!("/api/user/{}", made.body["user"]["id"].as_str().unwrap());
    let one = root.patch(&path, json!({ "user": { "preferredLanguages": ["en"] } })).await;
    assert_eq!(one.body["user"]["preferredLanguages"], json!(["en"]));
}

// N9
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn documents_have_32_levels_at_most() {
    let gateway = start().await;
    let root = Caller::root(&gateway);
    let user = |levels: usize| {
        let data = (0..levels - 2).fold(json!(1), |inner, _| json!({ "x": inner }));
        json!({ "user": { "username": format!("u{levels}"), "data": data } })
    };
    let made = root.post("/api/user", user(32)).await;
    assert_eq!(made.status, 200, "{made:?}");
    let path = format!("/api/user/{}", made.body["user"]["id"].as_str().unwrap());
    for refused in [root.post("/api/user", user(33)).await, root.patch(&path, user(33)).await] {
        assert_eq!((refused.status, &refused.body["generalErrors"][0]["code"]), (400, &json!("[invalidJSON]")));
    }
}

// D-10: what is wrong is named as it was sent
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_life_is_named_in_its_own_unit() {
    let gateway = start().await;
    let root = Caller::root(&gateway);
    let life = json!({ "refreshTokenTimeToLiveInMinutes": 0 });
    let tenant = json!({ "tenant": { "name": "x", "jwtConfiguration": life } });
    let field = "[invalid]tenant.jwtConfiguration.refreshTokenTimeToLiveInMinutes";
    assert_eq!(root.post("/api/tenant", tenant.clone()).await.codes(), [field]);
    let path = format!("/api/tenant/{}", gateway.running.tenant_id);
    assert_eq!(root.patch(&path, tenant).await.codes(), [field]);
}
