//! Forms and scopes, beside second readings of them. Owns no rule of the protocol.

#![allow(clippy::expect_used, reason = "a target fails by panicking")]

use reqwest::Url;

use super::grant::written_anew;
use super::parameters::Parameters;
pub use super::passkeys::fuzzing::passkey;
use super::scopes;
use crate::fuzzing::text;
use crate::model::{ApplicationSettings, UnknownScopes};
use crate::percent;

/// The whole input: the body of a form.
///
/// # Panics
/// If a form means something else than the URL standard says, a name is there twice, or what is encoded does not decode
/// to itself.
pub fn form(input: &[u8]) {
    let parsed = Parameters::parse(input);
    // The standard's own reader, where what it does to a URL beforehand changes nothing.
    let is_plain = input.iter().all(|&byte| byte.is_ascii_graphic() && byte != b'#');
    if is_plain && let Ok(url) = Url::parse(&format!("https://a.example/?{}", text(input))) {
        let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        match &parsed {
            Ok(parameters) => {
                for (at, (name, value)) in pairs.iter().enumerate() {
                    assert_eq!(parameters.find(name), Some(value.as_str()).filter(|value| !value.is_empty()), "{name}");
                    assert!(pairs[..at].iter().all(|(other, _)| other != name), "{name:?} is there twice");
                }
            }
            Err(_) => {
                let repeated =
                    pairs.iter().enumerate().any(|(at, (name, _))| pairs[..at].iter().any(|(o, _)| o == name));
                // What is not UTF-8 became a mark.
                let is_broken =
                    pairs.iter().any(|(name, value)| name.contains('\u{fffd}') || value.contains('\u{fffd}'));
                assert!(repeated || is_broken || pairs.len() > 100, "refused for no reason: {}", text(input));
            }
        }
    }
    let value = text(input);
    let body = percent::form(&[("state", value), ("x", "1")]);
    let again = Parameters::parse(body.as_bytes()).expect("what we encode is a form");
    assert_eq!(again.find("state"), Some(value).filter(|value| !value.is_empty()));
    assert_eq!(
        percent::form_decoded(input).is_none(),
        Parameters::parse(&[b"a=", &escape_borders(input)[..]].concat()).is_err()
    );
}

/// Without the one byte that ends a value.
fn escape_borders(input: &[u8]) -> Vec<u8> {
    input.iter().flat_map(|&byte| if byte == b'&' { b"%26".to_vec() } else { vec![byte] }).collect()
}

/// The whole input: a scope.
///
/// # Panics
/// If a scope is approved that was not asked for, that no scope may look like or that is reserved; if approving it again
/// changes it; or if an entity's scope is understood as something else than is written there.
pub fn scope(input: &[u8]) {
    let asked = text(input);
    for unknown_scopes in [UnknownScopes::Allow, UnknownScopes::Remove, UnknownScopes::Reject] {
        let settings = ApplicationSettings { unknown_scopes, ..ApplicationSettings::default() };
        let Ok(approved) = scopes::check(&settings, None, Some(asked)) else { continue };
        for (at, word) in approved.iter().enumerate() {
            assert!(asked.split(' ').any(|other| other == word), "{word} was not asked for");
            assert!(word.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\'), "{word:?}");
            assert!(!approved[..at].contains(word), "{word} is there twice");
            let is_known = scopes::is_known(&settings, None, word);
            assert!(is_known || unknown_scopes == UnknownScopes::Allow, "{word}");
            assert!(
                !["idp-link:", "source-entity:", "target-entity:"].iter().any(|reserved| word.starts_with(reserved))
            );
        }
        let again = scopes::check(&settings, None, Some(&approved.join(" ")));
        assert_eq!(again.ok().as_ref(), Some(&approved), "{asked}");
    }
    let body = percent::form(&[("scope", asked)]);
    let form = Parameters::parse(body.as_bytes()).expect("what we encode is a form");
    if let Ok(written) = written_anew(&form) {
        let words: Vec<&str> = asked.split(' ').filter(|word| !word.is_empty()).collect();
        assert_eq!(written, words.join(" "));
    }
}
