//! JSON Schema of the two file formats, for editors: completion and a first
//! check. The loader's rules go further.

mod contract;
mod output;

use serde_json::{Map, Value as Json, json};

/// JSON Schema of `contracts/*.yaml`.
#[must_use]
pub fn contract() -> Json {
    contract::schema()
}

/// JSON Schema of `connector.yaml`.
#[must_use]
pub fn connector() -> Json {
    let mut schema = section(
        &["pack", "summary", "kind", "credential"],
        &[
            (
                "pack",
                described(
                    "The pack's name: the part of a tool's name before the dot.",
                    name("^[a-z][a-z0-9_]*$"),
                ),
            ),
            ("summary", text("One sentence.")),
            ("kind", one_of("The protocol.", &["graphql", "http"])),
            ("path", described("GraphQL only: path below the connection's base URL.", name("^/"))),
            ("credential", credential()),
            (
                "subject",
                list(
                    "Claims of the subject's token that contracts may name, besides id.",
                    json!({ "type": "string" }),
                ),
            ),
            ("timeout", duration("Total time-out of one request; 10s unless said.")),
            (
                "response_limit",
                described(
                    "Largest answer that is read; 1MiB unless said.",
                    name("^[0-9]+(B|KiB|MiB)$"),
                ),
            ),
            (
                "quiet_period",
                duration(
                    "Longest time the backend may go on working after we stop waiting; 15s unless said.",
                ),
            ),
            ("limits", limits()),
            ("throttled", throttled()),
            ("match", matching()),
            (
                "codes",
                described(
                    "Refusal codes of this pack, by name. Stable: only ever add.",
                    map_of(code()),
                ),
            ),
        ],
    );
    head(&mut schema, "Countersign connector");
    schema
}

fn credential() -> Json {
    let oauth = section(
        &["token_path"],
        &[
            ("token_path", text("Path of the token end point below the base URL.")),
            ("scope", text("Scope asked for.")),
        ],
    );
    let hmac = section(
        &["header"],
        &[
            ("header", text("Header that takes the signature.")),
            ("algorithm", one_of("Always sha256.", &["sha256"])),
        ],
    );
    let placed = section(
        &[],
        &[
            ("header", text("The secret is this header's value.")),
            ("hmac", hmac),
            ("oauth_client_credentials", oauth),
        ],
    );
    let words = one_of("How the credential is presented.", &["bearer", "basic", "none"]);
    described("Where the connection's credential goes.", json!({ "anyOf": [words, placed] }))
}

fn matching() -> Json {
    let read = text("The read that finds the order; no plan can name it.");
    let with =
        described("Its arguments, over `order` and `email`.", map_of(expression("A value.")));
    let claims = described(
        "Where in its output each claim is; `email` is compared.",
        map_of(pointer("JSON Pointer.")),
    );
    let matching =
        section(&["tool", "claims"], &[("tool", read), ("with", with), ("claims", claims)]);
    described("How the executor itself finds out who a guest is.", matching)
}

fn limits() -> Json {
    let count =
        |about| described(about, json!({ "type": "integer", "minimum": 1, "maximum": 10_000 }));
    section(
        &[],
        &[
            ("concurrent", count("Requests at once over one connection.")),
            ("per_second", count("Requests a second over one connection.")),
        ],
    )
}

fn throttled() -> Json {
    let codes =
        list("Error codes that mean: not executed, try later.", json!({ "type": "string" }));
    section(&[], &[("graphql_codes", codes)])
}

fn code() -> Json {
    section(
        &["cause", "remedy"],
        &[
            ("cause", text("Why it happens.")),
            ("remedy", text("What can be done.")),
            ("say", text("What a customer is told.")),
            ("escalate", flag("Whether a person has to look; false unless said.")),
        ],
    )
}

fn head(schema: &mut Json, title: &str) {
    if let Some(object) = schema.as_object_mut() {
        object.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
        object.insert("title".to_owned(), json!(title));
    }
}

/// An object with these keys and no others.
fn section(required: &[&str], properties: &[(&str, Json)]) -> Json {
    let properties: Map<String, Json> =
        properties.iter().map(|(key, schema)| ((*key).to_owned(), schema.clone())).collect();
    json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

fn described(description: &str, mut schema: Json) -> Json {
    if let Some(object) = schema.as_object_mut() {
        object.insert("description".to_owned(), json!(description));
    }
    schema
}

fn text(description: &str) -> Json {
    json!({ "type": "string", "minLength": 1, "description": description })
}

fn flag(description: &str) -> Json {
    json!({ "type": "boolean", "description": description })
}

fn count(description: &str, most: u64) -> Json {
    json!({ "type": "integer", "minimum": 0, "maximum": most, "description": description })
}

fn name(pattern: &str) -> Json {
    json!({ "type": "string", "pattern": pattern })
}

fn one_of(description: &str, values: &[&str]) -> Json {
    json!({ "enum": values, "description": description })
}

fn list(description: &str, of: Json) -> Json {
    json!({ "type": "array", "items": of, "description": description })
}

fn map_of(of: Json) -> Json {
    json!({ "type": "object", "additionalProperties": of })
}

fn duration(description: &str) -> Json {
    described(description, name("^[0-9]+(ms|s|m|h|d)$"))
}

fn pointer(description: &str) -> Json {
    described(description, name("^(/.*)?$"))
}

/// An expression; whole numbers and booleans are expressions too.
fn expression(description: &str) -> Json {
    json!({ "type": ["string", "integer", "boolean"], "description": description })
}

fn reference(to: &str) -> Json {
    json!({ "$ref": format!("#/$defs/{to}") })
}

#[cfg(test)]
mod tests;
