//! Rule text to [`Rule`]: a recursive descent over one line.
//!
//! Owns the grammar and its error messages; it does not know which entities or path parameters exist.

use serde_json::Value;

use super::cursor::{
    Cursor, RuleError, Token, is_bare_char, is_conjunction, is_scope, parse_bare_value, unlike_spelled,
};
use super::rule::{ClaimPath, Rule, RuleKind, Target};
use super::step_up::parse_seconds;
use super::suggest::nearest;

/// `all`, `any` and `not` may be nested this deep; deeper rules help nobody and would threaten the stack.
pub(super) const MAX_DEPTH: usize = 32;

const KEYWORDS: [&str; 11] =
    ["public", "authenticated", "scope", "any scope", "role", "permission", "acr", "claim", "all:", "any:", "not:"];

/// Reads one rule; the grammar is described in the [module](super).
pub fn parse_rule(text: &str) -> Result<Rule, RuleError> {
    let mut cursor = Cursor::new(text);
    let rule = cursor.rule(0)?;
    match cursor.peek() {
        None => Ok(rule),
        Some(',') => Err(cursor.error_here("unexpected `,`; to combine rules write `all: [...]` or `any: [...]`")),
        Some(_) => Err(cursor.error_here(format!("unexpected text after `{rule}`"))),
    }
}

/// Reads the name of a claim as rules write it, dots leading into objects. A URL is one name here, quoted or not.
///
/// # Errors
/// [`RuleError`] with the offending part.
pub fn parse_claim_name(text: &str) -> Result<ClaimPath, RuleError> {
    if text.contains("://") && !text.starts_with('"') {
        return Ok(ClaimPath::top(text));
    }
    let mut cursor = Cursor::new(text);
    let path = cursor.claim_path()?;
    if cursor.peek().is_some() {
        return Err(
            cursor.error_here("a claim's name ends before this; put it in double quotes if it has such characters")
        );
    }
    Ok(path)
}

/// `scope:a`, `not:role a` and `(role a)` as rules are written, and how much of the text it stands for.
fn respelled(text: &str) -> Option<(usize, String)> {
    let written = text.split([',', ']']).next().unwrap_or_default().trim_end();
    let inner = written.trim_start_matches('(').trim_end_matches(')').trim();
    let begins = |text: &str| KEYWORDS.contains(&text.split(' ').next().unwrap_or_default());
    let respelled = match inner.split_once(':') {
        _ if inner != written => inner.to_owned(),
        Some((word @ ("scope" | "role" | "permission" | "acr" | "claim"), rest)) => format!("{word} {}", rest.trim()),
        Some(("not", rest)) => format!("not: {}", rest.trim()),
        Some(_) | None => return None,
    };
    let negated = respelled.strip_prefix("not: ").unwrap_or(&respelled);
    (negated.trim_end().contains(' ') && begins(negated)).then_some((written.len(), respelled))
}

impl Cursor<'_> {
    fn rule(&mut self, depth: usize) -> Result<Rule, RuleError> {
        if depth > MAX_DEPTH {
            return Err(self.error_here(format!("rules are nested deeper than {MAX_DEPTH}")));
        }
        if self.peek().is_none() {
            return Err(self.error_here("a rule is missing here, such as `authenticated` or `scope orders:read`"));
        }
        let keyword = self.word("a rule")?;
        let kind = match keyword.text.as_str() {
            _ if keyword.quoted => return Err(self.unknown_keyword(&keyword)),
            "public" => RuleKind::Public,
            "authenticated" => self.authenticated()?,
            "scope" => RuleKind::Scopes(self.scopes()?),
            "any" => {
                let scope = self.word("`scope`; to combine rules write `any: [...]`")?;
                if scope.text != "scope" || scope.quoted {
                    let error = self.error_at(&scope, "expected `any scope`; to combine rules write `any: [...]`");
                    return Err(error.suggesting(nearest(&scope.text, &["scope"])));
                }
                RuleKind::AnyScope(self.scopes()?)
            }
            "role" => {
                let role = self.word("a role name")?;
                self.end_of_rule("a rule names one role; for several write `all: [role a, role b]` or `any: [...]`")?;
                RuleKind::Role(role.text)
            }
            "permission" => self.permission()?,
            "acr" => self.acr()?,
            "claim" => self.claim()?,
            "all:" => RuleKind::All(self.list(|cursor| cursor.rule(depth + 1))?),
            "any:" => RuleKind::Any(self.list(|cursor| cursor.rule(depth + 1))?),
            "not:" => RuleKind::Not(Box::new(self.rule(depth + 1)?)),
            _ => return Err(self.unknown_keyword(&keyword)),
        };
        Ok(kind.into())
    }

    fn unknown_keyword(&self, keyword: &Token) -> RuleError {
        let known = KEYWORDS.map(|word| format!("`{word}`")).join(", ");
        let error = self.error_at(keyword, format!("unknown rule `{}`; rules begin with {known}", keyword.text));
        if let Some((length, respelled)) = respelled(&self.text[error.offset..]).filter(|_| !keyword.quoted) {
            return RuleError { length, ..error }.suggesting(Some(respelled));
        }
        let combining = ["all", "not"].into_iter().find(|word| *word == keyword.text).map(|word| format!("{word}:"));
        let suggestion = combining.or_else(|| nearest(&keyword.text, &KEYWORDS).map(str::to_owned));
        error.suggesting(suggestion)
    }

    /// Nothing more, or `within` and a duration.
    fn authenticated(&mut self) -> Result<RuleKind, RuleError> {
        if !self.peek().is_some_and(is_bare_char) {
            return Ok(RuleKind::Authenticated);
        }
        const WANTED: &str = "expected `within` and a duration: `authenticated within 5m`";
        let within = self.word("`within` and a duration: `authenticated within 5m`")?;
        if within.text != "within" {
            return Err(self.error_at(&within, WANTED).suggesting(nearest(&within.text, &["within"])));
        }
        let duration = self.word("a duration like 30s, 5m, 1h or 7d")?;
        match parse_seconds(&duration.text).filter(|_| !duration.quoted) {
            Some(seconds) => Ok(RuleKind::AuthenticatedWithin(seconds)),
            None => Err(self.error_at(&duration, "expected a duration like 30s, 5m, 1h or 7d")),
        }
    }

    /// A value, or `in` and a list of them.
    fn acr(&mut self) -> Result<RuleKind, RuleError> {
        let first = self.word("a value of `acr`, or `in` and a list of them")?;
        if first.text == "in" && !first.quoted {
            return Ok(RuleKind::Acr(self.list(|cursor| {
                let value = cursor.word("a value of `acr`")?;
                cursor.acr_value(value)
            })?));
        }
        self.end_of_rule("an `acr` rule names one value; for several write `acr in [a, b]`")?;
        Ok(RuleKind::Acr(vec![self.acr_value(first)?]))
    }

    /// It has to fit into the list of a challenge.
    fn acr_value(&self, value: Token) -> Result<String, RuleError> {
        if !is_scope(&value.text) {
            let message = "a value of `acr` has printable ASCII only, without space, `\"` and `\\`";
            return Err(self.error_at(&value, message));
        }
        Ok(value.text)
    }

    fn scopes(&mut self) -> Result<Vec<String>, RuleError> {
        let mut scopes = Vec::new();
        while scopes.is_empty() || !self.at_end_of_rule() {
            let scope = self.word("a scope")?;
            if !scope.quoted && is_conjunction(&scope.text) {
                let message = "scopes are listed with spaces; to combine rules write `all: [...]` or `any: [...]`";
                return Err(self.error_at(&scope, message));
            }
            if !is_scope(&scope.text) {
                return Err(self.error_at(&scope, "a scope has printable ASCII only, without space, `\"` and `\\`"));
            }
            scopes.push(scope.text);
        }
        Ok(scopes)
    }

    fn permission(&mut self) -> Result<RuleKind, RuleError> {
        let permission = self.word("a permission name")?;
        let on = self.word("`on` and the entity: `permission send on mail`")?;
        if on.text != "on" || on.quoted {
            let error = self.error_at(&on, "expected `on` and the entity: `permission send on mail`");
            return Err(error.suggesting(nearest(&on.text, &["on"])));
        }
        let on = match self.peek() {
            Some('{') => Target::Parameter(self.parameter()?),
            Some(_) | None => Target::Entity(self.word("an entity (name or id) or a `{path parameter}`")?.text),
        };
        Ok(RuleKind::Permission { permission: permission.text, on })
    }

    fn claim(&mut self) -> Result<RuleKind, RuleError> {
        let path = self.claim_path()?;
        if self.peek() == Some('=') {
            if !self.rest().starts_with("==") {
                return Err(self.error_here("comparison is written `==`").suggesting(Some("==")));
            }
            self.position += 2;
            return Ok(match self.peek() {
                Some('{') => RuleKind::ClaimEqualsParameter(path, self.parameter()?),
                Some(_) | None => RuleKind::ClaimEquals(path, self.value()?),
            });
        }
        let operator = self.word("`==` or `in` after the claim name")?;
        if operator.text == "!" {
            return Err(self.error_at(&operator, format!("`!=` is written `not: claim {path} == ...`")));
        }
        if operator.text != "in" || operator.quoted {
            let error = self.error_at(&operator, "expected `==` or `in` after the claim name");
            let spelled = ["is", "equals", "eq"].contains(&operator.text.as_str()).then_some("==");
            return Err(error.suggesting(spelled.or_else(|| nearest(&operator.text, &["in"]))));
        }
        Ok(RuleKind::ClaimIn(path, self.list(Self::value)?))
    }

    fn claim_path(&mut self) -> Result<ClaimPath, RuleError> {
        let mut names = Vec::new();
        let mut has_bare_url = false;
        self.peek();
        let start = self.position;
        loop {
            let name = if self.rest().starts_with('"') {
                self.quoted()?
            } else {
                let length = self.rest().find(|c| c == '.' || !is_bare_char(c)).unwrap_or(self.rest().len());
                let name = self.rest()[..length].to_owned();
                self.position += length;
                has_bare_url |= name.contains("://");
                name
            };
            if name.is_empty() {
                return Err(self.error_here("a claim name is missing here"));
            }
            names.push(name);
            match self.rest().strip_prefix('.') {
                Some(_) => self.position += 1,
                None => break,
            }
        }
        if has_bare_url {
            let written = &self.text[start..self.position];
            let error =
                self.error(start, written.len(), "a claim name that is a URL needs quotes: its dots are no path");
            return Err(error.suggesting(Some(format!("\"{written}\""))));
        }
        Ok(ClaimPath(names))
    }

    fn value(&mut self) -> Result<Value, RuleError> {
        match self.peek() {
            Some('{') => return Err(self.error_here("a path parameter is compared with `==`, alone")),
            Some('"') => return self.quoted().map(Value::String),
            Some(_) | None => {}
        }
        let word = self.word("a value: a word, \"quoted text\", a number, true or false")?;
        parse_bare_value(&word.text).map_err(|message| {
            self.error_at(&word, message).suggesting(unlike_spelled(&word.text).filter(|value| *value != "null"))
        })
    }
}

#[cfg(test)]
mod tests;
