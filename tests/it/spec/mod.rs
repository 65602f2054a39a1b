//! One file per document; a row is a section, what is sent and what must come back.

mod authorization_code;
mod authorize;
mod back_channel_logout;
mod client_credentials;
mod client_secrets;
mod consent;
mod front_channel_logout;
mod hardening;
mod interrupted_login;
mod oidc_core;
mod password;
mod refresh_token;
mod rfc6749;
mod rfc7009;
mod rfc7517;
mod rfc7519;
mod rfc7523;
mod rfc7662;
mod rfc8414;
mod rfc8628;
mod rfc9068;
mod rfc9207;
mod rp_initiated_logout;
mod session_management;
mod two_steps;
mod userinfo;
