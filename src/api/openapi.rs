//! `/api/openapi.json`: the endpoints as an OpenAPI 3.1 document, for everybody; there is no secret in it.
//!
//! Owns how a table of endpoints becomes a document. The schemas of objects are a file beside the tables.

use std::sync::LazyLock;

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use axum::response::Response;
use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::endpoints::{self, Endpoint, Proof, Sent, Shown};

pub(super) const PATH: &str = "/api/openapi.json";

const SCHEMAS: &str = include_str!("endpoints/schemas.json");

/// What may go wrong everywhere, with the meaning of each status.
const USUAL: [(u16, &str, bool); 7] = [
    (400, "Wrong members, by their paths, or a body that is no JSON", true),
    (401, "No key, a wrong one, or one that may not do this", false),
    (404, "There is no such object", false),
    (409, "Somebody else was faster; the request may be repeated", true),
    (413, "The body is larger than 1 MiB", true),
    (415, "Another media type is wanted", true),
    (503, "It cannot be answered now", true),
];

/// Rendered once: nothing in it changes while the program runs.
pub(super) async fn document() -> Response {
    static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| render().to_string().into());
    let mut response = Response::new(Body::from(DOCUMENT.clone()));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn render() -> Value {
    let mut paths = Map::new();
    for endpoint in endpoints::all() {
        let methods = paths.entry(endpoint.path).or_insert_with(|| json!({}));
        methods[endpoint.method] = operation(endpoint);
    }
    // A file of ours, which a test reads.
    let schemas: Value = serde_json::from_str(SCHEMAS).unwrap_or_default();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Faregate management API",
            "description": "Requests and shapes of FusionAuth's public API, as far as they are served here.",
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "apiKey": { "type": "apiKey", "in": "header", "name": "Authorization", "description": "The key itself" },
                "accessToken": { "type": "http", "scheme": "bearer", "bearerFormat": "JWT" },
            },
        },
    })
}

fn operation(endpoint: &Endpoint) -> Value {
    let key = json!({ "apiKey": [] });
    let token = json!({ "accessToken": [] });
    let security = match endpoint.proof {
        Proof::ApiKey => json!([key]),
        Proof::AccessToken => json!([token]),
        Proof::KeyOrToken => json!([key, token]),
        Proof::KeyOrNothing => json!([key, {}]),
        Proof::Nothing => json!([]),
    };
    let mut operation = json!({
        "summary": endpoint.about,
        "operationId": operation_id(endpoint),
        "security": security,
        "parameters": parameters(endpoint),
        "responses": responses(endpoint),
    });
    if let Some(body) = request_body(endpoint.sends) {
        operation["requestBody"] = body;
    }
    operation
}

/// `get_entity_id_grant`
fn operation_id(endpoint: &Endpoint) -> String {
    let path = endpoint.path.trim_start_matches("/api/").replace(['{', '}'], "").replace(['/', '-', '.'], "_");
    format!("{}_{path}", endpoint.method)
}

fn parameters(endpoint: &Endpoint) -> Vec<Value> {
    let in_path = endpoint.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let in_path = in_path.map(|name| {
        let schema = if ["/change-password/", "/two-factor/send/", "/two-factor/status/"]
            .iter()
            .any(|opaque| endpoint.path.contains(opaque))
        {
            json!({ "type": "string" })
        } else if endpoint.path.contains("/event-log/") {
            json!({ "type": "integer", "format": "int64" })
        } else {
            json!({ "type": "string", "format": "uuid" })
        };
        json!({ "name": name, "in": "path", "required": true, "schema": schema })
    });
    let in_query = endpoint.asks.iter().map(|&name| json!({ "name": name, "in": "query", "schema": filter(name) }));
    let tenant = json!({
        "name": "X-FusionAuth-TenantId",
        "in": "header",
        "description": "The only tenant whose objects are meant",
        "schema": { "type": "string", "format": "uuid" },
    });
    let tenant = match endpoint.proof {
        Proof::ApiKey | Proof::KeyOrToken | Proof::KeyOrNothing => Some(tenant),
        Proof::AccessToken | Proof::Nothing => None,
    };
    in_path.chain(in_query).chain(tenant).collect()
}

/// What a parameter of a search, in the query or in a body, or of another query is.
fn filter(name: &str) -> Value {
    match name {
        "ids" | "loginIdTypes" => json!({ "type": "array", "items": { "type": "string" } }),
        "numberOfResults" => json!({ "type": "integer", "minimum": 0, "maximum": 500 }),
        "startRow" => json!({ "type": "integer", "minimum": 0, "maximum": u32::MAX }),
        "start" | "end" => json!({ "type": "integer", "format": "int64" }),
        "async" | "global" | "hardDelete" | "inactive" | "reactivate" => json!({ "type": "boolean" }),
        "applicationId" | "entityId" | "recipientEntityId" | "tenantId" | "userId" => {
            json!({ "type": "string", "format": "uuid" })
        }
        _ => json!({ "type": "string" }),
    }
}

fn reference(schema: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{schema}") })
}

fn envelope(member: &str, content: &Value) -> Value {
    json!({ "type": "object", "properties": { member: content }, "required": [member] })
}

fn request_body(sent: Sent) -> Option<Value> {
    let json = |schema: &Value, is_required: bool| json!({ "required": is_required, "content": { "application/json": { "schema": schema } } });
    match sent {
        Sent::Nothing => None,
        Sent::One(member, schema) => Some(json(&envelope(member, &reference(schema)), true)),
        Sent::Change(member) => {
            // Any part of the object, and null for what is to go.
            let part = envelope(member, &json!({ "type": "object" }));
            Some(json!({
                "required": true,
                "content": {
                    "application/json": { "schema": part },
                    "application/merge-patch+json": { "schema": part },
                    "application/json-patch+json": { "schema": reference("JsonPatch") },
                },
            }))
        }
        Sent::Search(filters) => {
            let names = filters.iter().chain(&["numberOfResults", "startRow", "orderBy"]);
            let members: Map<String, Value> = names.map(|&name| (name.to_owned(), filter(name))).collect();
            Some(json(&envelope("search", &json!({ "type": "object", "properties": members })), true))
        }
        Sent::Schema(schema) => Some(json(&reference(schema), true)),
        Sent::Optional(schema) => Some(json(&reference(schema), false)),
    }
}

fn responses(endpoint: &Endpoint) -> Value {
    let mut responses = Map::new();
    responses.insert("200".to_owned(), response("Done", endpoint.shows));
    for (status, about, has_body) in USUAL {
        let shown = if has_body { Shown::Schema("Errors") } else { Shown::Nothing };
        let mut usual = response(about, shown);
        if status == 400 {
            // The gateway's own words about a path that nobody should send.
            usual["content"]["application/problem+json"] = json!({ "schema": reference("MalformedRequest") });
        }
        responses.insert(status.to_string(), usual);
    }
    for &(status, shown) in endpoint.also {
        responses.insert(status.to_string(), response(meaning(status), shown));
    }
    Value::Object(responses)
}

/// Of the statuses that are not usual.
fn meaning(status: u16) -> &'static str {
    match status {
        202 => "Done as far as it goes: to be finished later, or without a registration",
        203 => "A new password is due",
        242 => "The second factor is missing",
        410 => "The user has expired",
        421 => "The code of the second factor is wrong",
        423 => "The user is locked",
        429 => "Too many wrong guesses",
        _ => "See the description",
    }
}

fn response(about: &str, shown: Shown) -> Value {
    let schema = match shown {
        Shown::Nothing => return json!({ "description": about }),
        // FusionAuth answers strangers with the status alone, and OpenAPI knows no body that may be missing.
        Shown::Perhaps(schema) => {
            let about = format!("{about}; with a key, a document");
            return json!({ "description": about, "x-with-key": reference(schema) });
        }
        Shown::Schema(schema) => reference(schema),
        Shown::One(member, schema) => envelope(member, &reference(schema)),
        Shown::Many(member, schema) => envelope(member, &json!({ "type": "array", "items": reference(schema) })),
        Shown::Page(member, schema) => {
            let list = json!({ "type": "array", "items": reference(schema) });
            json!({
                "type": "object",
                "properties": { member: list, "total": { "type": "integer", "minimum": 0 } },
                "required": [member, "total"],
            })
        }
        Shown::OneOrMany((one, many), schema) => {
            let list = json!({ "type": "array", "items": reference(schema) });
            json!({ "anyOf": [envelope(one, &reference(schema)), envelope(many, &list)] })
        }
    };
    json!({ "description": about, "content": { "application/json": { "schema": schema } } })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Every `$ref` below a value.
    fn references(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(members) => {
                for (name, value) in members {
                    match value.as_str().filter(|_| name == "$ref") {
                        Some(reference) => drop(found.insert(reference.to_owned())),
                        None => references(value, found),
                    }
                }
            }
            Value::Array(values) => values.iter().for_each(|value| references(value, found)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    #[test]
    fn every_schema_is_there_and_used() {
        let document = render();
        let mut used = BTreeSet::new();
        references(&document, &mut used);
        let schemas = document["components"]["schemas"].as_object().unwrap();
        let known: BTreeSet<String> = schemas.keys().map(|name| format!("#/components/schemas/{name}")).collect();
        assert_eq!(used, known);
    }

    #[test]
    fn every_operation_is_listed_once() {
        let mut ids: Vec<String> = endpoints::all().map(operation_id).collect();
        let count = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), count);
        let document = render();
        let operations: usize =
            document["paths"].as_object().unwrap().values().map(|of| of.as_object().unwrap().len()).sum();
        assert_eq!(operations, count);
    }

    /// A path that gets its handler elsewhere would be served and not described.
    #[test]
    fn paths_get_their_handlers_in_one_place() {
        let sources =
            [include_str!("mod.rs"), include_str!("endpoints/directory.rs"), include_str!("endpoints/people.rs")];
        for source in sources {
            assert!(!source.contains(".route("), "a route beside the tables");
        }
        assert_eq!(include_str!("endpoints.rs").matches("route(").count(), 2, "the document's own, and the tables'");
    }
}
