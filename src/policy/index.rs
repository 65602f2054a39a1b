//! Which branches of an `any` are worth asking, found from what the token has.
//!
//! Owns the choice of branches; whether a branch passes is asked of the branch itself. The choice must never leave out a
//! branch that passes: under `not` that would be a permit. The tests compare it with a reading that asks them all.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use ahash::RandomState;
use serde_json::Value;

use super::any_of::First;
use super::claim::{self, Scalar};
use super::compile::{Check, Node};
use super::facts::{TargetPermissions, TokenFacts, Words};
use super::rule::Target;

/// Branch positions in writing order.
pub(super) type Positions = Vec<usize>;
/// The operator chose the keys, so a fast hash is safe: a token can only look them up.
type ByWord = HashMap<Box<str>, Positions, RandomState>;

/// Branches by something that a token must have for them to pass, or to pass if it had more scopes.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    scopes: ByWord,
    roles: ByWord,
    entities: HashMap<Box<str>, ByWord, RandomState>,
    /// By the name of the path parameter that names the entity.
    parameters: HashMap<Box<str>, ByWord, RandomState>,
    claims: Vec<ByClaim>,
    /// Positions in `claims` by the first name of the path.
    claim_names: ByWord,
    /// Branches that nothing can be said about.
    others: Positions,
}

#[derive(Clone, Debug)]
struct ByClaim {
    path: Box<[Box<str>]>,
    texts: ByWord,
    integers: HashMap<i128, Positions, RandomState>,
}

impl Index {
    /// Lists the branches at `positions`; without `by_scope` a missing scope does not rule a branch out.
    pub(super) fn new(branches: &[Node], positions: &[usize], by_scope: bool) -> Self {
        let ways: Vec<Vec<Vec<Key<'_>>>> =
            positions.iter().map(|position| necessary(&branches[*position], by_scope)).collect();
        let mut uses: HashMap<&Key<'_>, usize> = HashMap::new();
        for key in ways.iter().flatten().flatten() {
            *uses.entry(key).or_default() += 1;
        }
        let mut index = Self::default();
        for (&position, ways) in positions.iter().zip(&ways) {
            // The rarer the keys, the fewer branches share them and the fewer have to be asked.
            match ways.iter().min_by_key(|keys| keys.iter().map(|key| uses[key]).sum::<usize>()) {
                Some(keys) => keys.iter().for_each(|key| index.insert(key, position)),
                None => index.others.push(position),
            }
        }
        index
    }

    fn insert(&mut self, key: &Key<'_>, position: usize) {
        let positions = match key {
            Key::Scope(scope) => self.scopes.entry((*scope).into()).or_default(),
            Key::Role(role) => self.roles.entry((*role).into()).or_default(),
            Key::Permission { permission, on: Target::Entity(name) } => {
                self.entities.entry(name.as_str().into()).or_default().entry((*permission).into()).or_default()
            }
            Key::Permission { permission, on: Target::Parameter(name) } => {
                self.parameters.entry(name.as_str().into()).or_default().entry((*permission).into()).or_default()
            }
            Key::Text { path, text } => self.claim(path).texts.entry((*text).into()).or_default(),
            Key::Integer { path, integer } => self.claim(path).integers.entry(*integer).or_default(),
        };
        // A list such as `claim a in [x, x]` gives one key twice.
        if positions.last() != Some(&position) {
            positions.push(position);
        }
    }

    fn claim(&mut self, path: &[Box<str>]) -> &mut ByClaim {
        let positions = match self.claim_names.entry(path[0].clone()) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => entry.insert(Positions::new()),
        };
        let known = positions.iter().copied().find(|position| *self.claims[*position].path == *path);
        let position = known.unwrap_or_else(|| {
            positions.push(self.claims.len());
            self.claims.push(ByClaim { path: path.into(), texts: ByWord::default(), integers: HashMap::default() });
            self.claims.len() - 1
        });
        &mut self.claims[position]
    }

    pub(super) fn ask_candidates(&self, token: &TokenFacts, first: &mut First<'_>) {
        ask_words(&self.scopes, &token.scopes, first);
        ask_words(&self.roles, &token.roles, first);
        if !self.entities.is_empty() {
            for target in token.permissions.iter() {
                self.ask_target(&target.id, target, first);
                if let Some(name) = &target.name {
                    self.ask_target(name, target, first);
                }
            }
        }
        for (parameter, permissions) in &self.parameters {
            let target = first.facts.parameters.parameter(parameter).and_then(|name| token.permissions.on(name));
            if let Some(target) = target {
                ask_words(permissions, &target.permissions, first);
            }
        }
        if self.claims.len() <= token.claims.len() {
            self.claims.iter().for_each(|by_claim| by_claim.ask(token, first));
        } else {
            for name in token.claims.keys() {
                let positions = self.claim_names.get(name.as_str()).into_iter().flatten();
                positions.for_each(|position| self.claims[*position].ask(token, first));
            }
        }
        first.ask(self.others.iter().copied());
    }

    fn ask_target(&self, called: &str, target: &TargetPermissions, first: &mut First<'_>) {
        if let Some(permissions) = self.entities.get(called) {
            ask_words(permissions, &target.permissions, first);
        }
    }
}

impl ByClaim {
    fn ask(&self, token: &TokenFacts, first: &mut First<'_>) {
        for value in claim::find(&token.claims, &self.path).map_or(&[][..], claim::candidates) {
            match value {
                Value::String(text) => first.ask_listed(self.texts.get(text.as_str())),
                Value::Number(number) => {
                    first.ask_listed(claim::integer(number).and_then(|integer| self.integers.get(&integer)));
                }
                Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {}
            }
        }
    }
}

/// Asks the branches listed under the words that the token has; walks the smaller of the two sides.
fn ask_words(listed: &ByWord, words: &Words, first: &mut First<'_>) {
    if words.len() <= listed.len() {
        words.iter().for_each(|word| first.ask_listed(listed.get(word)));
    } else {
        listed
            .iter()
            .filter(|(word, _)| words.contains(word))
            .for_each(|(_, positions)| first.ask(positions.iter().copied()));
    }
}

/// Something that a token has or has not.
#[derive(Eq, Hash, PartialEq)]
enum Key<'n> {
    Scope(&'n str),
    Role(&'n str),
    Permission { permission: &'n str, on: &'n Target },
    Text { path: &'n [Box<str>], text: &'n str },
    Integer { path: &'n [Box<str>], integer: i128 },
}

/// Lists of keys, of each of which at least one must hold for `node` to pass. Any one list is enough to find the node.
fn necessary(node: &Node, by_scope: bool) -> Vec<Vec<Key<'_>>> {
    match &node.check {
        Check::Scopes { .. } | Check::AnyScope { .. } if !by_scope => Vec::new(),
        Check::Scopes { all_of, .. } => all_of.iter().map(|scope| vec![Key::Scope(scope)]).collect(),
        Check::AnyScope { one_of, .. } => vec![one_of.iter().map(|scope| Key::Scope(scope)).collect()],
        Check::Role(role) => vec![vec![Key::Role(role)]],
        Check::Permission { permission, on } => vec![vec![Key::Permission { permission, on }]],
        Check::Claim { path, values } => {
            let texts = values.texts().map(|text| Some(Key::Text { path, text }));
            let scalars = values.scalars.iter().map(|scalar| match scalar {
                Scalar::Text(text) => Some(Key::Text { path, text }),
                Scalar::Integer(integer) => Some(Key::Integer { path, integer: *integer }),
                Scalar::Real(_) | Scalar::Boolean(_) => None,
            });
            texts.chain(scalars).collect::<Option<Vec<_>>>().into_iter().collect()
        }
        Check::All(nodes) => nodes.iter().flat_map(|node| necessary(node, by_scope)).collect(),
        Check::Any(any) => {
            let branches = any.branches.iter().map(|branch| necessary(branch, by_scope).into_iter().next());
            branches
                .collect::<Option<Vec<_>>>()
                .map(|lists| lists.into_iter().flatten().collect())
                .into_iter()
                .collect()
        }
        // A login can change the next two, as a token with more scopes can change the others.
        Check::Acr { .. } | Check::AuthenticatedWithin { .. } => Vec::new(),
        Check::Public | Check::Authenticated | Check::ClaimParameter { .. } | Check::Not(_) => Vec::new(),
    }
}
