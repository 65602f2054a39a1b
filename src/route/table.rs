//! All routes of a gateway, found by host and path.
//!
//! Owns the search; it does not make paths canonical, and it does not know what a route leads to.

use std::borrow::Cow;
use std::collections::HashMap;

use smallvec::SmallVec;

use super::host::{Host, name_of};
use super::pattern::{Pattern, Segment};
use super::segment::{decode, split};
use super::trie::Trie;

/// Routes to values of type `T`. Its cost does not grow with the number of routes.
///
/// Routes of an exact host come first, then those of the longest matching `*.suffix`, then those without a host. Among
/// these the most specific pattern wins, segment by segment: a literal before `*` and `{name}`, these before `**`.
#[derive(Clone, Debug)]
pub struct RouteTable<T> {
    routes: Box<[(Pattern, T)]>,
    exact: HashMap<Box<str>, Trie>,
    /// The longest suffix first.
    suffixes: Box<[(Box<str>, Trie)]>,
    any_host: Trie,
}

/// Two routes that match the same paths, so that one of them would never be found.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{first}` and `{second}` match the same paths")]
pub struct ConflictError {
    /// Host and pattern of the earlier route.
    pub first: String,
    /// Host and pattern of the later route.
    pub second: String,
    /// Position of the earlier route among the entries.
    pub first_index: usize,
    /// Position of the later route among the entries.
    pub second_index: usize,
}

/// The route of a request.
#[derive(Clone, Debug)]
pub struct Match<'a, T> {
    pub value: &'a T,
    pub pattern: &'a Pattern,
    /// Position of the route among the entries that the table was compiled from.
    pub index: usize,
    pub parameters: PathParameters<'a>,
}

/// What the `{name}` segments of a pattern captured, percent-decoded, in order.
#[derive(Clone, Debug, Default)]
pub struct PathParameters<'a>(SmallVec<[(&'a str, Cow<'a, str>); 4]>);

impl<T> RouteTable<T> {
    /// Arranges `entries`; refuses two that match the same paths of the same host.
    pub fn compile(entries: impl IntoIterator<Item = (Option<Host>, Pattern, T)>) -> Result<Self, ConflictError> {
        let mut routes = Vec::new();
        let mut hosts = Vec::new();
        let mut exact: HashMap<Box<str>, Trie> = HashMap::new();
        let mut suffixes: HashMap<Box<str>, Trie> = HashMap::new();
        let mut any_host = Trie::default();
        for (second_index, (host, pattern, value)) in entries.into_iter().enumerate() {
            let trie = match &host {
                Some(Host::Exact(name)) => exact.entry(name.clone()).or_default(),
                Some(Host::Suffix(name)) => suffixes.entry(name.clone()).or_default(),
                None => &mut any_host,
            };
            let inserted = trie.insert(&pattern, second_index);
            routes.push((pattern, value));
            hosts.push(host);
            if let Err(first_index) = inserted {
                let describe = |index: usize| {
                    let host = hosts[index].as_ref().map(Host::to_string).unwrap_or_default();
                    format!("{host}{}", routes[index].0)
                };
                let (first, second) = (describe(first_index), describe(second_index));
                return Err(ConflictError { first, second, first_index, second_index });
            }
        }
        let mut suffixes: Vec<(Box<str>, Trie)> = suffixes.into_iter().collect();
        suffixes.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
        Ok(Self { routes: routes.into_boxed_slice(), exact, suffixes: suffixes.into_boxed_slice(), any_host })
    }

    /// The route for `path`, which is [`canonical`](super::canonical), on `host`, as it stands in the request. Allocates
    /// only to decode a parameter, to lower the case of a host, and for paths with a `;`.
    ///
    /// Some servers cut `;...` off a segment, others do not. A path for which that makes a difference to the route has no
    /// route at all, so `/admin;x` never passes with the policy of `/**`.
    pub fn find<'a>(&'a self, host: Option<&str>, path: &'a str) -> Option<Match<'a, T>> {
        let index = self.position(host, path)?;
        if let Some(shorter) = without_parameters(path)
            && self.position(host, &shorter) != Some(index)
        {
            return None;
        }
        let (pattern, value) = self.routes.get(index)?;
        Some(Match { value, pattern, index, parameters: PathParameters::capture(pattern, path) })
    }

    /// Every pattern with its value, in the order of the entries.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&Pattern, &T)> {
        self.routes.iter().map(|(pattern, value)| (pattern, value))
    }

    pub fn len(&self) -> usize {
        self.routes.len()
    }

    pub fn is_empty(&self) -> bool {
        self.routes.is_empty()
    }

    fn position(&self, host: Option<&str>, path: &str) -> Option<usize> {
        let by_host = || {
            let host = name_of(host?);
            let exact = self.exact.get(&*host).and_then(|trie| trie.find(path));
            exact.or_else(|| {
                let mut below = self.suffixes.iter().filter(|(suffix, _)| is_below(&host, suffix));
                below.find_map(|(_, trie)| trie.find(path))
            })
        };
        let has_hosts = !self.exact.is_empty() || !self.suffixes.is_empty();
        let by_host = if has_hosts { by_host() } else { None };
        by_host.or_else(|| self.any_host.find(path))
    }
}

fn is_below(host: &str, suffix: &str) -> bool {
    host.strip_suffix(suffix).and_then(|labels| labels.strip_suffix('.')).is_some_and(|labels| !labels.is_empty())
}

/// The path that a server sees which cuts `;...` off every segment and merges slashes, or `None` when there is no `;`.
fn without_parameters(path: &str) -> Option<String> {
    // Looking for one byte first: most paths have neither, and a text costs more to look for.
    let has_parameters = path.contains(';') || (path.contains('%') && path.contains("%3B"));
    if !has_parameters {
        return None;
    }
    let mut shorter = String::with_capacity(path.len());
    for segment in split(path) {
        let end = segment.find(';').into_iter().chain(segment.find("%3B")).min();
        let name = &segment[..end.unwrap_or(segment.len())];
        if !name.is_empty() {
            shorter.push('/');
            shorter.push_str(name);
        }
    }
    Some(shorter)
}

impl<'a> PathParameters<'a> {
    fn capture(pattern: &'a Pattern, path: &'a str) -> Self {
        let captured = pattern.segments().iter().zip(split(path)).filter_map(|(segment, text)| match segment {
            Segment::Parameter(name) => Some((&**name, decode(text))),
            Segment::Literal(_) | Segment::Any | Segment::Rest => None,
        });
        Self(captured.collect())
    }

    /// The decoded value of the parameter called `name`.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(candidate, _)| *candidate == name).map(|(_, value)| &**value)
    }

    /// Names and values in the order of the pattern.
    pub fn as_slice(&self) -> &[(&'a str, Cow<'a, str>)] {
        &self.0
    }
}

#[cfg(test)]
mod tests;
