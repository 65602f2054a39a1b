//! What a fuzzer may call: one function for each reader of what strangers send, with the property that it must keep.
//!
//! Owns the list. It is built with the feature `fuzzing` and in the unit tests, which run every input in `fuzz/corpus`
//! through it; `make fuzz` looks for more. A target panics when its property does not hold, and says nothing otherwise.

mod bearer;
mod configuration;
mod header_block;
mod key_set;
mod path;
mod redirect_uri;
mod rule;

pub use crate::api::fuzzing::patch;
pub use crate::issuers::fuzzing::introspection;
pub use crate::jose::fuzzing::token;
pub use crate::oauth::fuzzing::{form, passkey, scope};
pub use bearer::bearer;
pub use configuration::configuration;
pub use header_block::header_block;
pub use key_set::key_set;
pub use path::path;
pub use redirect_uri::redirect_uri;
pub use rule::rule;

/// A target by the name that its program in `fuzz/fuzz_targets` and its folder in `fuzz/corpus` have.
pub type Named = (&'static str, fn(&[u8]));

/// Every target there is.
pub const TARGETS: [Named; 13] = [
    ("bearer", bearer),
    ("configuration", configuration),
    ("form", form),
    ("header_block", header_block),
    ("introspection", introspection),
    ("key_set", key_set),
    ("passkey", passkey),
    ("patch", patch),
    ("path", path),
    ("redirect_uri", redirect_uri),
    ("rule", rule),
    ("scope", scope),
    ("token", token),
];

/// The first line of an input and what follows it.
pub(crate) fn first_line(input: &[u8]) -> (&[u8], &[u8]) {
    match input.iter().position(|&byte| byte == b'\n') {
        Some(end) => (&input[..end], &input[end + 1..]),
        None => (input, &[]),
    }
}

/// An input as text, and as nothing where it is none.
pub(crate) fn text(input: &[u8]) -> &str {
    std::str::from_utf8(input).unwrap_or_default()
}

#[cfg(test)]
mod tests;
