//! The names of what differs from run to run: codes, tokens and whatever else a client is given and sends back.
//!
//! Owns which parameters have a name. The first value of `code` is `{{code}}`, the next one `{{code:2}}`; a JWT is shown as
//! `{{jwt}}`, because what it says is written below it.

/// In the order in which tokens are explained.
const NAMED: [&str; 9] = [
    "access_token",
    "token",
    "id_token",
    "logout_token",
    "refresh_token",
    "code",
    "device_code",
    "user_code",
    "session_state",
];

#[derive(Default)]
pub(super) struct Names {
    /// Name and values, in the order in which they were answered.
    known: [Vec<String>; NAMED.len()],
    new_tokens: Vec<String>,
}

impl Names {
    pub(super) fn learn(&mut self, said: impl Iterator<Item = (String, String)>) {
        let said: Vec<_> = said.collect();
        for (name, known) in NAMED.iter().zip(&mut self.known) {
            for (_, value) in said.iter().filter(|(own, value)| own == name && !value.is_empty()) {
                if known.contains(value) {
                    continue;
                }
                known.push(value.clone());
                if is_token(value) {
                    self.new_tokens.push(value.clone());
                }
            }
        }
    }

    /// The text with values in place of names.
    pub(super) fn fill(&self, text: &str) -> String {
        let filled = self.each().fold(text.to_owned(), |text, (name, value)| text.replace(&name, value));
        assert!(!filled.contains("{{"), "a name that stands for nothing yet: {filled}");
        filled
    }

    /// The text with names in place of values.
    pub(super) fn hide(&self, text: &str) -> String {
        self.each().fold(text.to_owned(), |text, (name, value)| {
            text.replace(value, if is_token(value) { "{{jwt}}" } else { &name })
        })
    }

    pub(super) fn take_new_tokens(&mut self) -> Vec<String> {
        std::mem::take(&mut self.new_tokens)
    }

    fn each(&self) -> impl Iterator<Item = (String, &str)> {
        NAMED.iter().zip(&self.known).flat_map(|(name, known)| {
            known.iter().enumerate().map(move |(index, value)| {
                let number = if index == 0 { String::new() } else { format!(":{}", index + 1) };
                (format!("{{{{{name}{number}}}}}"), value.as_str())
            })
        })
    }
}

/// Our other secrets have no dots but one.
fn is_token(value: &str) -> bool {
    value.split('.').count() == 3
}
