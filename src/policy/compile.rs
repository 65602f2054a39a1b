//! Rules to a [`Policy`]: names are checked, lists become sets, and every rule gets an id.
//!
//! Owns everything that can be wrong with a rule, so that deciding cannot fail; it does not look at tokens.

use std::collections::BTreeSet;
use std::sync::Arc;

use http::Method;
use serde_json::Value;
use thiserror::Error;

use super::any_of::AnyOf;
use super::challenge::Required;
use super::claim::{Scalar, Values};
use super::cursor::{is_parameter_name, is_scope};
use super::facts::is_uuid;
use super::rule::{ClaimPath, Rule, RuleKind, RuleSource, Target};
use super::rule_set::RuleSet;
use super::step_up::StepUp;
use super::wanted::Wanted;

/// Rules may be nested this deep once `extends` chains are composed; the stack stays small at any depth below.
const MAX_DEPTH: usize = 128;

/// A rule that cannot be decided on, such as one that was built in code with an empty list.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("{message}: `{rule}`")]
pub struct CompileError {
    pub message: &'static str,
    /// The rule's text.
    pub rule: String,
    pub at: Option<RuleSource>,
}

/// Names one rule of a policy; [`Policy::text`] and [`Policy::source`] say which.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct RuleId(u32);

/// Compiled rules of one route. Deciding is pure, cannot fail and allocates nothing.
#[derive(Clone, Debug)]
pub struct Policy {
    /// HEAD is listed wherever GET is.
    pub(super) methods: Box<[(Method, usize)]>,
    pub(super) fallback: Option<usize>,
    pub(super) roots: Box<[Root]>,
    notes: Box<[Note]>,
    parameters: BTreeSet<String>,
    entities: BTreeSet<String>,
}

#[derive(Clone, Debug)]
struct Note {
    text: Box<str>,
    source: Option<RuleSource>,
    /// What a permission rule asks for.
    permission: Option<(Box<str>, Target)>,
}

#[derive(Clone, Debug)]
pub(super) struct Root {
    pub(super) node: Node,
    /// Whether the rule passes without a token.
    pub(super) is_public: bool,
    wanted: Wanted,
}

#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) id: RuleId,
    pub(super) check: Check,
}

#[derive(Clone, Debug)]
pub(super) enum Check {
    Public,
    Authenticated,
    Scopes { all_of: Box<[Box<str>]>, challenge: Arc<str> },
    AnyScope { one_of: Box<[Box<str>]>, challenge: Arc<str> },
    Role(Box<str>),
    Permission { permission: Box<str>, on: Target },
    Acr { one_of: Box<[Box<str>]>, wanted: Arc<StepUp> },
    AuthenticatedWithin { seconds: u32, wanted: Arc<StepUp> },
    Claim { path: Box<[Box<str>]>, values: Values },
    ClaimParameter { path: Box<[Box<str>]>, parameter: Box<str> },
    All(Box<[Node]>),
    Any(Box<AnyOf>),
    Not(Box<Node>),
}

impl Policy {
    /// Compiles `rules`. Rules that come from [`parse_rule`](super::parse_rule) are refused only for their depth.
    pub fn compile(rules: &RuleSet) -> Result<Self, CompileError> {
        let mut compiler = Compiler::default();
        let mut roots = Vec::new();
        let mut methods = Vec::new();
        for (method, rule) in rules.methods() {
            methods.push((method.clone(), roots.len()));
            roots.push(compiler.root(rule)?);
        }
        let position = |wanted: Method| methods.iter().find(|(method, _)| *method == wanted).map(|(_, root)| *root);
        if let (Some(root), None) = (position(Method::GET), position(Method::HEAD)) {
            methods.push((Method::HEAD, root));
        }
        let mut fallback = None;
        if let Some(rule) = rules.fallback() {
            fallback = Some(roots.len());
            roots.push(compiler.root(rule)?);
        }
        Ok(Self {
            methods: methods.into_boxed_slice(),
            fallback,
            roots: roots.into_boxed_slice(),
            notes: compiler.notes.into_boxed_slice(),
            parameters: compiler.parameters,
            entities: compiler.entities,
        })
    }

    /// Whether a request with `method` passes without a token, whatever else it carries.
    pub fn is_public(&self, method: &Method) -> bool {
        self.root(method).is_some_and(|root| root.is_public)
    }

    /// Whether there is a method for which a token is needed.
    pub fn asks_for_tokens(&self) -> bool {
        self.roots.iter().any(|root| !root.is_public)
    }

    /// What a token for a request with `method` has to be asked for with; `None` where no rule is written for it.
    pub fn wanted(&self, method: &Method) -> Option<&Wanted> {
        self.root(method).map(|root| &root.wanted)
    }

    /// The same for every method together.
    pub fn all_wanted(&self) -> impl Iterator<Item = &Wanted> {
        self.roots.iter().map(|root| &root.wanted)
    }

    /// The path parameters that the rules use, sorted.
    pub fn parameters(&self) -> impl ExactSizeIterator<Item = &str> {
        self.parameters.iter().map(String::as_str)
    }

    /// The entities that the rules name, by name or id, sorted.
    pub fn entities(&self) -> impl ExactSizeIterator<Item = &str> {
        self.entities.iter().map(String::as_str)
    }

    /// The text of a rule of this policy; empty for an id of another policy.
    pub fn text(&self, id: RuleId) -> &str {
        self.notes.get(id.0 as usize).map_or("", |note| &note.text)
    }

    /// Where a rule of this policy was written.
    pub fn source(&self, id: RuleId) -> Option<RuleSource> {
        self.notes.get(id.0 as usize)?.source
    }

    /// The permission and the target that a permission rule of this policy asks for; `None` for any other rule.
    pub fn permission(&self, id: RuleId) -> Option<(&str, &Target)> {
        let (permission, target) = self.notes.get(id.0 as usize)?.permission.as_ref()?;
        Some((permission, target))
    }

    pub(super) fn root(&self, method: &Method) -> Option<&Root> {
        let own = self.methods.iter().find(|(name, _)| name == method).map(|(_, root)| *root);
        self.roots.get(own.or(self.fallback)?)
    }
}

impl Node {
    /// Without a token only `public` passes, so this is a property of the rule alone.
    fn is_public(&self) -> bool {
        match &self.check {
            Check::Public => true,
            Check::All(nodes) => nodes.iter().all(Self::is_public),
            Check::Any(any) => any.branches.iter().any(Self::is_public),
            Check::Authenticated
            | Check::Scopes { .. }
            | Check::AnyScope { .. }
            | Check::Role(_)
            | Check::Permission { .. }
            | Check::Acr { .. }
            | Check::AuthenticatedWithin { .. }
            | Check::Claim { .. }
            | Check::ClaimParameter { .. }
            | Check::Not(_) => false,
        }
    }
}

#[derive(Default)]
struct Compiler {
    notes: Vec<Note>,
    parameters: BTreeSet<String>,
    entities: BTreeSet<String>,
}

impl Compiler {
    fn root(&mut self, rule: &Rule) -> Result<Root, CompileError> {
        let node = self.node(rule, &Required::default(), 0)?;
        Ok(Root { is_public: node.is_public(), wanted: Wanted::by(&node), node })
    }

    /// `required` are the scopes that the rules around this one ask for as well.
    fn node(&mut self, rule: &Rule, required: &Required<'_>, depth: usize) -> Result<Node, CompileError> {
        let refuse = |message| Err(CompileError { message, rule: rule.to_string(), at: rule.source });
        if depth > MAX_DEPTH {
            // The text of a rule this deep would be no help, and printing it is as deep as compiling it.
            let message = "rules are nested too deeply";
            return Err(CompileError { message, rule: "...".to_owned(), at: rule.source });
        }
        let id = RuleId(u32::try_from(self.notes.len()).unwrap_or(u32::MAX));
        self.notes.push(Note { text: Box::default(), source: rule.source, permission: None });
        let check = match &rule.kind {
            RuleKind::Public => Check::Public,
            RuleKind::Authenticated => Check::Authenticated,
            RuleKind::Scopes(scopes) | RuleKind::AnyScope(scopes) if scopes.is_empty() => {
                return refuse("no scope is named");
            }
            RuleKind::Scopes(scopes) | RuleKind::AnyScope(scopes) if !scopes.iter().all(|scope| is_scope(scope)) => {
                return refuse("a scope has printable ASCII only, without space, `\"` and `\\`");
            }
            RuleKind::Scopes(scopes) => {
                Check::Scopes { all_of: boxed(scopes), challenge: required.challenge_with(scopes) }
            }
            RuleKind::AnyScope(scopes) => {
                Check::AnyScope { one_of: boxed(scopes), challenge: required.challenge_with(scopes) }
            }
            RuleKind::Role(role) if role.is_empty() => return refuse("no role is named"),
            RuleKind::Role(role) => Check::Role(role.as_str().into()),
            RuleKind::Permission { permission, .. } if permission.is_empty() => {
                return refuse("no permission is named");
            }
            RuleKind::Permission { permission, on } => match self.target(on) {
                Some(on) => Check::Permission { permission: permission.as_str().into(), on },
                None => return refuse("no entity is named"),
            },
            RuleKind::Acr(values) if values.is_empty() || !values.iter().all(|value| is_scope(value)) => {
                return refuse("a value of `acr` has printable ASCII only, without space, `\"` and `\\`");
            }
            RuleKind::Acr(values) => Check::Acr { one_of: boxed(values), wanted: required.step_up_with(rule) },
            RuleKind::AuthenticatedWithin(seconds) => {
                Check::AuthenticatedWithin { seconds: *seconds, wanted: required.step_up_with(rule) }
            }
            RuleKind::ClaimEquals(path, value) => match claim(path, std::slice::from_ref(value)) {
                Some(check) => check,
                None => return refuse("a claim is compared with text, a number, true or false"),
            },
            RuleKind::ClaimIn(path, values) => match claim(path, values) {
                Some(check) => check,
                None => return refuse("a claim is compared with text, numbers, true or false, at least one"),
            },
            RuleKind::ClaimEqualsParameter(path, parameter) => {
                if path.0.is_empty() || !is_parameter_name(parameter) {
                    return refuse("a claim and a path parameter are needed");
                }
                self.parameters.insert(parameter.clone());
                Check::ClaimParameter { path: boxed(&path.0), parameter: parameter.as_str().into() }
            }
            RuleKind::All(rules) | RuleKind::Any(rules) if rules.is_empty() => return refuse("no rule to combine"),
            RuleKind::All(rules) => Check::All(self.nodes(rules, &required.and(rule), depth)?),
            RuleKind::Any(rules) => Check::Any(Box::new(AnyOf::new(self.nodes(rules, required, depth)?))),
            RuleKind::Not(rule) => Check::Not(Box::new(self.node(rule, &Required::default(), depth + 1)?)),
        };
        // Only now: a rule that compiled has a bounded depth, so it can be printed.
        let note = &mut self.notes[id.0 as usize];
        note.text = rule.to_string().into();
        if let Check::Permission { permission, on } = &check {
            note.permission = Some((permission.clone(), on.clone()));
        }
        Ok(Node { id, check })
    }

    fn nodes(&mut self, rules: &[Rule], required: &Required<'_>, depth: usize) -> Result<Box<[Node]>, CompileError> {
        rules.iter().map(|rule| self.node(rule, required, depth + 1)).collect()
    }

    /// `None` for an unusable name. UUIDs are compared in lower case, as tokens write them (RFC 9562 4).
    fn target(&mut self, on: &Target) -> Option<Target> {
        match on {
            Target::Entity(name) if name.is_empty() => None,
            Target::Entity(name) => {
                let name = if is_uuid(name) { name.to_ascii_lowercase() } else { name.clone() };
                self.entities.insert(name.clone());
                Some(Target::Entity(name))
            }
            Target::Parameter(name) => {
                self.parameters.insert(name.clone());
                is_parameter_name(name).then(|| Target::Parameter(name.clone()))
            }
        }
    }
}

fn claim(path: &ClaimPath, values: &[Value]) -> Option<Check> {
    let scalars: Vec<Scalar> = values.iter().map(Scalar::of).collect::<Option<_>>()?;
    let usable = !path.0.is_empty() && !scalars.is_empty();
    usable.then(|| Check::Claim { path: boxed(&path.0), values: Values::new(scalars) })
}

fn boxed(words: &[String]) -> Box<[Box<str>]> {
    words.iter().map(|word| word.as_str().into()).collect()
}

#[cfg(test)]
mod tests;
