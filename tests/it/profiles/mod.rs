//! How tenants speak that are not `standard`: their paths, and one file for each profile.

mod auth0;
mod fusionauth_legacy;
mod paths;
