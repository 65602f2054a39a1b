//! The tree that a file is read into: values and their places.
//!
//! Owns its shape. It knows no YAML and no key.

use super::problem::Span;

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub span: Span,
    pub value: Value,
}

#[derive(Clone, Debug)]
pub(super) enum Value {
    /// Nothing, `~` or `null`.
    Null,
    Scalar(Scalar),
    List(Vec<Node>),
    Map(Vec<Entry>),
    /// It has a problem of its own already: whoever wanted it stays silent.
    Unusable,
}

/// Text; what type it is, is up to the key it belongs to.
#[derive(Clone, Debug)]
pub(super) struct Scalar {
    pub text: String,
    /// Written without quotes: in free-form data, `5` and `true` are not texts then.
    pub plain: bool,
    /// As written, if a variable or a file went into the text, which must not be shown then.
    pub written: Option<String>,
    /// Columns between the start of the span and the text, if the text stands in the file as it is.
    pub inner: Option<u32>,
}

#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub key: String,
    pub key_span: Span,
    pub value: Node,
}

impl Entry {
    /// The place of `length` bytes of the key from byte `offset` on; all of it, if it is not in the file as it is.
    pub(super) fn key_part(&self, offset: usize, length: usize) -> Span {
        let characters = self.key.chars().count() as u32;
        let quotes = self.key_span.length.saturating_sub(characters);
        part(&self.key, self.key_span, (quotes == 0 || quotes == 2).then_some(quotes / 2), (offset, length))
    }
}

/// The place of some bytes of a text that begins `inner` columns into `span`.
fn part(text: &str, span: Span, inner: Option<u32>, (offset, length): (usize, usize)) -> Span {
    let characters = |text: Option<&str>| text.map(|text| text.chars().count() as u32);
    let before = characters(text.get(..offset));
    let part = characters(text.get(offset..(offset + length).min(text.len())));
    match (inner, before, part) {
        (Some(inner), Some(before), Some(part)) => span.part(inner + before, part.max(1)),
        (None, _, _) | (_, None, _) | (_, _, None) => span,
    }
}

impl Scalar {
    /// For messages: the text in quotes, as it stands in the file.
    pub(super) fn shown(&self) -> String {
        format!("{:?}", self.as_written())
    }

    /// Whether the text contains something that must not be shown.
    pub(super) fn is_foreign(&self) -> bool {
        self.written.is_some()
    }

    /// The place of `length` bytes of the text from byte `offset` on; all of it, if it is not in the file as it is.
    pub(super) fn part(&self, span: Span, offset: usize, length: usize) -> Span {
        part(&self.text, span, self.inner, (offset, length))
    }

    /// For names that are shown: the text, as it stands in the file.
    pub(super) fn as_written(&self) -> &str {
        self.written.as_ref().unwrap_or(&self.text)
    }
}
