//! Drafts a pack from an OpenAPI description. What the description does not say,
//! such as who owns what or what may be repeated, is marked for a person.
//!
//! ```text
//! text ─document─▶ operations ─┬─ GET ─▶ Read (arguments, output) ─┐
//!                              └─ other ─▶ Write ◀── fresh reads, look ─┘
//! ```

mod argument;
mod connector;
mod document;
mod naming;
mod operation;
mod output;
mod read;
mod schema;
mod verify;
mod write;

use std::collections::BTreeSet;

use anyhow::bail;

use self::document::Document;
use self::operation::{Operation, operations};
use self::read::Read;
use super::Files;

/// The files of a pack called `name`.
///
/// # Errors
/// When the text is no OpenAPI 3 description, or refers to other files.
pub(super) fn draft(text: &str, name: &str) -> anyhow::Result<Files> {
    let document = Document::parse(text)?;
    let operations = operations(&document);
    if operations.is_empty() {
        bail!("the description has no operations");
    }
    let (gets, others): (Vec<_>, Vec<_>) = operations.iter().partition(|o| o.method == "GET");
    let reads: Vec<Read<'_>> = gets.into_iter().map(|o| Read::new(&document, o, name)).collect();
    let mut files = Files::new();
    let mut claims = BTreeSet::new();
    for read in &reads {
        claims.extend(read.claims());
        files.insert(file(read.operation), read.page(&reads));
    }
    for operation in others {
        let drafted = write::draft(&document, operation, name, &reads, &operations);
        claims.extend(drafted.claims);
        files.insert(file(operation), drafted.page);
    }
    files.insert("connector.yaml".to_owned(), connector::page(&document, name, &claims));
    Ok(files)
}

fn file(operation: &Operation<'_>) -> String {
    format!("contracts/{}.yaml", operation.name)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use countersign_core::contract::load;
    use countersign_core::contract::problem::{Problem, ProblemKind, Severity};

    use super::*;

    fn drafted(text: &str) -> (Files, Vec<Problem>) {
        let files = draft(text, "odd").unwrap();
        let problems = load::pack(&files).problems;
        (files, problems)
    }

    /// What is odd in descriptions that exist.
    const ODD: &str = r##"
openapi: 3.0.1
info: { title: "Odd: \"quotes\" {braces} #hash" }
paths:
  /a/{thing-id}.json:
    get:
      summary: "Say: \"yes\" {no} # maybe\nand more"
      parameters:
        - { name: thing-id, in: path, required: true, schema: { type: integer } }
        - { name: "filter[status]", in: query, schema: { type: string, enum: ["on", "no", "a: b"] } }
        - { name: ratio, in: query, schema: { type: number } }
        - { name: X-Trace, in: header, required: true, schema: { type: string } }
        - { name: ids, in: query, schema: { type: array, items: { type: string } } }
      responses:
        200: { content: { application/json: { schema: { type: object, required: [true, "2nd", naïve, email], properties: { "true": { type: string }, "2nd": { type: string }, naïve: { type: string }, "a/b": { type: string, enum: ["1", "null", "it's"] }, email: { type: string }, deep: { $ref: "#/components/schemas/Ring" }, any: {} } } } } }
  /a:
    post:
      operationId: "Make: a thing!"
      requestBody: { content: { application/x-www-form-urlencoded: { schema: { type: object, required: [price, flag, when, tags, address, user_id], properties: { price: { type: number }, flag: { type: boolean }, when: { type: string, format: date-time }, tags: { type: array, items: { type: string } }, user_id: { type: integer }, address: { type: object, required: [line1], properties: { line1: { type: string }, zip: { type: string } } } } } } } }
      responses: { default: {} }
    put: { requestBody: { content: { application/json: { schema: { type: array, items: {} } } } } }
  /: { delete: { responses: { 204: {} } } }
  /empty: { get: {}, post: {} }
components: { schemas: { Ring: { type: object, properties: { id: { type: string }, ring: { $ref: "#/components/schemas/Ring" } } } } }
"##;

    #[test]
    fn odd_descriptions_give_files_that_can_be_read() {
        let (files, problems) = drafted(ODD);
        let told: Vec<_> = problems.iter().map(ToString::to_string).collect();
        let told = told.join("\n");
        for problem in &problems {
            let expected = matches!(
                problem.kind,
                ProblemKind::Missing | ProblemKind::Rule | ProblemKind::Unprobed
            );
            assert!(expected, "{told}\n{}", files[&problem.file]);
        }
        assert!(files.contains_key("contracts/make_a_thing.yaml"), "{:?}", files.keys());
    }

    #[test]
    fn reads_load_and_only_what_a_person_must_say_is_open() {
        let text = include_str!("../../../tests/data/refunds.openapi.yaml");
        let (files, problems) = drafted(text);
        for (path, _) in files.iter().filter(|(_, text)| text.contains("effect: none")) {
            assert!(
                !problems.iter().any(|p| p.file == *path && p.kind != ProblemKind::Rule),
                "{path}"
            );
        }
        let refund: Vec<_> =
            problems.iter().filter(|p| p.file.ends_with("create_refund.yaml")).collect();
        let told: Vec<_> = refund.iter().map(|p| p.message.as_str()).collect();
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[0].starts_with("`window` is missing"), "{told:?}");
        assert!(told[1].contains("no recorded probe"), "{told:?}");
    }

    /// What an object is found by and shows, though it is not called an id.
    const BY_NUMBER: &str = r##"
openapi: 3.0.0
info: { title: Orders }
paths:
  /orders/{number}:
    get:
      operationId: getOrder
      responses: { "200": { content: { application/json: { schema: { $ref: "#/components/schemas/Order" } } } } }
    patch:
      operationId: changeOrder
      requestBody: { content: { application/json: { schema: { type: object, required: [number], properties: { number: { type: string } } } } } }
      responses: { "200": {} }
  /orders/{number}/cancel:
    parameters: [ { name: number, in: path, required: true, schema: { type: string } } ]
    post: { operationId: cancelOrder, responses: { "200": {} } }
components: { schemas: { Order: { type: object, required: [number, customer_id], properties: { number: { type: string }, customer_id: { type: string }, id: { type: string } } } } }
"##;

    #[test]
    fn a_path_parameter_that_the_object_shows_names_the_object() {
        let (files, problems) = drafted(BY_NUMBER);
        let told: Vec<_> = problems.iter().map(ToString::to_string).collect();
        // Being found proves no effect: what does, a person says.
        let errors = problems.iter().filter(|p| p.severity == Severity::Error);
        assert!(errors.clone().all(|p| p.message == "`that` is missing"), "{told:#?}");
        assert_eq!(errors.count(), 2, "{told:#?}");
        let cancel = &files["contracts/cancel_order.yaml"];
        for line in [
            "  order: { tool: odd.get_order, with: { number: =args.number } }",
            "subject: state.order.customer_id == subject.customer_id",
            "locks: [args.number]",
            "    path: [orders, =args.number, cancel]",
            "  find: { ours: 'found.number == args.number' }",
        ] {
            assert!(cancel.lines().any(|l| l.starts_with(line)), "{line}:\n{cancel}");
        }
        // The description forgot to declare it here.
        let get = &files["contracts/get_order.yaml"];
        assert!(get.contains("path: [orders, =args.number]"), "{get}");
        // It is in the path and in the body, and one argument.
        let change = &files["contracts/change_order.yaml"];
        assert_eq!(change.matches("\n  number:\n").count(), 1, "{change}");
        assert!(change.contains("number: =args.number }"), "{change}");
    }

    #[test]
    fn a_description_without_operations_is_refused() {
        assert!(draft("openapi: 3.0.0\npaths: {}\n", "p").is_err());
    }
}
