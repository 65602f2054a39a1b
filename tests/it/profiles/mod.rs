//! How tenants speak that are not `standard`: their paths, and one file for each profile.

mod paths;
