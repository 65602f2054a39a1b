//! `permissions:` of a route - whether it goes by what a token says or by what is granted now.
//!
//! Owns the words, and where they mean something. Who is granted what is the directory's.

use super::check::{Check, Fields};
use super::extend::Settled;
use super::issuers::{Issuer, IssuerIndex, IssuerKind};
use super::routes::Draft;

/// What `permissions` may say.
const SOURCES: [&str; 2] = ["token", "live"];

/// `Some(true)` for `live`.
pub(super) fn check(fields: &Fields<'_>, check: &mut Check<'_>) -> Option<bool> {
    let node = fields.find("permissions")?;
    let scalar = check.text(node)?;
    if !SOURCES.contains(&scalar.text.as_str()) {
        let message = format!("expected token or live, found {}", scalar.shown());
        check.refuse_word(node.span, message, &scalar.text, &SOURCES);
        return None;
    }
    Some(scalar.text == "live")
}

/// With what the route extends. Going back to what a token once said would drop a check.
pub(super) fn settled(draft: &Draft<'_>, parent: Option<&Settled>, check: &mut Check<'_>) -> bool {
    let inherited = parent.is_some_and(|parent| parent.live_permissions);
    if let (true, Some(false), Some(entry)) = (inherited, draft.live_permissions, draft.fields.entry("permissions")) {
        check.refuse_with_help(
            entry.key_span,
            "extending adds and never drops: the extended route goes by live permissions",
            "remove `permissions`, or `extends`",
        );
    }
    inherited || draft.live_permissions == Some(true)
}

/// Only the embedded authorization server knows what is granted.
pub(super) fn refuse_without_directory(
    draft: &Draft<'_>,
    tokens: &[IssuerIndex],
    issuers: &[Issuer],
    check: &mut Check<'_>,
) {
    if tokens.iter().any(|issuer| matches!(issuers[issuer.0].kind, IssuerKind::Tenant(_))) {
        return;
    }
    let span = draft.fields.entry("permissions").map_or(draft.span, |entry| entry.key_span);
    check.refuse_with_help(
        span,
        format!("route {:?} accepts no tokens of this gateway, whose grants alone are known here", draft.name),
        "remove `permissions: live`, or accept `self`",
    );
}
