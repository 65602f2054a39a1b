//! Patterns of one host, arranged by segment, so that a search costs as much as the path is deep.
//!
//! Owns precedence; it knows neither hosts nor what is routed to.

use std::collections::HashMap;

use ahash::RandomState;

use super::pattern::{MAX_LITERAL, Pattern, Segment};
use super::segment::decode_into;

/// Up to this many literals are compared in turn; more are hashed.
const FEW: usize = 8;

/// A tree of segments; a route is found by the position that it was inserted with.
#[derive(Clone, Debug, Default)]
pub(super) struct Trie {
    root: Node,
}

#[derive(Clone, Debug, Default)]
struct Node {
    literals: Literals,
    /// `*` and `{name}`, which match the same.
    one: Option<Box<Node>>,
    /// The route whose pattern ends here.
    here: Option<usize>,
    /// The route whose pattern ends here with `**`.
    rest: Option<usize>,
}

#[derive(Clone, Debug, Default)]
struct Literals {
    nodes: Vec<(Box<str>, Node)>,
    /// Positions in `nodes`, once they are many.
    positions: HashMap<Box<str>, usize, RandomState>,
}

impl Trie {
    /// Adds `route`, or returns the route whose pattern matches the same paths.
    pub(super) fn insert(&mut self, pattern: &Pattern, route: usize) -> Result<(), usize> {
        let mut node = &mut self.root;
        for segment in pattern.segments() {
            node = match segment {
                Segment::Literal(literal) => node.literals.node(literal),
                Segment::Any | Segment::Parameter(_) => node.one.get_or_insert_default(),
                Segment::Rest => return occupy(&mut node.rest, route),
            };
        }
        occupy(&mut node.here, route)
    }

    /// The most specific route for a canonical path: segment by segment a literal is tried before `*` and `{name}`, and
    /// these before `**`; where the more specific way leads nowhere, the next one is tried.
    pub(super) fn find(&self, path: &str) -> Option<usize> {
        let path = path.strip_prefix('/').unwrap_or(path);
        self.root.find(path.strip_suffix('/').unwrap_or(path))
    }
}

fn occupy(place: &mut Option<usize>, route: usize) -> Result<(), usize> {
    match place {
        Some(existing) => Err(*existing),
        None => {
            *place = Some(route);
            Ok(())
        }
    }
}

impl Node {
    /// Never deeper than the longest pattern, and no node is visited twice.
    fn find(&self, rest: &str) -> Option<usize> {
        if rest.is_empty() {
            return self.here.or(self.rest);
        }
        let (segment, after) = rest.split_once('/').unwrap_or((rest, ""));
        let by_literal = self.literals.find(segment).and_then(|node| node.find(after));
        by_literal
            .or_else(|| self.one.as_ref().filter(|_| !segment.is_empty()).and_then(|node| node.find(after)))
            .or(self.rest)
    }
}

impl Literals {
    fn node(&mut self, literal: &str) -> &mut Node {
        let position = self.position(literal).unwrap_or_else(|| {
            self.nodes.push((literal.into(), Node::default()));
            if self.nodes.len() > FEW {
                let first = self.positions.len();
                for (position, (name, _)) in self.nodes.iter().enumerate().skip(first) {
                    self.positions.insert(name.clone(), position);
                }
            }
            self.nodes.len() - 1
        });
        &mut self.nodes[position].1
    }

    fn find(&self, segment: &str) -> Option<&Node> {
        if self.nodes.is_empty() {
            return None;
        }
        if !segment.contains('%') {
            return self.position(segment).map(|position| &self.nodes[position].1);
        }
        // A segment that does not fit is longer than every literal.
        let mut buffer = [0; MAX_LITERAL];
        let length = decode_into(segment, &mut buffer)?;
        let decoded = std::str::from_utf8(&buffer[..length]).ok()?;
        self.position(decoded).map(|position| &self.nodes[position].1)
    }

    fn position(&self, literal: &str) -> Option<usize> {
        if self.nodes.len() <= FEW {
            return self.nodes.iter().position(|(name, _)| &**name == literal);
        }
        self.positions.get(literal).copied()
    }
}
