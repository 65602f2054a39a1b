//! PATCH: a merge patch (RFC 7396) or a JSON Patch (RFC 6902) on an object as this API shows it.
//!
//! Owns the two formats. What comes out is read as if it had been sent with PUT.

use serde_json::Value;

use super::answer::Refusal;

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
            Self::Operations(operations) => json_patch::patch(&mut document, operations).map_err(|error| {
                let message = format!("Operation {} does not fit what is there.", error.operation);
                Refusal::General("[invalidPatch]", message)
            })?,
        }
        Ok(document)
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
}
