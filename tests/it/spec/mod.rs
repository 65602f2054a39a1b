//! One file per document; a row is a section, what is sent and what must come back.

mod client_credentials;
mod rfc6749;
mod rfc7517;
mod rfc7519;
mod rfc8414;
mod rfc8628;
mod rfc9068;
