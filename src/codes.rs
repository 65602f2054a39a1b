//! What is said of every code that is answered or logged: what it means, who can mend it, and how.
//!
//! Owns the texts, in the files of the folder `codes`. Which codes there are is decided by the enums that those files name, and
//! tests compare the two. How it is shown is somebody else's business.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

/// In the order in which they are listed.
const FILES: [&str; 3] =
    [include_str!("codes/gateway.yaml"), include_str!("codes/oauth.yaml"), include_str!("codes/lints.yaml")];

/// Who can do something about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Who {
    /// Of the client.
    Developer,
    Operator,
    /// Who signs in.
    Person,
}

impl Who {
    pub const fn as_text(self) -> &'static str {
        match self {
            Self::Developer => "the client's developer",
            Self::Operator => "the operator of the gateway",
            Self::Person => "the person who signs in",
        }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Statuses {
    One(u16),
    Several(Vec<u16>),
}

/// Codes that have something in common, as written: what is said here holds for each that does not say it itself.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    group: String,
    status: Option<Statuses>,
    #[serde(default)]
    who: Vec<Who>,
    /// Added to what each says.
    #[serde(default)]
    check: Vec<String>,
    spec: Option<String>,
    codes: Vec<Written>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    code: String,
    status: Option<Statuses>,
    says: String,
    #[serde(default)]
    who: Vec<Who>,
    causes: Vec<String>,
    #[serde(default)]
    check: Vec<String>,
    fix: String,
    spec: Option<String>,
}

/// All that is known of one code.
#[derive(Debug, Serialize)]
pub struct Entry {
    pub code: String,
    pub group: String,
    /// Of the answer; a lint has none.
    pub statuses: Vec<u16>,
    pub meaning: String,
    pub who: Vec<Who>,
    pub causes: Vec<String>,
    pub checks: Vec<String>,
    pub fix: String,
    pub specification: Option<String>,
}

/// What is said of `code`, if anything is.
pub fn find(code: &str) -> Option<&'static Entry> {
    // The files are ours, and a test reads them.
    static ENTRIES: LazyLock<Vec<Entry>> = LazyLock::new(|| entries().unwrap_or_default());
    ENTRIES.iter().find(|entry| entry.code == code)
}

/// Everything, in the order of the files.
///
/// # Errors
/// Never in a build that passed its tests: the files are part of the program.
pub fn entries() -> Result<Vec<Entry>, serde_yaml::Error> {
    let mut entries = Vec::new();
    for file in FILES {
        for group in serde_yaml::from_str::<Vec<Group>>(file)? {
            let Group { group, status, who, check, spec, codes } = group;
            entries.extend(codes.into_iter().map(|own| {
                let statuses = match own.status.or_else(|| status.clone()) {
                    None => Vec::new(),
                    Some(Statuses::One(status)) => vec![status],
                    Some(Statuses::Several(statuses)) => statuses,
                };
                let checks = own.check.iter().chain(&check);
                Entry {
                    group: group.clone(),
                    statuses,
                    meaning: own.says,
                    who: if own.who.is_empty() { who.clone() } else { own.who },
                    causes: own.causes,
                    checks: checks.map(|check| check.replace("CODE", &own.code)).collect(),
                    fix: own.fix,
                    specification: own.spec.or_else(|| spec.clone()),
                    code: own.code,
                }
            }));
        }
    }
    Ok(entries)
}

impl Entry {
    /// The statuses in words; `-` where there is none.
    pub fn status(&self) -> String {
        let statuses: Vec<String> = self.statuses.iter().map(u16::to_string).collect();
        if statuses.is_empty() { "-".to_owned() } else { statuses.join("/") }
    }
}
