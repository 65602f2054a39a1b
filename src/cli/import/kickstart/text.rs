//! `#{...}` in the texts of a Kickstart file: variables, the environment, new ids.
//!
//! Owns the syntax and what must not be shown. It reads no file.

use std::collections::{BTreeMap, BTreeSet};

use crate::entropy::Entropy;

/// The administration's own application. We have none, whatever its id.
pub(super) const FUSIONAUTH_APPLICATION_ID: &str = "3c219e58-ed0e-4b18-ad48-f4f92793ae32";

/// The id of nothing.
const NIL: &str = "00000000-0000-0000-0000-000000000000";

/// What stands for a text that must not be shown.
pub(super) const HIDDEN: &str = "(hidden)";

/// Bytes of a secret that is looked for within other texts.
const SHORTEST: usize = 6;

/// Where values come from.
pub(super) struct Texts {
    variables: BTreeMap<String, String>,
    entropy: Entropy,
    environment: fn(&str) -> Option<String>,
    /// Texts that must not be shown wherever they stand.
    secrets: BTreeSet<String>,
}

impl Texts {
    pub(super) fn new(entropy: Entropy, environment: fn(&str) -> Option<String>) -> Self {
        let constants = [("FUSIONAUTH_APPLICATION_ID", FUSIONAUTH_APPLICATION_ID)];
        let variables = constants.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        Self { variables, entropy, environment, secrets: BTreeSet::new() }
    }

    pub(super) fn define(&mut self, name: &str, value: String) {
        if is_secret(name) {
            self.hide(&value);
        }
        self.variables.insert(name.to_owned(), value);
    }

    pub(super) fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    /// From now on the text is not shown.
    pub(super) fn hide(&mut self, text: &str) {
        if !text.is_empty() {
            self.secrets.insert(text.to_owned());
        }
    }

    /// The text as it may be shown; `name` is what it is the value of.
    pub(super) fn shown(&self, name: &str, text: &str) -> String {
        // A short one would hide what merely contains its letters.
        let holds = |secret: &String| text == secret || secret.len() >= SHORTEST && text.contains(secret);
        let hides = is_secret(name) || self.secrets.iter().any(holds);
        if hides { HIDDEN.to_owned() } else { text.to_owned() }
    }

    /// The text with every reference replaced. A backslash before one takes away its meaning.
    ///
    /// # Errors
    /// What is wrong with the first reference that cannot be replaced.
    pub(super) fn fill(&mut self, text: &str) -> Result<String, String> {
        let mut filled = String::new();
        let mut rest = text;
        while let Some(at) = rest.find("#{") {
            if let Some(before) = rest[..at].strip_suffix('\\') {
                filled.push_str(before);
                filled.push_str("#{");
                rest = &rest[at + 2..];
                continue;
            }
            filled.push_str(&rest[..at]);
            let length = rest[at..].find('}').ok_or("`#{` is not closed by `}`; write `\\\\#{` if it means itself")?;
            filled.push_str(&self.value_of(rest[at + 2..at + length].trim())?);
            rest = &rest[at + length + 1..];
        }
        filled.push_str(rest);
        Ok(filled)
    }

    fn value_of(&mut self, reference: &str) -> Result<String, String> {
        if reference == "UUID()" {
            return Ok(self.entropy.uuid().to_string());
        }
        if let Some(name) = reference.strip_prefix("ENV.") {
            let value = (self.environment)(name).ok_or_else(|| format!("the environment has no variable {name}"))?;
            self.hide(&value);
            return Ok(value);
        }
        if let Some(value) = self.variable(reference) {
            return Ok(value.to_owned());
        }
        if is_of_fusionauth(reference) {
            return Ok(NIL.to_owned());
        }
        Err(format!("there is no variable {reference:?}"))
    }
}

/// Ids of what a FusionAuth has from its beginning and we do not.
fn is_of_fusionauth(name: &str) -> bool {
    let list = |start: &str| name.starts_with(start) && name.ends_with("]_ID");
    list("FUSIONAUTH_FORM[")
        || list("FUSIONAUTH_LAMBDA[")
        || ["FUSIONAUTH_DEFAULT_SIGNING_KEY_ID", "FUSIONAUTH_TENANT_MANAGER_APPLICATION_ID", "TENANT_MANAGER_ID"]
            .contains(&name)
}

/// Whether texts of this name are secrets.
fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["password", "secret", "privatekey", "apikey"].iter().any(|part| name.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts() -> Texts {
        let mut texts = Texts::new(Entropy::seeded(1), |name| (name == "SMTP").then(|| "hunter2".to_owned()));
        texts.define("tenant", "acme".to_owned());
        texts.define("apiKey", "opensesame".to_owned());
        texts
    }

    #[test]
    fn references_are_replaced_and_escaped_ones_are_not() {
        let mut texts = texts();
        for (text, filled) in [
            ("", ""),
            ("/api/#{tenant}/x-#{ tenant }", "/api/acme/x-acme"),
            ("#{FUSIONAUTH_APPLICATION_ID}", FUSIONAUTH_APPLICATION_ID),
            ("#{FUSIONAUTH_LAMBDA[GoogleReconcile]_ID}", NIL),
            (r"\#{tenant} #{tenant}", "#{tenant} acme"),
            ("# {tenant} @{tenant}", "# {tenant} @{tenant}"),
            ("smtp: #{ENV.SMTP}", "smtp: hunter2"),
        ] {
            assert_eq!(texts.fill(text).as_deref(), Ok(filled), "{text}");
        }
        let (one, other) = (texts.fill("#{UUID()}").unwrap(), texts.fill("#{UUID()}").unwrap());
        assert!(uuid::Uuid::try_parse(&one).is_ok() && one != other);
        for (text, why) in [
            ("#{tenant", "is not closed"),
            ("#{nobody}", "no variable \"nobody\""),
            ("#{ENV.NOBODY}", "the environment has no variable NOBODY"),
            ("#{uuid()}", "no variable \"uuid()\""),
        ] {
            assert!(texts.fill(text).unwrap_err().contains(why), "{text}");
        }
    }

    #[test]
    fn secrets_are_not_shown_wherever_they_stand() {
        let mut texts = texts();
        texts.fill("#{ENV.SMTP}").unwrap();
        assert_eq!(texts.shown("name", "acme"), "acme");
        for (name, text) in
            [("key", "opensesame"), ("url", "smtp://me:hunter2@host"), ("password", "x"), ("clientSecret", "x")]
        {
            assert_eq!(texts.shown(name, text), HIDDEN, "{name}");
        }
    }
}
