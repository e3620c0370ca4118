//! Documents: read, checked against the schema the sandbox ships, and kept for the next request.

use std::collections::HashMap;
use std::sync::Arc;

use apollo_compiler::ast::Document;
use apollo_compiler::resolvers::{Execution, ObjectValue};
use apollo_compiler::response::{JsonMap, JsonValue};
use apollo_compiler::validation::Valid;
use apollo_compiler::{ExecutableDocument, Schema};
use serde_json::{Value, json};

use super::lint;
use super::mutation::MISSING_KEY;
use crate::sandbox::requests::Called;

/// How many checked documents are kept.
const KEPT: usize = 500;

/// The schema, and documents already checked against it.
#[derive(Debug)]
pub(crate) struct Documents {
    schema: Valid<Schema>,
    checked: HashMap<String, Arc<Valid<ExecutableDocument>>>,
}

/// A GraphQL request, as it came in.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Request {
    pub(crate) query: String,
    pub(crate) operation_name: Option<String>,
    pub(crate) variables: Option<JsonMap>,
}

impl Request {
    /// The same, searching whosever orders there are.
    pub(crate) fn unscoped(&self) -> Self {
        let cut = |value: &JsonValue| {
            let text = value.as_str().and_then(|text| text.split(" AND customer_id:").next());
            text.map_or_else(|| value.clone(), JsonValue::from)
        };
        let all = |all: &JsonMap| all.iter().map(|(name, v)| (name.clone(), cut(v))).collect();
        Self {
            query: self.query.clone(),
            operation_name: self.operation_name.clone(),
            variables: self.variables.as_ref().map(all),
        }
    }
}

impl Documents {
    /// Reads the schema that is part of the program.
    pub(crate) fn open() -> Result<Self, String> {
        let schema = Schema::parse_and_validate(include_str!("schema.graphql"), "schema.graphql");
        let schema = schema.map_err(|error| error.to_string())?;
        Ok(Self { schema, checked: HashMap::new() })
    }

    /// The document of `query`; or what is wrong with it, as the body's `errors`.
    pub(crate) fn check(
        &mut self,
        query: &str,
    ) -> Result<Arc<Valid<ExecutableDocument>>, Vec<Value>> {
        if let Some(known) = self.checked.get(query) {
            return Ok(Arc::clone(known));
        }
        let ast = Document::parse(query, "request.graphql");
        let ast = ast.map_err(|found| general(found.errors.iter().map(|e| e.to_json())))?;
        let problems = lint::problems(&self.schema, &ast);
        if !problems.is_empty() {
            return Err(problems);
        }
        let document = ast.to_executable_validate(&self.schema);
        let document =
            Arc::new(document.map_err(|found| general(found.errors.iter().map(|e| e.to_json())))?);
        if self.checked.len() >= KEPT {
            self.checked.clear();
        }
        self.checked.insert(query.to_owned(), Arc::clone(&document));
        Ok(document)
    }

    /// What the request calls, for the log and the faults.
    pub(crate) fn called(document: &ExecutableDocument, name: Option<&str>) -> Called {
        let Ok(operation) = document.operations.get(name) else {
            return Called::default();
        };
        let fields: Vec<_> =
            operation.root_fields(document).map(|field| field.name.to_string()).collect();
        let has = |name: &str| fields.iter().any(|field| field == name);
        Called {
            operation: operation.name.as_ref().map(ToString::to_string),
            mutation: operation.is_mutation(),
            starts_job: has("orderCancel"),
            refunds: has("orderCancel") || has("refundCreate"),
            fields,
        }
    }

    /// Executes on `root`; gives the response body.
    pub(crate) fn execute(
        &self,
        document: &Valid<ExecutableDocument>,
        request: &Request,
        root: &dyn ObjectValue,
    ) -> Value {
        let none = JsonMap::new();
        let variables = request.variables.as_ref().unwrap_or(&none);
        let execution = Execution::new(&self.schema, document)
            .operation_name(request.operation_name.as_deref());
        let done = execution.and_then(|execution| {
            execution
                .enable_schema_introspection(true)
                .raw_variable_values(variables)
                .execute_sync(root)
        });
        match done {
            Err(error) => {
                let mut error = serde_json::to_value(error.to_graphql_error(&document.sources))
                    .unwrap_or_default();
                add_code(&mut error, "INVALID_VARIABLE");
                json!({ "errors": [error] })
            }
            Ok(response) => {
                let mut body = serde_json::Map::new();
                body.insert("data".into(), json!(response.data));
                if !response.errors.is_empty() {
                    let errors = response.errors.iter().map(field_error).collect();
                    body.insert("errors".into(), errors);
                }
                body.insert("extensions".into(), cost());
                Value::Object(body)
            }
        }
    }
}

/// A field error, with the code that Shopify gives to what the caller got wrong.
fn field_error(error: &apollo_compiler::response::GraphQLError) -> Value {
    let mut shaped = serde_json::to_value(error).unwrap_or_default();
    // The engine says where a message comes from; Shopify does not.
    let message = error.message.trim_start_matches("resolver error: ");
    if let Some(shaped) = shaped.get_mut("message") {
        *shaped = message.into();
    }
    let code = match message {
        MISSING_KEY | "you must provide one of first or last" => "BAD_REQUEST",
        _ => "INTERNAL_SERVER_ERROR",
    };
    add_code(&mut shaped, code);
    shaped
}

fn add_code(error: &mut Value, code: &str) {
    if let Some(error) = error.as_object_mut() {
        error.insert("extensions".into(), json!({ "code": code }));
    }
}

fn general(errors: impl Iterator<Item = apollo_compiler::response::GraphQLError>) -> Vec<Value> {
    let shaped = errors.map(|error| serde_json::to_value(error).unwrap_or_default());
    shaped.collect()
}

/// The shape of Shopify's cost report; the sandbox never throttles by cost.
fn cost() -> Value {
    json!({ "cost": { "requestedQueryCost": 10, "actualQueryCost": 10, "throttleStatus":
        { "maximumAvailable": 2000, "currentlyAvailable": 1990, "restoreRate": 100 } } })
}
