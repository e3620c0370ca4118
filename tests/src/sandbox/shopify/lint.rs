//! Unknown fields and arguments, answered in Shopify's own shape before anything else is checked.

use apollo_compiler::ast::{Definition, Document, Field, Selection};
use apollo_compiler::parser::SourceSpan;
use apollo_compiler::schema::FieldDefinition;
use apollo_compiler::{Name, Node, Schema};
use serde_json::{Value, json};

/// Every field or argument of `document` that `schema` does not have.
pub(super) fn problems(schema: &Schema, document: &Document) -> Vec<Value> {
    let mut walk = Walk { schema, document, path: Vec::new(), found: Vec::new() };
    for definition in &document.definitions {
        if let Some(operation) = definition.as_operation_definition() {
            let kind = operation.operation_type.name();
            let start = operation
                .name
                .as_ref()
                .map_or_else(|| kind.to_owned(), |name| format!("{kind} {name}"));
            if let Some(root) = schema.root_operation(operation.operation_type) {
                walk.from(start, root, &operation.selection_set);
            }
        } else if let Some(fragment) = Definition::as_fragment_definition(definition) {
            walk.from(
                format!("fragment {}", fragment.name),
                &fragment.type_condition,
                &fragment.selection_set,
            );
        }
    }
    walk.found
}

struct Walk<'d> {
    schema: &'d Schema,
    document: &'d Document,
    path: Vec<String>,
    found: Vec<Value>,
}

impl Walk<'_> {
    fn from(&mut self, start: String, on: &Name, selections: &[Selection]) {
        self.path = vec![start];
        self.selections(on, selections);
    }

    fn selections(&mut self, on: &Name, selections: &[Selection]) {
        for selection in selections {
            match selection {
                Selection::Field(field) => self.field(on, field),
                Selection::InlineFragment(inline) => {
                    self.selections(
                        inline.type_condition.as_ref().unwrap_or(on),
                        &inline.selection_set,
                    );
                }
                Selection::FragmentSpread(_) => {}
            }
        }
    }

    fn field(&mut self, on: &Name, field: &Node<Field>) {
        self.path.push(field.alias.as_ref().unwrap_or(&field.name).to_string());
        match self.schema.type_field(on, &field.name) {
            Ok(known) => {
                self.arguments(known, field);
                let inner = known.ty.inner_named_type().clone();
                self.selections(&inner, &field.selection_set);
            }
            Err(_) => {
                let message = format!("Field '{}' doesn't exist on type '{on}'", field.name);
                let extensions = json!({ "code": "undefinedField", "typeName": on.as_str(), "fieldName": field.name.as_str() });
                self.report(message, field.location(), None, extensions);
            }
        }
        self.path.pop();
    }

    fn arguments(&mut self, known: &FieldDefinition, field: &Node<Field>) {
        for argument in &field.arguments {
            if known.argument_by_name(&argument.name).is_none() {
                let message =
                    format!("Field '{}' doesn't accept argument '{}'", field.name, argument.name);
                let extensions = json!({ "code": "argumentNotAccepted", "name": field.name.as_str(),
                    "typeName": "Field", "argumentName": argument.name.as_str() });
                self.report(message, argument.location(), Some(argument.name.as_str()), extensions);
            }
        }
        let given = |name: &Name| field.arguments.iter().any(|argument| argument.name == *name);
        let missing = known.arguments.iter().filter(|a| a.is_required() && !given(&a.name));
        let missing: Vec<_> = missing.map(|a| a.name.as_str()).collect();
        if !missing.is_empty() {
            let missing = missing.join(", ");
            let message =
                format!("Field '{}' is missing required arguments: {missing}", field.name);
            let extensions = json!({ "code": "missingRequiredArguments", "className": "Field",
                "name": field.name.as_str(), "arguments": missing });
            self.report(message, field.location(), None, extensions);
        }
    }

    fn report(
        &mut self,
        message: String,
        at: Option<SourceSpan>,
        last: Option<&str>,
        extensions: Value,
    ) {
        let at = at.and_then(|at| at.line_column(&self.document.sources));
        let locations: Vec<_> =
            at.iter().map(|at| json!({ "line": at.line, "column": at.column })).collect();
        let path: Vec<_> = self.path.iter().map(String::as_str).chain(last).collect();
        self.found.push(json!({ "message": message, "locations": locations, "path": path, "extensions": extensions }));
    }
}
