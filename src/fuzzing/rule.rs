//! The grammar of rules: what is printed reads back, and a mistake is pointed at within the text. Owns no rule.

use super::text;
use crate::policy::{parse_claim_name, parse_rule};

/// The whole input: one rule.
///
/// # Panics
/// If a rule is printed as another one, or an error lies outside of the text.
pub fn rule(input: &[u8]) {
    let written = text(input);
    match parse_rule(written) {
        Ok(rule) => {
            let printed = rule.to_string();
            assert_eq!(parse_rule(&printed), Ok(rule), "{printed}");
        }
        Err(error) => {
            let place = written.get(error.offset..error.offset + error.length);
            assert!(place.is_some(), "{written:?} {error:?}");
        }
    }
    if let Ok(name) = parse_claim_name(written) {
        let printed = name.to_string();
        assert_eq!(parse_claim_name(&printed), Ok(name), "{printed}");
    }
}
