//! Changes by PATCH: they end, and what comes out is bounded. Owns no rule.

use serde_json::{Value, json};

use super::patch::{DEEPEST, Patch, levels};
use crate::fuzzing::first_line;

/// First line: the document that is changed. The rest: a merge patch, or a list of operations.
///
/// # Panics
/// If a merge patch changes more when it is applied again, or a list of operations makes a document much larger or deeper
/// than what was sent.
pub fn patch(input: &[u8]) {
    let (before, change) = first_line(input);
    let bounded = |text| serde_json::from_slice::<Value>(text).ok().filter(|document| levels(document) <= DEEPEST);
    let before = bounded(before).unwrap_or_else(|| json!({ "entity": { "name": "a" } }));
    let Some(change) = bounded(change) else { return };
    let merge = Patch::Merge(change.clone());
    if let Ok(once) = merge.apply(before.clone()) {
        assert_eq!(merge.apply(once.clone()).ok(), Some(once), "RFC 7396 says what there is afterwards");
    }
    let Ok(operations) = Patch::operations(change) else { return };
    if let Ok(after) = operations.apply(before) {
        let depth = levels(&after);
        assert!(depth <= DEEPEST, "{depth} levels");
        assert!(after.to_string().len() <= 3 * 1024 * 1024, "a small change made a large document");
    }
}
