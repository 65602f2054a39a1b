//! A login that has to be stronger, or more recent, than the one that a session began with (RFC 9470 4, OpenID Connect Core
//! 3.1.2.1).
//!
//! Owns what is asked of the issuer then. Who has to log in again is decided by the route's policy.

use serde::{Deserialize, Serialize};

/// Characters of `acr_values` that fit into an attempt's cookie beside everything else.
const MOST_ACR_VALUES: usize = 512;

/// What a login has to be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Demands {
    /// One of these, separated by spaces; empty: any will do.
    acr_values: String,
    /// Seconds.
    max_age: Option<u32>,
}

impl Demands {
    /// `None` for what cannot be asked of an issuer: nothing, or more than fits.
    pub fn new(acr_values: &[Box<str>], max_age: Option<u32>) -> Option<Self> {
        let acr_values = acr_values.join(" ");
        let is_something = !acr_values.is_empty() || max_age.is_some();
        (is_something && acr_values.len() <= MOST_ACR_VALUES).then_some(Self { acr_values, max_age })
    }

    /// Parameters of the authorization request, which take the place of those that are configured.
    pub(super) fn parameters(&self) -> Vec<(&'static str, String)> {
        let acr_values = (!self.acr_values.is_empty()).then(|| ("acr_values", self.acr_values.clone()));
        acr_values.into_iter().chain(self.max_age.map(|seconds| ("max_age", seconds.to_string()))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 9470 4: what the challenge would say, as parameters
    #[test]
    fn demands_are_parameters() {
        let demands = |values: &[&str], max_age| {
            let values: Vec<Box<str>> = values.iter().map(|value| (*value).into()).collect();
            Demands::new(&values, max_age).map(|demands| demands.parameters())
        };
        assert_eq!(demands(&[], None), None);
        assert_eq!(demands(&["gold", "platinum"], None), Some(vec![("acr_values", "gold platinum".to_owned())]));
        assert_eq!(demands(&[], Some(300)), Some(vec![("max_age", "300".to_owned())]));
        assert_eq!(demands(&["2"], Some(0)).map(|both| both.len()), Some(2));
        assert_eq!(demands(&[&"x".repeat(600)], None), None);
    }
}
