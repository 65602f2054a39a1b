//! `${VAR}`, `${VAR:-default}`, `${file:/path}` and the escape `$${` inside values.
//!
//! Owns the syntax and the faults it can have. It does not know where in the file a value stands.

use std::path::Path;

use super::environment::Environment;

/// Why a value could not be put together; offsets and lengths are in bytes of the value as written.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub offset: usize,
    pub length: usize,
    pub message: String,
    pub help: String,
}

/// What a value became.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Interpolated {
    pub text: String,
    /// A variable or a file went into it: it must not be shown.
    pub foreign: bool,
}

/// Replaces every reference in `text`; relative files are looked up in `base`. `None` if there is nothing to replace.
pub(super) fn interpolate(
    text: &str,
    environment: &Environment,
    base: &Path,
) -> Result<Option<Interpolated>, Vec<Fault>> {
    if !text.contains("${") {
        return Ok(None);
    }
    let mut made = Interpolated { text: String::new(), foreign: false };
    let mut faults = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let offset = text.len() - rest.len() + at;
        if let Some(before) = rest[..at].strip_suffix('$') {
            made.text.push_str(before);
            made.text.push_str("${");
            rest = &rest[at + 2..];
            continue;
        }
        made.text.push_str(&rest[..at]);
        let Some(length) = rest[at..].find('}').map(|end| end + 1) else {
            faults.push(Fault {
                offset,
                length: text.len() - offset,
                message: "`${` without `}`".to_owned(),
                help: "close the reference with `}`, or write `$${` for a literal `${`".to_owned(),
            });
            return Err(faults);
        };
        match resolve(&rest[at + 2..at + length - 1], environment, base) {
            Ok(value) => made.text.push_str(&value),
            Err((message, help)) => faults.push(Fault { offset, length, message, help }),
        }
        made.foreign = true;
        rest = &rest[at + length..];
    }
    made.text.push_str(rest);
    if faults.is_empty() { Ok(Some(made)) } else { Err(faults) }
}

/// The value of what stands between the braces, or a message and the fix.
fn resolve(reference: &str, environment: &Environment, base: &Path) -> Result<String, (String, String)> {
    if let Some(path) = reference.strip_prefix("file:") {
        let place = base.join(path);
        return match environment.file(&place) {
            Ok(contents) => {
                Ok(contents.strip_suffix('\n').map_or(contents.as_str(), without_carriage_return).to_owned())
            }
            Err(error) => {
                let help = "check the path and its permissions";
                let help = match place == Path::new(path) {
                    true => help.to_owned(),
                    false => format!("{help}; it is looked for beside this configuration: {}", place.display()),
                };
                Err((format!("file {path:?} cannot be read: {error}"), help))
            }
        };
    }
    let (name, default) = match reference.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (reference, None),
    };
    if !is_variable_name(name) {
        let help = "write `${NAME}`, `${NAME:-default}` or `${file:/path}`, and `$${` for a literal `${`".to_owned();
        return Err((format!("{name:?} is not the name of a variable"), help));
    }
    // As in a shell, `:-` stands in for an empty variable too.
    match (environment.variable(name), default) {
        (Some(value), None) => Ok(value),
        (Some(value), Some(_)) if !value.is_empty() => Ok(value),
        (_, Some(default)) => Ok(default.to_owned()),
        (None, None) => Err((
            format!("the variable {name} is not set"),
            format!("set {name}, or give a default: `${{{name}:-...}}`"),
        )),
    }
}

fn without_carriage_return(text: &str) -> &str {
    text.strip_suffix('\r').unwrap_or(text)
}

fn is_variable_name(name: &str) -> bool {
    let mut characters = name.chars();
    let starts = characters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_');
    starts && characters.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(text: &str) -> Result<Option<String>, Vec<String>> {
        let environment = Environment::of([("PORT", "8080"), ("EMPTY", "")])
            .with_file("/run/secret", "hunter2\n")
            .with_file("/etc/faregate/near", "by\r\n");
        match interpolate(text, &environment, Path::new("/etc/faregate")) {
            Ok(made) => Ok(made.map(|made| made.text)),
            Err(faults) => Err(faults.into_iter().map(|fault| fault.message).collect()),
        }
    }

    #[test]
    fn references_become_values() {
        for (text, expected) in [
            ("127.0.0.1:${PORT}", "127.0.0.1:8080"),
            ("${PORT}${PORT}", "80808080"),
            ("${MISSING:-9090}", "9090"),
            ("${PORT:-9090}", "8080"),
            ("${EMPTY:-9090}", "9090"),
            ("${EMPTY}", ""),
            ("${MISSING:-}", ""),
            ("${file:/run/secret}", "hunter2"),
            ("${file:near}", "by"),
            ("$${PORT}", "${PORT}"),
            ("a$${b}${PORT}", "a${b}8080"),
        ] {
            assert_eq!(made(text), Ok(Some(expected.to_owned())), "{text}");
        }
        for text in ["plain", "$PORT", "{entity}", "$$", ""] {
            assert_eq!(made(text), Ok(None), "{text}");
        }
    }

    #[test]
    fn faults_name_what_is_missing() {
        assert_eq!(
            made("${A} ${B}"),
            Err(vec!["the variable A is not set".to_owned(), "the variable B is not set".to_owned()])
        );
        assert_eq!(made("x ${PORT"), Err(vec!["`${` without `}`".to_owned()]));
        assert_eq!(made("${not a name}"), Err(vec!["\"not a name\" is not the name of a variable".to_owned()]));
        let missing = made("${file:/nowhere}").expect_err("there is no such file");
        assert!(missing[0].starts_with("file \"/nowhere\" cannot be read"), "{missing:?}");
    }

    // O2
    #[test]
    fn only_what_came_from_outside_is_foreign() {
        let interpolated = |text| {
            interpolate(text, &Environment::of([("A", "x")]), Path::new("")).map(|made| made.map(|made| made.foreign))
        };
        assert_eq!(interpolated("${A}"), Ok(Some(true)));
        assert_eq!(interpolated("$${A}"), Ok(Some(false)));
    }
}
