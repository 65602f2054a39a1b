//! Which rule is asked for which method, and how a set of rules narrows the set that it extends.
//!
//! Owns the choice by method; it does not decide anything about a token.

use http::Method;

use super::cursor::RuleError;
use super::rule::Rule;
use super::suggest::nearest;

/// The IANA HTTP Method Registry, and the cache verbs in common use. A name outside of it is more likely a slip, which
/// would silently leave the meant method to the `*` entry.
const METHODS: [&str; 41] = [
    "GET",
    "HEAD",
    "POST",
    "PUT",
    "DELETE",
    "PATCH",
    "OPTIONS",
    "TRACE",
    "CONNECT",
    "QUERY",
    "ACL",
    "BASELINE-CONTROL",
    "BIND",
    "CHECKIN",
    "CHECKOUT",
    "COPY",
    "LABEL",
    "LINK",
    "LOCK",
    "MERGE",
    "MKACTIVITY",
    "MKCALENDAR",
    "MKCOL",
    "MKREDIRECTREF",
    "MKWORKSPACE",
    "MOVE",
    "ORDERPATCH",
    "PROPFIND",
    "PROPPATCH",
    "REBIND",
    "REPORT",
    "SEARCH",
    "UNBIND",
    "UNCHECKOUT",
    "UNLINK",
    "UNLOCK",
    "UPDATE",
    "UPDATEREDIRECTREF",
    "VERSION-CONTROL",
    "PURGE",
    "BAN",
];

/// One rule per method, and possibly one for every other method. A method without an entry is denied.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RuleSet {
    methods: Vec<(Method, Rule)>,
    fallback: Option<Rule>,
}

impl RuleSet {
    /// No entries: every method is denied.
    pub fn new() -> Self {
        Self::default()
    }

    /// One rule for every method.
    pub fn every_method(rule: Rule) -> Self {
        Self { methods: Vec::new(), fallback: Some(rule) }
    }

    /// Adds `rule` for `method`, in place of an earlier one.
    pub fn with(mut self, method: Method, rule: Rule) -> Self {
        self.methods.retain(|(existing, _)| *existing != method);
        self.methods.push((method, rule));
        self
    }

    /// Adds `rule` for every method that has no entry of its own, in place of an earlier one.
    pub fn with_fallback(mut self, rule: Rule) -> Self {
        self.fallback = Some(rule);
        self
    }

    /// Adds `rule` under a key as authors write it, a method name or `*`. Refuses unknown and repeated keys.
    pub fn insert(&mut self, key: &str, rule: Rule) -> Result<(), RuleError> {
        let refuse = |message: String, suggestion: Option<&str>| {
            Err(RuleError { offset: 0, length: key.len(), message, suggestion: suggestion.map(str::to_owned) })
        };
        if key == "*" {
            if self.fallback.is_some() {
                return refuse("`*` has a rule already".to_owned(), None);
            }
            self.fallback = Some(rule);
            return Ok(());
        }
        let method = match Method::from_bytes(key.as_bytes()) {
            Ok(method) if METHODS.contains(&key) => method,
            Ok(_) | Err(_) => {
                return refuse(
                    format!("`{key}` is no HTTP method; methods are in capitals, `*` is every other"),
                    nearest(key, &METHODS),
                );
            }
        };
        if self.methods.iter().any(|(existing, _)| *existing == method) {
            return refuse(format!("`{key}` has a rule already"), None);
        }
        self.methods.push((method, rule));
        Ok(())
    }

    /// The rule that `method` is held to: its own, for HEAD that of GET, or the fallback.
    pub fn rule_for(&self, method: &Method) -> Option<&Rule> {
        let own = |method: &Method| self.methods.iter().find(|(name, _)| name == method).map(|(_, rule)| rule);
        own(method)
            .or_else(|| if *method == Method::HEAD { own(&Method::GET) } else { None })
            .or(self.fallback.as_ref())
    }

    /// The entries by method, in the order they were added.
    pub fn methods(&self) -> impl Iterator<Item = (&Method, &Rule)> {
        self.methods.iter().map(|(method, rule)| (method, rule))
    }

    /// The rule for every method without an entry.
    pub fn fallback(&self) -> Option<&Rule> {
        self.fallback.as_ref()
    }

    /// These rules on top of `parent`'s, method by method: both must pass. Extending adds and never drops, so a method
    /// without an entry here keeps the parent's rule, and one without an entry in the parent stays denied.
    pub fn and(&self, parent: &Self) -> Self {
        let mut methods: Vec<&Method> = Vec::new();
        for (method, _) in parent.methods.iter().chain(&self.methods) {
            if !methods.contains(&method) {
                methods.push(method);
            }
        }
        // HEAD follows GET in each set on its own, which one combined GET entry says only when neither names HEAD.
        let methods = methods
            .into_iter()
            .filter_map(|method| {
                combine(parent.rule_for(method), self.rule_for(method)).map(|rule| (method.clone(), rule))
            })
            .collect();
        Self { methods, fallback: combine(parent.fallback.as_ref(), self.fallback.as_ref()) }
    }
}

fn combine(parent: Option<&Rule>, child: Option<&Rule>) -> Option<Rule> {
    match (parent?, child) {
        (parent, None) => Some(parent.clone()),
        (parent, Some(child)) => {
            let source = child.source;
            Some(Rule { source, ..Rule::all([parent.clone(), child.clone()]) })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(rules: &RuleSet, method: &Method) -> String {
        rules.rule_for(method).map_or_else(|| "denied".to_owned(), Rule::to_string)
    }

    #[test]
    fn head_follows_get_unless_it_has_its_own_rule() {
        let rules = RuleSet::every_method(Rule::role("writer")).with(Method::GET, Rule::role("reader"));
        assert_eq!(text(&rules, &Method::HEAD), "role reader");
        assert_eq!(text(&rules, &Method::POST), "role writer");
        assert_eq!(text(&rules.with(Method::HEAD, Rule::authenticated()), &Method::HEAD), "authenticated");
    }

    #[test]
    fn a_method_without_entry_has_no_rule() {
        let rules = RuleSet::new().with(Method::GET, Rule::public());
        assert_eq!(text(&rules, &Method::POST), "denied");
        assert_eq!(text(&rules, &Method::OPTIONS), "denied");
    }

    #[test]
    fn extending_adds_and_never_drops() {
        let parent = RuleSet::new().with(Method::GET, Rule::role("parent")).with(Method::POST, Rule::role("poster"));
        let child = RuleSet::new().with(Method::GET, Rule::role("child")).with(Method::PUT, Rule::role("putter"));
        let both = child.and(&parent);
        assert_eq!(text(&both, &Method::GET), "all: [role parent, role child]");
        assert_eq!(text(&both, &Method::HEAD), "all: [role parent, role child]");
        assert_eq!(text(&both, &Method::POST), "role poster");
        assert_eq!(text(&both, &Method::PUT), "denied");
        assert_eq!(text(&both, &Method::PATCH), "denied");
    }

    #[test]
    fn a_fallback_combines_with_the_other_sides_entries() {
        let parent = RuleSet::every_method(Rule::role("parent"));
        let child = RuleSet::new().with(Method::GET, Rule::role("child"));
        assert_eq!(text(&child.and(&parent), &Method::GET), "all: [role parent, role child]");
        assert_eq!(text(&child.and(&parent), &Method::POST), "role parent");
        assert_eq!(text(&parent.and(&child), &Method::GET), "all: [role child, role parent]");
        assert_eq!(text(&parent.and(&child), &Method::POST), "denied");
    }

    #[test]
    fn head_is_never_looser_than_either_side() {
        let parent = RuleSet::new().with(Method::GET, Rule::role("get")).with(Method::HEAD, Rule::role("head"));
        let child = RuleSet::every_method(Rule::role("any")).with(Method::GET, Rule::role("child"));
        assert_eq!(text(&child.and(&parent), &Method::HEAD), "all: [role head, role child]");

        let silent = RuleSet::new().with(Method::POST, Rule::public());
        let open = RuleSet::new().with(Method::HEAD, Rule::public());
        assert_eq!(text(&open.and(&silent), &Method::HEAD), "denied");
    }

    #[test]
    fn a_public_parent_or_child_opens_nothing() {
        let open = RuleSet::every_method(Rule::public());
        let closed = RuleSet::every_method(Rule::role("admin"));
        assert_eq!(text(&closed.and(&open), &Method::GET), "all: [public, role admin]");
        assert_eq!(text(&open.and(&closed), &Method::GET), "all: [role admin, public]");
    }

    #[test]
    fn keys_are_methods_in_capitals() {
        let mut rules = RuleSet::new();
        for key in ["GET", "*", "PROPFIND"] {
            assert_eq!(rules.insert(key, Rule::public()), Ok(()));
            assert!(rules.insert(key, Rule::public()).is_err(), "{key} twice");
        }
        for (key, suggestion) in [("get", Some("GET")), ("DELTE", Some("DELETE")), ("banana", None), ("", None)] {
            let error = rules.insert(key, Rule::public()).expect_err("the key is no method");
            assert_eq!(error.suggestion.as_deref(), suggestion, "{key}");
        }
    }
}
