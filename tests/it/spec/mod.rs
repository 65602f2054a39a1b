//! One file per document; a row is a section, what is sent and what must come back.

mod authorization_code;
mod client_credentials;
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
mod userinfo;
