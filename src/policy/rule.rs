//! The rule tree: what an author may require, as plain data.
//!
//! Owns the vocabulary and its constructors; text comes in through [`parse_rule`](super::parse_rule), deciding needs a
//! compiled [`Policy`](super::Policy).

use serde_json::Value;

/// One requirement, and where it was written. The combining kinds hold further rules.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    pub kind: RuleKind,
    /// Where the rule was written, so that `explain` can say which line decided.
    pub source: Option<RuleSource>,
}

/// A place in the configuration file.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct RuleSource {
    /// Counted from 1.
    pub line: u32,
}

/// What a rule asks for. Only [`RuleKind::Public`], alone or inside `all`/`any`, ever passes without a token.
#[derive(Clone, Debug, PartialEq)]
pub enum RuleKind {
    /// Passes for everyone.
    Public,
    /// Passes for every accepted token.
    Authenticated,
    /// All of these scopes.
    Scopes(Vec<String>),
    /// At least one of these scopes.
    AnyScope(Vec<String>),
    Role(String),
    /// An entity permission: the target is in the token's audience and the permission was granted on it (F-336).
    Permission {
        permission: String,
        on: Target,
    },
    /// The person authenticated in one of these ways: `acr` is one of the values (RFC 9470).
    Acr(Vec<String>),
    /// The person authenticated at most this many seconds ago: `auth_time` says when (RFC 9470).
    AuthenticatedWithin(u32),
    /// The claim equals the scalar, or is an array that contains it.
    ClaimEquals(ClaimPath, Value),
    /// The claim equals one of the scalars, or is an array that contains one.
    ClaimIn(ClaimPath, Vec<Value>),
    /// The claim equals the named path parameter, or is an array that contains it.
    ClaimEqualsParameter(ClaimPath, String),
    All(Vec<Rule>),
    Any(Vec<Rule>),
    /// Passes for a token for which the inner rule fails. It never passes without a token.
    Not(Box<Rule>),
}

/// The entity that a permission is about.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Target {
    /// By name or id, written in the rule.
    Entity(String),
    /// By name or id, taken from the path parameter of this name.
    Parameter(String),
}

/// The way to a claim: one name per nesting level, `["realm_access", "roles"]`.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ClaimPath(pub Vec<String>);

impl ClaimPath {
    /// A claim at the top level of the token; the name is taken literally, dots included.
    pub fn top(name: impl Into<String>) -> Self {
        Self(vec![name.into()])
    }
}

impl From<RuleKind> for Rule {
    fn from(kind: RuleKind) -> Self {
        Self { kind, source: None }
    }
}

impl Rule {
    pub fn public() -> Self {
        RuleKind::Public.into()
    }

    pub fn authenticated() -> Self {
        RuleKind::Authenticated.into()
    }

    /// All of `scopes`.
    pub fn scopes<S: Into<String>>(scopes: impl IntoIterator<Item = S>) -> Self {
        RuleKind::Scopes(scopes.into_iter().map(Into::into).collect()).into()
    }

    /// At least one of `scopes`.
    pub fn any_scope<S: Into<String>>(scopes: impl IntoIterator<Item = S>) -> Self {
        RuleKind::AnyScope(scopes.into_iter().map(Into::into).collect()).into()
    }

    pub fn role(role: impl Into<String>) -> Self {
        RuleKind::Role(role.into()).into()
    }

    /// `permission` on the entity called `entity`, a name or an id.
    pub fn permission(permission: impl Into<String>, entity: impl Into<String>) -> Self {
        RuleKind::Permission { permission: permission.into(), on: Target::Entity(entity.into()) }.into()
    }

    /// `permission` on the entity that the path parameter `parameter` names.
    pub fn permission_on_parameter(permission: impl Into<String>, parameter: impl Into<String>) -> Self {
        RuleKind::Permission { permission: permission.into(), on: Target::Parameter(parameter.into()) }.into()
    }

    /// `acr` is one of `values`.
    pub fn acr<S: Into<String>>(values: impl IntoIterator<Item = S>) -> Self {
        RuleKind::Acr(values.into_iter().map(Into::into).collect()).into()
    }

    /// The person authenticated at most `seconds` ago.
    pub fn authenticated_within(seconds: u32) -> Self {
        RuleKind::AuthenticatedWithin(seconds).into()
    }

    /// The top-level claim `name` equals `value`.
    pub fn claim(name: impl Into<String>, value: impl Into<Value>) -> Self {
        RuleKind::ClaimEquals(ClaimPath::top(name), value.into()).into()
    }

    pub fn all(rules: impl IntoIterator<Item = Self>) -> Self {
        RuleKind::All(rules.into_iter().collect()).into()
    }

    pub fn any(rules: impl IntoIterator<Item = Self>) -> Self {
        RuleKind::Any(rules.into_iter().collect()).into()
    }

    /// The opposite of `rule`, for requests that carry a token.
    pub fn negate(rule: Self) -> Self {
        RuleKind::Not(Box::new(rule)).into()
    }

    /// Notes that this rule, and every rule in it without a place of its own, was written on `line`.
    pub fn at(mut self, line: u32) -> Self {
        self.mark(RuleSource { line });
        self
    }

    fn mark(&mut self, source: RuleSource) {
        self.source.get_or_insert(source);
        match &mut self.kind {
            RuleKind::All(rules) | RuleKind::Any(rules) => rules.iter_mut().for_each(|rule| rule.mark(source)),
            RuleKind::Not(rule) => rule.mark(source),
            RuleKind::Public
            | RuleKind::Authenticated
            | RuleKind::Scopes(_)
            | RuleKind::AnyScope(_)
            | RuleKind::Role(_)
            | RuleKind::Permission { .. }
            | RuleKind::Acr(_)
            | RuleKind::AuthenticatedWithin(_)
            | RuleKind::ClaimEquals(..)
            | RuleKind::ClaimIn(..)
            | RuleKind::ClaimEqualsParameter(..) => {}
        }
    }
}
