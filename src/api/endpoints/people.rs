//! Applications, users, registrations, logins, tokens and second factors.

use super::Sent::{Change, One, Optional, Schema, Search};
use super::{Endpoint, Proof, Shown, endpoint};
use crate::api::{
    application_roles, application_scopes, applications, change_password, jwt, jwt_exchange, login, logout,
    registrations, two_factor, users,
};

const APPLICATION: Shown = Shown::One("application", "Application");
const ROLE: Shown = Shown::One("role", "Role");
const SCOPE: Shown = Shown::One("scope", "Scope");
const USER: Shown = Shown::One("user", "User");
const REGISTRATION: Shown = Shown::One("registration", "Registration");
/// The user has expired, sent a wrong code, is locked, or guessed too often.
const OBSTACLES: &[(u16, Shown)] =
    &[(410, Shown::Nothing), (421, Shown::Nothing), (423, Shown::Nothing), (429, Shown::Nothing)];
/// Not registered, a new password is due, the second factor is missing, or an obstacle.
const LOGINS: &[(u16, Shown)] = &[
    (202, Shown::Schema("LoggedIn")),
    (203, Shown::Schema("PasswordDue")),
    (242, Shown::Schema("Challenge")),
    (410, Shown::Nothing),
    (421, Shown::Nothing),
    (423, Shown::Nothing),
    (429, Shown::Nothing),
];

pub(super) const ENDPOINTS: &[Endpoint] = &[
    // Applications.
    endpoint!(get "/api/application" applications::list "All applications")
        .asks(&["inactive"])
        .shows(Shown::Many("applications", "Application")),
    endpoint!(post "/api/application" applications::create "Makes an application")
        .sends(One("application", "Application"))
        .shows(APPLICATION),
    endpoint!(get "/api/application/search" applications::search "Searches applications")
        .asks(&["name", "state", "tenantId", "numberOfResults", "startRow", "orderBy"])
        .shows(Shown::Page("applications", "Application")),
    endpoint!(post "/api/application/search" applications::search "Searches applications")
        .sends(Search(&["name", "state", "tenantId"]))
        .shows(Shown::Page("applications", "Application")),
    endpoint!(get "/api/application/{id}" applications::find "An application, without its secret").shows(APPLICATION),
    endpoint!(post "/api/application/{id}" applications::create "Makes an application with this id")
        .sends(One("application", "Application"))
        .shows(APPLICATION),
    endpoint!(put "/api/application/{id}" applications::replace "Replaces an application but for roles and scopes")
        .asks(&["reactivate"])
        .sends(One("application", "Application"))
        .shows(APPLICATION),
    endpoint!(patch "/api/application/{id}" applications::change "Changes an application but for roles and scopes")
        .sends(Change("application"))
        .shows(APPLICATION),
    endpoint!(delete "/api/application/{id}" applications::delete "Takes an application out of use, or deletes it").asks(&["hardDelete"]),
    endpoint!(get "/api/application/{id}/oauth-configuration" applications::oauth_configuration "What a login page has to know")
        .proved_by(Proof::KeyOrNothing)
        .shows(Shown::Schema("PublicConfiguration")),
    endpoint!(post "/api/application/{id}/role" application_roles::add "Adds a role")
        .sends(One("role", "Role"))
        .shows(ROLE),
    endpoint!(post "/api/application/{id}/role/{role}" application_roles::add_with_id "Adds a role with this id")
        .sends(One("role", "Role"))
        .shows(ROLE),
    endpoint!(put "/api/application/{id}/role/{role}" application_roles::replace "Replaces a role")
        .sends(One("role", "Role"))
        .shows(ROLE),
    endpoint!(patch "/api/application/{id}/role/{role}" application_roles::change "Changes a role")
        .sends(Change("role"))
        .shows(ROLE),
    endpoint!(delete "/api/application/{id}/role/{role}" application_roles::remove "Removes a role"),
    endpoint!(post "/api/application/{id}/scope" application_scopes::add "Adds a scope")
        .sends(One("scope", "Scope"))
        .shows(SCOPE),
    endpoint!(get "/api/application/{id}/scope/{scope}" application_scopes::find "A scope").shows(SCOPE),
    endpoint!(post "/api/application/{id}/scope/{scope}" application_scopes::add_with_id "Adds a scope with this id")
        .sends(One("scope", "Scope"))
        .shows(SCOPE),
    endpoint!(put "/api/application/{id}/scope/{scope}" application_scopes::replace "Replaces a scope")
        .sends(One("scope", "Scope"))
        .shows(SCOPE),
    endpoint!(patch "/api/application/{id}/scope/{scope}" application_scopes::change "Changes a scope")
        .sends(Change("scope"))
        .shows(SCOPE),
    endpoint!(delete "/api/application/{id}/scope/{scope}" application_scopes::remove "Removes a scope"),
    // Users.
    endpoint!(get "/api/user" users::find_by_name "A user by a name, or whoever brings an access token")
        .proved_by(Proof::KeyOrToken)
        .asks(&["email", "username", "loginId", "loginIdTypes", "changePasswordId"])
        .shows(USER),
    endpoint!(post "/api/user" users::create "Makes a user").sends(Schema("NewUser")).shows(USER),
    endpoint!(get "/api/user/search" users::search "Searches users")
        .asks(&["queryString", "ids", "numberOfResults", "startRow", "orderBy"])
        .shows(Shown::Page("users", "User")),
    endpoint!(post "/api/user/search" users::search "Searches users")
        .sends(Search(&["queryString", "ids"]))
        .shows(Shown::Page("users", "User")),
    endpoint!(put "/api/user/search" users::reindex "Does nothing: there is no index to rebuild"),
    endpoint!(get "/api/user/{id}" users::find "A user").shows(USER),
    endpoint!(post "/api/user/{id}" users::create "Makes a user with this id").sends(Schema("NewUser")).shows(USER),
    endpoint!(put "/api/user/{id}" users::replace "Replaces a user, or unlocks one")
        .asks(&["reactivate"])
        .sends(One("user", "User"))
        .shows(USER),
    endpoint!(patch "/api/user/{id}" users::change "Changes a user").sends(Change("user")).shows(USER),
    endpoint!(delete "/api/user/{id}" users::delete "Locks a user, or deletes one")
        .asks(&["hardDelete"])
        .sends(Optional("Deletion")),
    endpoint!(post "/api/user/registration" registrations::create_with_user "Makes a user with a registration")
        .sends(Schema("NewRegistration"))
        .shows(Shown::Schema("RegisteredUser")),
    endpoint!(post "/api/user/registration/{user}" registrations::create "Registers a user, or makes one")
        .sends(Schema("NewRegistration"))
        .shows(Shown::Schema("RegisteredUser")),
    endpoint!(put "/api/user/registration/{user}" registrations::replace "Replaces a registration")
        .sends(One("registration", "Registration"))
        .shows(REGISTRATION),
    endpoint!(patch "/api/user/registration/{user}" registrations::change "Changes a registration")
        .sends(Change("registration"))
        .shows(REGISTRATION),
    endpoint!(get "/api/user/registration/{user}/{application}" registrations::find "A registration").shows(REGISTRATION),
    endpoint!(post "/api/user/registration/{user}/{application}" registrations::create_for "Registers a user")
        .sends(One("registration", "Registration"))
        .shows(REGISTRATION),
    endpoint!(put "/api/user/registration/{user}/{application}" registrations::replace_for "Replaces a registration")
        .sends(One("registration", "Registration"))
        .shows(REGISTRATION),
    endpoint!(patch "/api/user/registration/{user}/{application}" registrations::change_for "Changes a registration")
        .sends(Change("registration"))
        .shows(REGISTRATION),
    endpoint!(delete "/api/user/registration/{user}/{application}" registrations::delete "Ends a registration"),
    // Passwords.
    endpoint!(get "/api/user/change-password" change_password::check_without_id "Whether a password can be changed")
        .proved_by(Proof::KeyOrToken)
        .asks(&["loginId", "loginIdTypes"])
        .also(OBSTACLES),
    endpoint!(post "/api/user/change-password" change_password::change_without_id "Changes a password")
        .proved_by(Proof::KeyOrToken)
        .sends(Schema("PasswordChange"))
        .also(OBSTACLES),
    endpoint!(get "/api/user/change-password/{id}" change_password::check "Whether a login waits for a new password")
        .proved_by(Proof::Nothing),
    endpoint!(post "/api/user/change-password/{id}" change_password::change "Goes on with a login that waits for a new password")
        .proved_by(Proof::Nothing)
        .sends(Schema("PasswordChange"))
        .also(OBSTACLES),
    // Logging in and out.
    endpoint!(post "/api/login" login::log_in "Logs somebody in with a password")
        .sends(Schema("LoginRequest"))
        .shows(Shown::Schema("LoggedIn"))
        .also(LOGINS),
    endpoint!(put "/api/login" login::note "Notes that somebody is there again")
        .sends(Schema("LoginNote"))
        .shows(Shown::Schema("LoggedIn"))
        .also(LOGINS),
    endpoint!(put "/api/login/{user}/{application}" login::note_by_path "Notes that somebody is there again")
        .asks(&["ipAddress"])
        .shows(Shown::Schema("LoggedIn"))
        .also(LOGINS),
    endpoint!(post "/api/logout" logout::log_out "Ends a refresh token, or everything of its user")
        .proved_by(Proof::Nothing)
        .asks(&["refreshToken", "global"])
        .sends(Optional("Logout")),
    // The second factor.
    endpoint!(post "/api/two-factor/login" two_factor::log_in "Goes on with a login that waits for a code")
        .proved_by(Proof::Nothing)
        .sends(Schema("TwoFactorLogin"))
        .shows(Shown::Schema("LoggedIn"))
        .also(LOGINS),
    endpoint!(post "/api/two-factor/start" two_factor::start "Begins a login with the second factor alone")
        .sends(Schema("TwoFactorStart"))
        .shows(Shown::Schema("Challenge"))
        .also(OBSTACLES),
    endpoint!(get "/api/two-factor/secret" two_factor::secret "A new shared secret, nobody's yet")
        .proved_by(Proof::KeyOrToken)
        .shows(Shown::Schema("TwoFactorSecret")),
    endpoint!(post "/api/two-factor/send" two_factor::send "Refuses: codes are not sent").sends(Schema("TwoFactorSend")),
    endpoint!(post "/api/two-factor/send/{id}" two_factor::send_for_login "Refuses: codes are not sent")
        .proved_by(Proof::Nothing)
        .sends(Optional("Code")),
    endpoint!(get "/api/two-factor/status" two_factor::status "Whether a login would ask for the second factor")
        .asks(&["userId", "applicationId"])
        .shows(Shown::Schema("TwoFactorStatus"))
        .also(&[(242, Shown::Schema("TwoFactorStatus"))]),
    endpoint!(post "/api/two-factor/status" two_factor::status "Whether a login would ask for the second factor")
        .sends(Schema("UserReference"))
        .shows(Shown::Schema("TwoFactorStatus"))
        .also(&[(242, Shown::Schema("TwoFactorStatus"))]),
    endpoint!(get "/api/two-factor/status/{trust}" two_factor::status "Whether a login would ask for the second factor")
        .asks(&["userId", "applicationId"])
        .shows(Shown::Schema("TwoFactorStatus"))
        .also(&[(242, Shown::Schema("TwoFactorStatus"))]),
    endpoint!(post "/api/user/two-factor/{user}" two_factor::enable "Gives a user the second factor")
        .sends(Schema("TwoFactorEnabling"))
        .shows(Shown::Schema("RecoveryCodes"))
        .also(OBSTACLES),
    endpoint!(delete "/api/user/two-factor/{user}" two_factor::disable "Takes the second factor away")
        .asks(&["code", "methodId"])
        .sends(Optional("Code"))
        .also(OBSTACLES),
    endpoint!(post "/api/user/two-factor/recovery-code/{user}" two_factor::renew "Gives a user other recovery codes")
        .shows(Shown::Schema("RecoveryCodes")),
    // Tokens.
    endpoint!(get "/api/jwt/validate" jwt::validate "The claims of an access token")
        .proved_by(Proof::AccessToken)
        .shows(Shown::Schema("Claims")),
    endpoint!(get "/api/jwt/public-key" jwt::public_keys "Published keys as PEM")
        .proved_by(Proof::Nothing)
        .asks(&["kid", "applicationId"])
        .shows(Shown::Schema("PublicKeys")),
    endpoint!(get "/api/jwt/refresh" jwt::list "The refresh tokens of a user")
        .asks(&["userId"])
        .shows(Shown::Many("refreshTokens", "RefreshToken")),
    endpoint!(post "/api/jwt/refresh" jwt_exchange::refresh "Tokens for a refresh token")
        .proved_by(Proof::KeyOrNothing)
        .sends(Schema("RefreshRequest"))
        .shows(Shown::Schema("Tokens"))
        .also(OBSTACLES),
    endpoint!(delete "/api/jwt/refresh" jwt::end_all "Ends refresh tokens and their access tokens")
        .asks(&["token", "userId", "applicationId"])
        .sends(Optional("RefreshTokenDeletion")),
    endpoint!(get "/api/jwt/refresh/{id}" jwt::find "A refresh token, without its text")
        .shows(Shown::One("refreshToken", "RefreshToken")),
    endpoint!(delete "/api/jwt/refresh/{id}" jwt::end "Ends a refresh token and its access tokens"),
    endpoint!(get "/api/jwt/issue" jwt_exchange::issue "A token for another application")
        .proved_by(Proof::AccessToken)
        .asks(&["applicationId", "refreshToken"])
        .shows(Shown::Schema("Tokens"))
        .also(OBSTACLES),
    endpoint!(post "/api/jwt/vend" jwt_exchange::vend "Signs claims of the caller's own making")
        .sends(Schema("VendRequest"))
        .shows(Shown::Schema("Vended")),
    endpoint!(post "/api/jwt/reconcile" jwt_exchange::reconcile "Refuses: there is no identity provider")
        .proved_by(Proof::Nothing)
        .sends(Schema("ReconcileRequest")),
];
