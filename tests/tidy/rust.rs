//! As much of Rust's grammar as the rules need: what is code, what is comment, what is a name.
//!
//! Owns the reading of text; it knows no rule.

/// Rust text as its code and its comments, each with the other, and the insides of literals, blanked out: offsets and
/// lines are those of the original.
pub struct Split {
    pub code: String,
    pub comments: String,
}

pub fn split(text: &str) -> Split {
    let bytes = text.as_bytes();
    let mut kinds = vec![Kind::Code; bytes.len()];
    let mut at = 0;
    while at < bytes.len() {
        let rest = &text[at..];
        let (kind, length) = if rest.starts_with("//") {
            (Kind::Comment, rest.find('\n').unwrap_or(rest.len()))
        } else if rest.starts_with("/*") {
            (Kind::Comment, block_comment(rest))
        } else if let Some(length) = raw_string(text, at) {
            (Kind::Literal, length)
        } else if rest.starts_with('"') {
            (Kind::Literal, quoted(rest))
        } else if let Some(length) = character(rest) {
            (Kind::Literal, length)
        } else {
            (Kind::Code, rest.chars().next().map_or(1, char::len_utf8))
        };
        kinds[at..at + length].fill(kind);
        at += length;
    }
    let only = |wanted: Kind| {
        let kept =
            bytes.iter().zip(&kinds).map(|(&byte, &kind)| if kind == wanted || byte == b'\n' { byte } else { b' ' });
        String::from_utf8(kept.collect()).expect("whole characters are blanked")
    };
    Split { code: only(Kind::Code), comments: only(Kind::Comment) }
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Code,
    Comment,
    Literal,
}

/// Length of a block comment, which may contain others.
fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

/// Length of `r"..."`, `r#"..."#` and the like at `at`.
fn raw_string(text: &str, at: usize) -> Option<usize> {
    let body = text[at..].strip_prefix('r')?;
    let before = text[..at].strip_suffix(['b', 'c']).unwrap_or(&text[..at]);
    if before.ends_with(is_name) {
        return None;
    }
    let hashes = body.len() - body.trim_start_matches('#').len();
    let inside = body[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", &body[..hashes]);
    Some(2 + hashes + inside.find(&end).map_or(inside.len(), |found| found + end.len()))
}

fn quoted(rest: &str) -> usize {
    let mut escaped = false;
    for (at, character) in rest.char_indices().skip(1) {
        match character {
            '\\' if !escaped => escaped = true,
            '"' if !escaped => return at + 1,
            _ => escaped = false,
        }
    }
    rest.len()
}

/// Length of a character literal; `None` for a lifetime.
fn character(rest: &str) -> Option<usize> {
    let inside = rest.strip_prefix('\'')?;
    if let Some(escape) = inside.strip_prefix('\\') {
        return escape.char_indices().skip(1).find(|(_, found)| *found == '\'').map(|(at, _)| at + 3);
    }
    let length = inside.chars().next()?.len_utf8();
    inside[length..].starts_with('\'').then_some(length + 2)
}

pub fn is_name(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// The identifiers and keywords in `code`, with their offsets.
pub fn names(code: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    code.split(|character: char| !is_name(character)).filter_map(move |name| {
        let start = at;
        at += name.len() + code[start + name.len()..].chars().next().map_or(0, char::len_utf8);
        name.starts_with(|first: char| first.is_alphabetic() || first == '_').then_some((start, name))
    })
}

/// The code without its unit tests, which stand at the end of a file.
pub fn without_tests(code: &str) -> &str {
    let mut from = 0;
    while let Some(found) = code[from..].find("#[cfg(test)]") {
        let after = from + found + "#[cfg(test)]".len();
        if code[after..].trim_start().starts_with("mod ") {
            return &code[..from + found];
        }
        from = after;
    }
    code
}

/// Whether a whole file is unit tests: `policy/parse/tests.rs` is, `config/tests.rs`, about policy tests, is not.
pub fn is_unit_tests(path: &str, text: &str) -> bool {
    let code = split(text).code;
    let code = without_tests(&code);
    path.starts_with("src/") && path.contains("tests") && (code.contains("#[test]") || code.contains("#[tokio::test"))
}
