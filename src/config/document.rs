//! YAML text to a tree whose every node knows its place in the file.
//!
//! Owns YAML: its limits, what of it is refused, and interpolation. It does not know what any key means.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::Path;

use saphyr_parser::{Event, Parser, ScalarStyle, StrInput, Tag};

use super::environment::Environment;
use super::interpolate::interpolate;
use super::node::{Entry, Node, Scalar, Value};
use super::problem::{Layer, Problem, Span};
use super::source::Source;
use super::syntax;

/// Bytes of a configuration file.
pub(super) const MAX_SIZE: usize = 1024 * 1024;
/// Collections inside collections (hardening rule N9).
const MAX_DEPTH: usize = 32;
/// Nodes that aliases may add: no billion laughs.
const MAX_COPIED: usize = 10_000;

/// What reading a file gave: the tree if it is YAML, and what is wrong so far.
pub(super) struct Document {
    /// `None` if it is not YAML, which is one of the problems then. An empty file is an empty mapping.
    pub root: Option<Node>,
    pub problems: Vec<Problem>,
    /// Every value that went into the tree from outside.
    pub included: Vec<String>,
}

/// Reads `text`, the text of `source`; relative files in references are looked up in `base`.
pub(super) fn read(text: &str, source: &Source, environment: &Environment, base: &Path) -> Document {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = Reader {
        parser: Parser::new_from_str(text),
        source,
        environment,
        base,
        anchors: HashMap::new(),
        copied: 0,
        problems: Vec::new(),
        included: Vec::new(),
    };
    let root = if text.len() > MAX_SIZE {
        let message = format!("the file has {} bytes; at most {MAX_SIZE} are read", text.len());
        reader.problems.push(Problem::new(Layer::Syntax, source, Span::default(), message));
        None
    } else {
        reader.document().ok()
    };
    Document { root, problems: reader.problems, included: reader.included }
}

/// Reading cannot go on; the problem has been noted.
struct Broken;

struct Reader<'s> {
    parser: Parser<'s, StrInput<'s>>,
    source: &'s Source,
    environment: &'s Environment,
    base: &'s Path,
    anchors: HashMap<usize, Node>,
    copied: usize,
    problems: Vec<Problem>,
    included: Vec<String>,
}

impl<'s> Reader<'s> {
    fn document(&mut self) -> Result<Node, Broken> {
        let mut root = None;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd | Event::Nothing => {}
                Event::StreamEnd => break,
                event if root.is_none() => root = Some(self.node(event, span, 1)?),
                _ => {
                    return Err(self.broken(
                        span,
                        "a second document",
                        "one file holds one configuration: remove `---`",
                    ));
                }
            }
        }
        let nothing = Node { span: Span { line: 1, column: 1, length: 1 }, value: Value::Null };
        Ok(root.unwrap_or(nothing))
    }

    fn next(&mut self) -> Result<(Event<'s>, Span), Broken> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => {
                let length = if span.start.line() == span.end.line() {
                    span.end.col().saturating_sub(span.start.col())
                } else {
                    // Clipped to the line when it is shown.
                    usize::from(u16::MAX)
                };
                let at = syntax::span_at(span.start.line(), span.start.col(), length);
                // What is missing at the end of the file is missed behind its last line.
                let end = self.source.end();
                Ok((event, if at.line > end.line { end } else { at }))
            }
            Some(Err(error)) => {
                let problem = syntax::problem(&error, self.source);
                self.problems.push(problem);
                Err(Broken)
            }
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn node(&mut self, event: Event<'s>, span: Span, depth: usize) -> Result<Node, Broken> {
        if depth > MAX_DEPTH {
            let help = format!("a configuration has at most {MAX_DEPTH} levels");
            return Err(self.broken(span, "nested too deeply", &help));
        }
        match event {
            Event::Alias(anchor) => self.alias(anchor, span, depth),
            Event::Scalar(text, style, anchor, tag) => {
                let node = self.scalar(text, style, span);
                self.keep(anchor, tag, node)
            }
            Event::SequenceStart(anchor, tag) => {
                let mut items = Vec::new();
                loop {
                    let (event, at) = self.next()?;
                    if event == Event::SequenceEnd {
                        break;
                    }
                    items.push(self.node(event, at, depth + 1)?);
                }
                let span = Span { length: 1, ..span };
                self.keep(anchor, tag, Node { span, value: Value::List(items) })
            }
            Event::MappingStart(anchor, tag) => {
                let Some(entries) = self.entries(depth)? else {
                    return self.keep(anchor, tag, Node { span, value: Value::Unusable });
                };
                // A block mapping starts where its first key does, a flow mapping at its brace.
                let first = entries.first().map(|entry| entry.key_span);
                let block = first.filter(|first| (first.line, first.column) == (span.line, span.column));
                let span = block.unwrap_or(Span { length: 1, ..span });
                self.keep(anchor, tag, Node { span, value: Value::Map(entries) })
            }
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd
            | Event::SequenceEnd
            | Event::MappingEnd => Err(self.broken(span, "a value is missing", "write a value")),
        }
    }

    /// The entries up to the end of the mapping; `None` if it has a merge key. A key that appears twice keeps its first
    /// value.
    fn entries(&mut self, depth: usize) -> Result<Option<Vec<Entry>>, Broken> {
        let mut merged = false;
        let mut entries: Vec<Entry> = Vec::new();
        let mut lines: HashMap<String, u32> = HashMap::new();
        loop {
            let (event, span) = self.next()?;
            let (key, key_span) = match event {
                // What should have been merged would be missed.
                Event::MappingEnd if merged => return Ok(None),
                Event::MappingEnd => return Ok(Some(entries)),
                Event::Scalar(text, _, 0, None) => (text.into_owned(), span),
                Event::Scalar(..) | Event::Alias(_) => {
                    return Err(self.broken(
                        span,
                        "a key cannot have an anchor, an alias or a tag",
                        "write the key itself",
                    ));
                }
                _ => return Err(self.broken(span, "a key must be text", "write the key as one word")),
            };
            let (event, span) = self.next()?;
            let value = self.node(event, span, depth + 1)?;
            if key == "<<" {
                let help = "repeat the keys, or let one route `extends` another";
                self.problem(key_span, "merge keys (`<<`) are not supported", help);
                merged = true;
            } else if let Some(line) = lines.get(&key) {
                let message = format!("key {key:?} appears twice; first on line {line}");
                self.problem(key_span, &message, "keep one of them");
            } else {
                lines.insert(key.clone(), key_span.line);
                entries.push(Entry { key, key_span, value });
            }
        }
    }

    fn scalar(&mut self, text: Cow<'s, str>, style: ScalarStyle, span: Span) -> Node {
        let plain = style == ScalarStyle::Plain;
        if plain && matches!(&*text, "" | "~" | "null" | "Null" | "NULL") {
            return Node { span, value: Value::Null };
        }
        // In flow collections the scanner counts the spaces behind a quoted text as part of it.
        let raw = self.source.text_at(span).map(|raw| raw.trim_end().to_owned());
        let length = raw.as_ref().map(|raw| raw.chars().count() as u32);
        let span = Span { length: length.unwrap_or(span.length), ..span };
        let inner = raw.and_then(|raw| match style {
            ScalarStyle::Plain => (raw == text).then_some(0),
            ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => {
                (raw.len() == text.len() + 2 && raw[1..].starts_with(&*text)).then_some(1)
            }
            ScalarStyle::Literal | ScalarStyle::Folded => None,
        });
        let written = Scalar { text: text.into_owned(), plain, written: None, inner };
        let value = match interpolate(&written.text, self.environment, self.base) {
            Ok(None) => Value::Scalar(written),
            Ok(Some(made)) => {
                if made.foreign {
                    self.included.push(made.text.clone());
                }
                let shown = made.foreign.then_some(written.text);
                Value::Scalar(Scalar { text: made.text, plain, written: shown, inner: None })
            }
            Err(faults) => {
                for fault in faults {
                    let span = written.part(span, fault.offset, fault.length);
                    let problem = Problem::new(Layer::Meaning, self.source, span, fault.message);
                    self.problems.push(problem.with_help(fault.help));
                }
                Value::Unusable
            }
        };
        Node { span, value }
    }

    /// A copy of what the anchor stands for; its problems are reported where the anchor is.
    fn alias(&mut self, anchor: usize, span: Span, depth: usize) -> Result<Node, Broken> {
        let Some(node) = self.anchors.get(&anchor) else {
            return Err(self.broken(span, "the alias is inside of what it stands for", "remove the alias"));
        };
        let (nodes, height) = extent(node);
        self.copied += nodes;
        if self.copied > MAX_COPIED {
            let message = format!("aliases add more than {MAX_COPIED} values");
            return Err(self.broken(span, &message, "write fewer aliases"));
        }
        if depth + height > MAX_DEPTH + 1 {
            let help = format!("a configuration has at most {MAX_DEPTH} levels");
            return Err(self.broken(span, "nested too deeply", &help));
        }
        Ok(node.clone())
    }

    /// Remembers a node that has an anchor, and refuses one that has a tag.
    fn keep(&mut self, anchor: usize, tag: Option<Cow<'s, Tag>>, node: Node) -> Result<Node, Broken> {
        if tag.is_some() {
            let help = "remove the tag; quote the value if it must be text";
            return Err(self.broken(node.span, "tags are not supported", help));
        }
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn problem(&mut self, span: Span, message: &str, help: &str) {
        self.problems.push(Problem::new(Layer::Meaning, self.source, span, message).with_help(help));
    }

    fn broken(&mut self, span: Span, message: &str, help: &str) -> Broken {
        self.problems.push(Problem::new(Layer::Syntax, self.source, span, message).with_help(help));
        Broken
    }
}

/// How many nodes and how many levels.
fn extent(node: &Node) -> (usize, usize) {
    let sum = |(nodes, height): (usize, usize), child: &Node| {
        let (more, below) = extent(child);
        (nodes + more, height.max(below + 1))
    };
    match &node.value {
        Value::List(items) => items.iter().fold((1, 1), sum),
        Value::Map(entries) => entries.iter().map(|entry| &entry.value).fold((1, 1), sum),
        Value::Null | Value::Scalar(_) | Value::Unusable => (1, 1),
    }
}
