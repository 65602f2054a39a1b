//! Comparing claims: where a claim is, and when it equals a value.
//!
//! Owns equality between JSON values and rule values; it does not decide what a match means.
//!
//! A claim that is an array matches when one of its elements does. Types are kept apart: the number 5 is not the text
//! "5". Numbers compare by value, so 5 equals 5.0. A missing claim, `null` and objects equal nothing.

use std::collections::HashSet;

use serde_json::{Map, Number, Value};

const FEW_CLAIMS: usize = 16;

/// The value at `path`, through nested objects.
pub(super) fn find<'t, N: AsRef<str>>(claims: &'t Map<String, Value>, path: &[N]) -> Option<&'t Value> {
    let (first, nested) = path.split_first()?;
    let first = first.as_ref();
    // Hashing a name costs more than comparing it with the few claims that tokens have.
    let claim = if claims.len() <= FEW_CLAIMS {
        claims.iter().find(|(name, _)| **name == *first).map(|(_, value)| value)
    } else {
        claims.get(first)
    };
    nested.iter().try_fold(claim?, |value, name| value.as_object()?.get(name.as_ref()))
}

/// The scalar candidates of a claim: itself, or the elements of an array.
pub(super) fn candidates(claim: &Value) -> &[Value] {
    match claim {
        Value::Array(elements) => elements,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
            std::slice::from_ref(claim)
        }
    }
}

/// A value that a rule compares with.
#[derive(Clone, Debug)]
pub(super) enum Scalar {
    Text(Box<str>),
    Integer(i128),
    /// A number that is no integer.
    Real(f64),
    Boolean(bool),
}

impl Scalar {
    /// `None` for `null`, arrays and objects, which cannot be compared.
    pub(super) fn of(value: &Value) -> Option<Self> {
        match value {
            Value::String(text) => Some(Self::Text(text.as_str().into())),
            Value::Bool(boolean) => Some(Self::Boolean(*boolean)),
            Value::Number(number) => integer(number).map(Self::Integer).or_else(|| number.as_f64().map(Self::Real)),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        }
    }

    fn equals(&self, value: &Value) -> bool {
        match (self, value) {
            (Self::Text(text), Value::String(other)) => **text == **other,
            (Self::Boolean(boolean), Value::Bool(other)) => boolean == other,
            (Self::Integer(own), Value::Number(other)) => integer(other) == Some(*own),
            (Self::Real(own), Value::Number(other)) => other.as_f64() == Some(*own),
            (Self::Text(_) | Self::Boolean(_) | Self::Integer(_) | Self::Real(_), _) => false,
        }
    }
}

/// The value of a number that is an integer, however it is spelled.
pub(super) fn integer(number: &Number) -> Option<i128> {
    // Every float below 2^126 without a fraction is exact as i128.
    const EXACT: f64 = (1_i128 << 126) as f64;
    if let Some(signed) = number.as_i64() {
        return Some(signed.into());
    }
    if let Some(unsigned) = number.as_u64() {
        return Some(unsigned.into());
    }
    number.as_f64().filter(|float| float.fract() == 0.0 && float.abs() < EXACT).map(|float| float as i128)
}

/// Whether a claim value is what a path parameter says: the same text, or an integer written in its plain form.
pub(super) fn reads_as(value: &Value, parameter: &str) -> bool {
    match value {
        Value::String(text) => text == parameter,
        Value::Number(number) => {
            let plain = parameter == "0" || !parameter.trim_start_matches('-').starts_with(['0', '+']);
            plain
                && !parameter.starts_with('+')
                && parameter.parse::<i128>().is_ok_and(|read| integer(number) == Some(read))
        }
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => false,
    }
}

/// The values of one claim rule.
#[derive(Clone, Debug)]
pub(super) struct Values {
    /// All values when they are few, otherwise those that are no text.
    pub(super) scalars: Box<[Scalar]>,
    /// The texts among many values.
    texts: HashSet<Box<str>>,
}

impl Values {
    const FEW: usize = 8;

    pub(super) fn new(scalars: Vec<Scalar>) -> Self {
        if scalars.len() <= Self::FEW {
            return Self { scalars: scalars.into_boxed_slice(), texts: HashSet::new() };
        }
        let mut texts = HashSet::new();
        let mut others = Vec::new();
        for scalar in scalars {
            match scalar {
                Scalar::Text(text) => {
                    texts.insert(text);
                }
                Scalar::Integer(_) | Scalar::Real(_) | Scalar::Boolean(_) => others.push(scalar),
            }
        }
        Self { scalars: others.into_boxed_slice(), texts }
    }

    pub(super) fn contain(&self, value: &Value) -> bool {
        self.scalars.iter().any(|scalar| scalar.equals(value))
            || (!self.texts.is_empty() && value.as_str().is_some_and(|text| self.texts.contains(text)))
    }

    pub(super) fn texts(&self) -> impl Iterator<Item = &str> {
        self.texts.iter().map(|text| &**text)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn equals(rule: Value, claim: Value) -> bool {
        let values = Values::new(vec![Scalar::of(&rule).expect("the test compares scalars")]);
        candidates(&claim).iter().any(|candidate| values.contain(candidate))
    }

    #[test]
    fn scalars_compare_by_type_and_value() {
        assert!(equals(json!("a"), json!("a")));
        assert!(!equals(json!("a"), json!("A")));
        assert!(equals(json!(5), json!(5.0)));
        assert!(equals(json!(u64::MAX), json!(u64::MAX)));
        assert!(!equals(json!(5), json!("5")));
        assert!(!equals(json!(true), json!("true")));
        assert!(equals(json!(0.5), json!(0.5)));
        assert!(!equals(json!(9_007_199_254_740_993_i64), json!(9_007_199_254_740_992.0)));
    }

    #[test]
    fn an_array_matches_by_one_level_of_membership() {
        assert!(equals(json!("b"), json!(["a", "b"])));
        assert!(!equals(json!("b"), json!([])));
        assert!(!equals(json!("b"), json!([["b"]])));
        assert!(!equals(json!("b"), json!({"b": true})));
    }

    #[test]
    fn a_parameter_reads_as_text_or_as_a_plain_integer() {
        assert!(reads_as(&json!("acme"), "acme"));
        assert!(!reads_as(&json!("acme"), "ACME"));
        assert!(reads_as(&json!(42), "42") && reads_as(&json!(-7), "-7") && reads_as(&json!(0), "0"));
        for spelling in ["042", "+42", "42.0", " 42", "4_2", "-042", "", "--42"] {
            assert!(!reads_as(&json!(42), spelling), "{spelling}");
        }
        assert!(!reads_as(&json!(0), "-0"));
        assert!(!reads_as(&json!(true), "true"));
        assert!(!reads_as(&json!(null), "null"));
    }

    #[test]
    fn many_values_are_still_all_found() {
        let values =
            Values::new((0..100).map(|n| Scalar::Text(format!("t{n}").into())).chain([Scalar::Integer(7)]).collect());
        assert!((0..100).all(|n| values.contain(&json!(format!("t{n}")))));
        assert!(values.contain(&json!(7.0)) && !values.contain(&json!("7")) && !values.contain(&json!("t100")));
    }

    #[test]
    fn paths_go_through_objects_only() {
        let Value::Object(claims) = json!({"a": {"b": [1]}, "a.b": 2}) else { unreachable!("it is an object") };
        let path = |names: &[&str]| names.iter().map(|name| Box::from(*name)).collect::<Vec<Box<str>>>();
        assert_eq!(find(&claims, &path(&["a", "b"])), Some(&json!([1])));
        assert_eq!(find(&claims, &path(&["a.b"])), Some(&json!(2)));
        assert_eq!(find(&claims, &path(&["a", "b", "0"])), None);
        assert_eq!(find(&claims, &path(&["c"])), None);
    }
}
