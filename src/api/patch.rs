//! PATCH: a merge patch (RFC 7396) or a JSON Patch (RFC 6902) on an object as this API shows it.
//!
//! Owns the two formats. What comes out is read as if it had been sent with PUT.

use json_patch::PatchOperation;
use serde_json::Value;

use super::MAX_BODY_BYTES;
use super::answer::Refusal;

/// Operations of one change. A few hundred bytes of `copy` could double a document thirty times.
const MOST_OPERATIONS: usize = 256;
/// Levels that a document may have afterwards: as many as one that is sent (N9).
pub(super) const DEEPEST: usize = 32;

/// A change to a document.
pub(super) enum Patch {
    Merge(Value),
    Operations(json_patch::Patch),
}

impl Patch {
    /// # Errors
    /// 400 for what is no list of operations.
    pub(super) fn operations(document: Value) -> Result<Self, Refusal> {
        serde_json::from_value(document).map(Self::Operations).map_err(|_| {
            let message = "The body is not a list of operations as RFC 6902 has them.";
            Refusal::General("[invalidPatch]", message.to_owned())
        })
    }

    /// Whether the change says something about the member at this JSON pointer.
    pub(super) fn names(&self, pointer: &str) -> bool {
        match self {
            Self::Merge(patch) => patch.pointer(pointer).is_some(),
            Self::Operations(operations) => operations.iter().any(|operation| operation.path().as_str() == pointer),
        }
    }

    /// The document afterwards.
    ///
    /// # Errors
    /// 400 when an operation does not fit, such as a `test` that fails.
    pub(super) fn apply(&self, mut document: Value) -> Result<Value, Refusal> {
        match self {
            Self::Merge(patch) => json_patch::merge(&mut document, patch),
            Self::Operations(operations) => carry_out(operations, &mut document)?,
        }
        Ok(document)
    }
}

/// One by one, since each has to be measured against what the ones before left.
fn carry_out(operations: &[PatchOperation], document: &mut Value) -> Result<(), Refusal> {
    let refusal = |message: String| Refusal::General("[invalidPatch]", message);
    if operations.len() > MOST_OPERATIONS {
        return Err(refusal(format!("The body has more than {MOST_OPERATIONS} operations.")));
    }
    let mut copied = 0;
    for (at, operation) in operations.iter().enumerate() {
        let put = match operation {
            PatchOperation::Add(add) => Some(&add.value),
            PatchOperation::Replace(replace) => Some(&replace.value),
            PatchOperation::Copy(copy) => document.pointer(copy.from.as_str()),
            PatchOperation::Move(moved) => document.pointer(moved.from.as_str()),
            PatchOperation::Remove(_) | PatchOperation::Test(_) => None,
        };
        let (levels, bytes) = put.map_or((0, 0), measure);
        copied += if matches!(operation, PatchOperation::Copy(_)) { bytes } else { 0 };
        if copied > MAX_BODY_BYTES || levels + operation.path().as_str().matches('/').count() > DEEPEST {
            return Err(refusal(format!("Operation {at} makes the document too large.")));
        }
        json_patch::patch_unsafe(document, std::slice::from_ref(operation))
            .map_err(|_| refusal(format!("Operation {at} does not fit what is there.")))?;
    }
    Ok(())
}

/// How deep objects and arrays lie within each other.
pub(super) fn levels(value: &Value) -> usize {
    measure(value).0
}

/// Levels and, roughly, bytes.
fn measure(value: &Value) -> (usize, usize) {
    let around = |inner: (usize, usize), (levels, bytes): (usize, usize)| (inner.0.max(levels), inner.1 + bytes + 1);
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => (0, 8),
        Value::String(text) => (0, text.len() + 2),
        Value::Array(items) => {
            let (levels, bytes) = items.iter().map(measure).fold((0, 2), around);
            (levels + 1, bytes)
        }
        Value::Object(members) => {
            let inner = members.iter().map(|(name, member)| (name.len() + 3, measure(member)));
            let (levels, bytes) = inner.map(|(name, (levels, bytes))| (levels, bytes + name)).fold((0, 2), around);
            (levels + 1, bytes)
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    // RFC 7396 section 3, RFC 6902 section 4
    #[test]
    fn both_formats_change_what_they_name() {
        let before = || json!({ "entity": { "name": "a", "data": { "x": 1, "y": 2 } } });
        let merge = Patch::Merge(json!({ "entity": { "name": "b", "data": { "x": null } } }));
        let expected = json!({ "entity": { "name": "b", "data": { "y": 2 } } });
        assert!(merge.names("/entity/name") && merge.names("/entity/data/x") && !merge.names("/entity/data/y"));
        assert_eq!(merge.apply(before()).unwrap(), expected);
        let operations = json!([
            { "op": "test", "path": "/entity/name", "value": "a" },
            { "op": "replace", "path": "/entity/name", "value": "b" },
            { "op": "remove", "path": "/entity/data/x" },
        ]);
        let named = Patch::operations(operations.clone()).unwrap();
        assert!(named.names("/entity/name") && !named.names("/entity/data"));
        assert_eq!(Patch::operations(operations).unwrap().apply(before()).unwrap(), expected);
        let failing = json!([{ "op": "test", "path": "/entity/name", "value": "other" }]);
        assert!(Patch::operations(failing).unwrap().apply(before()).is_err());
        assert!(Patch::operations(json!({ "op": "remove" })).is_err());
    }

    // N9: what a small body makes is bounded
    #[test]
    fn operations_cannot_make_a_small_document_large_or_deep() {
        let applied = |operations: Vec<Value>| {
            Patch::operations(operations.into()).unwrap().apply(json!({ "a": ["0123456789"], "b": {} }))
        };
        // Each copy doubles what there is.
        let double = json!({ "op": "copy", "from": "/a", "path": "/a/-" });
        assert!(applied(vec![double.clone(); 12]).is_ok());
        assert!(applied(vec![double; 40]).is_err());
        // Each pair makes the document a hundred levels deeper, and a value that is deep enough ends the process.
        let nested = (0..99).fold(json!({}), |inner, _| json!({ "x": inner }));
        let add = |name: &str| json!({ "op": "add", "path": format!("/{name}"), "value": nested });
        let path = |name: &str| format!("/{name}{}", "/x".repeat(100));
        let pairs = (0..100).flat_map(|round| {
            let (outer, inner) = (format!("n{}", round + 1), format!("n{round}"));
            [add(&outer), json!({ "op": "move", "from": format!("/{inner}"), "path": path(&outer) })]
        });
        assert!(applied(std::iter::once(add("n0")).chain(pairs).collect()).is_err());
        let test = json!({ "op": "test", "path": "/b", "value": {} });
        assert!(
            applied(vec![test.clone(); MOST_OPERATIONS]).is_ok() && applied(vec![test; MOST_OPERATIONS + 1]).is_err()
        );
    }
}
