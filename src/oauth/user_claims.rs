//! What OpenID Connect can say about a user (Core 5.1, 5.4, 5.5): claims by name, by scope, and as a request lists them.
//!
//! Owns their values; it does not decide which of them go into which token.

use serde_json::Value;

use crate::model::User;

/// Every claim about a user that exists here, in alphabetical order.
pub(super) const ALL: [&str; 19] = [
    "address",
    "birthdate",
    "email",
    "email_verified",
    "family_name",
    "gender",
    "given_name",
    "locale",
    "middle_name",
    "name",
    "nickname",
    "phone_number",
    "phone_number_verified",
    "picture",
    "preferred_username",
    "profile",
    "updated_at",
    "website",
    "zoneinfo",
];

/// The claims that a scope asks for (Core 5.4); none for other scopes.
pub(super) fn of_scope(scope: &str) -> &'static [&'static str] {
    match scope {
        "address" => &["address"],
        "email" => &["email", "email_verified"],
        "phone" => &["phone_number", "phone_number_verified"],
        "profile" => &[
            "birthdate",
            "family_name",
            "gender",
            "given_name",
            "locale",
            "middle_name",
            "name",
            "nickname",
            "picture",
            "preferred_username",
            "profile",
            "updated_at",
            "website",
            "zoneinfo",
        ],
        _ => &[],
    }
}

/// The claims that the `claims` parameter asks for in `place`, `userinfo` or `id_token` (Core 5.5), as far as they exist.
pub(super) fn asked(claims: Option<&Value>, place: &str) -> Vec<&'static str> {
    let Some(asked) = claims.and_then(|claims| claims.get(place)).and_then(Value::as_object) else {
        return Vec::new();
    };
    ALL.into_iter().filter(|name| asked.contains_key(*name)).collect()
}

/// What is known of the user under this name. `None`: nothing, or there is no such claim.
pub(super) fn find(user: &User, name: &str) -> Option<Value> {
    let profile = &user.profile;
    let text = |text: &Option<String>| text.as_deref().filter(|text| !text.is_empty()).map(Value::from);
    match name {
        "address" => profile.address.clone().map(Value::Object),
        "birthdate" => text(&profile.birthdate),
        "email" => text(&user.email),
        "email_verified" => user.email.as_ref().map(|_| user.email_verified.into()),
        "family_name" => text(&profile.family_name),
        "gender" => text(&profile.gender),
        "given_name" => text(&profile.given_name),
        "locale" => text(&profile.locale),
        "middle_name" => text(&profile.middle_name),
        "name" => user.full_name().map(Value::from),
        "nickname" => text(&profile.nickname),
        "phone_number" => text(&profile.phone_number),
        "phone_number_verified" => profile.phone_number.as_ref().map(|_| profile.phone_number_verified.into()),
        "picture" => text(&profile.picture),
        "preferred_username" => text(&user.username),
        "profile" => text(&profile.profile),
        "updated_at" => Some(user.updated_at.into()),
        "website" => text(&profile.website),
        "zoneinfo" => text(&profile.zoneinfo),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    // OpenID Connect Core 5.1, 5.4; F-148
    #[test]
    fn every_claim_is_found_under_its_name_and_nothing_else_is() {
        let mut user = User::new(Uuid::nil(), Uuid::nil(), 7);
        let known = |user: &User| ALL.into_iter().filter(|name| find(user, name).is_some()).collect::<Vec<_>>();
        assert_eq!(known(&user), ["updated_at"]);
        user.email = Some("a@example.com".to_owned());
        user.profile.given_name = Some("Ada".to_owned());
        user.profile.family_name = Some("Lovelace".to_owned());
        assert_eq!(known(&user), ["email", "email_verified", "family_name", "given_name", "name", "updated_at"]);
        assert_eq!(find(&user, "name"), Some(json!("Ada Lovelace")));
        assert_eq!(find(&user, "email_verified"), Some(json!(false)));
        assert_eq!(find(&user, "password_hash"), None);
        for scope in ["address", "email", "phone", "profile"] {
            assert!(of_scope(scope).iter().all(|name| ALL.contains(name)), "{scope}");
        }
        let by_scope: usize = ["address", "email", "phone", "profile"].map(|scope| of_scope(scope).len()).iter().sum();
        assert_eq!(by_scope, ALL.len());
    }

    // OpenID Connect Core 5.5
    #[test]
    fn a_request_lists_claims_by_place() {
        let claims = json!({ "userinfo": { "name": { "essential": true }, "nickname": null, "made_up": null } });
        assert_eq!(asked(Some(&claims), "userinfo"), ["name", "nickname"]);
        assert!(asked(Some(&claims), "id_token").is_empty() && asked(None, "userinfo").is_empty());
        assert!(asked(Some(&json!({ "userinfo": [] })), "userinfo").is_empty());
    }
}
