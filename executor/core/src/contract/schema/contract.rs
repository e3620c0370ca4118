//! `contracts/*.yaml`.

use serde_json::{Value as Json, json};

use super::{
    count, described, duration, expression, flag, head, list, map_of, name, one_of, output,
    pointer, reference, section, text,
};

pub(super) fn schema() -> Json {
    let mut schema = json!({
        "type": "object",
        "required": ["tool", "summary", "effect", "do"],
        "if": { "properties": { "effect": { "const": "none" } } },
        "then": reference("read"),
        "else": reference("write"),
        "$defs": {
            "read": read(), "write": write(), "effect": effect(), "probe": probe(),
            "argument": argument(), "obtain": obtain(), "fresh": fresh(), "require": require(),
            "confidence": confidence(), "over": over(), "approve": approve(), "do": call(), "http": http(),
            "pages": pages(), "key": key(), "errors": errors(), "error_code": error_code(),
            "error_status": error_status(), "verify": verify(), "look": look(), "find": find(),
            "say": say(), "empty": empty(), "field": output::field(), "fact": output::fact(),
            "text": output::text_field(), "list": output::list_field(),
            "list_at": output::list_at(), "object": output::object(),
        },
    });
    head(&mut schema, "Countersign contract");
    schema
}

fn tool() -> (&'static str, Json) {
    let tool = name("^[a-z][a-z0-9_]*\\.[A-Za-z][A-Za-z0-9_]*$");
    ("tool", described("pack.name, where the file is contracts/name.yaml.", tool))
}

fn examples() -> (&'static str, Json) {
    let sentences =
        list("Sentences that mean this tool; {…} marks a slot.", json!({ "type": "string" }));
    let mut sentences = sentences;
    if let Some(object) = sentences.as_object_mut() {
        object.insert("maxItems".to_owned(), json!(40));
    }
    ("examples", sentences)
}

fn open_to() -> (&'static str, Json) {
    let kind = one_of("customer, staff", &["customer", "staff"]);
    ("for", list("Whose subjects may use it; customers unless said.", kind))
}

fn strength(unsaid: &str) -> (&'static str, Json) {
    let about = format!("How surely it has to be the subject; {unsaid} unless said.");
    ("strength", one_of(&about, &["asserted", "matched", "signed_in", "strong"]))
}

fn arguments() -> (&'static str, Json) {
    (
        "arguments",
        described("Arguments by name; no others are accepted.", map_of(reference("argument"))),
    )
}

fn read() -> Json {
    section(
        &["tool", "summary", "effect", "do", "output"],
        &[
            tool(),
            ("summary", text("One sentence.")),
            examples(),
            open_to(),
            strength("matched"),
            ("effect", json!({ "const": "none", "description": "A read." })),
            arguments(),
            ("do", reference("do")),
            ("output", output::fields()),
            ("subject", subject()),
            ("empty", reference("empty")),
            ("label", text("One result in words, for asking which.")),
            ("say", text("The whole result in words.")),
        ],
    )
}

fn write() -> Json {
    section(
        &[
            "tool",
            "summary",
            "effect",
            "subject",
            "locks",
            "intent",
            "confidence",
            "confirm",
            "card",
            "do",
            "verify",
            "say",
        ],
        &[
            tool(),
            ("summary", text("One sentence.")),
            examples(),
            open_to(),
            strength("signed_in"),
            ("effect", reference("effect")),
            arguments(),
            (
                "read",
                described(
                    "Fresh reads by name, made under the lock: `state`.",
                    map_of(reference("fresh")),
                ),
            ),
            ("subject", subject()),
            (
                "locks",
                list(
                    "Objects that no other write may touch meanwhile.",
                    expression("A string of args."),
                ),
            ),
            ("money", expression("The money that moves.")),
            ("require", list("What must be true.", reference("require"))),
            (
                "intent",
                list(
                    "What makes this the same request when it is asked again.",
                    expression("Of args and subject only."),
                ),
            ),
            ("confidence", reference("confidence")),
            ("confirm", one_of("Who confirms.", &["customer", "none"])),
            ("approve", list("Who else says yes, by amount, ascending.", reference("approve"))),
            ("instrument", expression("The payment instrument, for limits.")),
            ("card", text("What the customer confirms.")),
            ("do", reference("do")),
            ("verify", reference("verify")),
            (
                "output",
                described(
                    "What receipts and later references see.",
                    map_of(expression("An expression.")),
                ),
            ),
            ("compensate", one_of("There is nothing else yet.", &["none"])),
            ("say", reference("say")),
        ],
    )
}

fn subject() -> Json {
    let rule = name("^\\s*[A-Za-z0-9_.]+\\s*==\\s*subject\\.[A-Za-z0-9_]+\\s*$");
    described("Whose it must be: PATH == subject.CLAIM.", rule)
}

fn effect() -> Json {
    section(
        &["class"],
        &[
            (
                "class",
                one_of(
                    "What makes a resend safe.",
                    &["server_key", "client_id", "compare_and_set", "marker", "blind"],
                ),
            ),
            (
                "window",
                duration("server_key: how long the backend keeps the key, from the first send."),
            ),
            ("visible_within", duration("Sourced bound after which a look sees the effect.")),
            ("irreversible", flag("Money or goods that cannot be called back.")),
            ("probe", reference("probe")),
        ],
    )
}

fn probe() -> Json {
    section(
        &["on", "source"],
        &[
            ("on", described("When the backend was probed.", name("^[0-9]{4}-[0-9]{2}-[0-9]{2}$"))),
            ("source", text("Where that is written down.")),
        ],
    )
}

fn argument() -> Json {
    let sources =
        ["claim", "observation", "text", "receipt", "utterance", "asserted", "constant", "model"];
    section(
        &[],
        &[
            (
                "type",
                one_of(
                    "JSON type; not needed beside enum.",
                    &["string", "integer", "boolean", "array", "object"],
                ),
            ),
            ("enum", list("Allowed strings.", json!({ "type": "string" }))),
            ("pattern", text("The whole string, ^…$.")),
            ("format", one_of("A known form of string.", &["date-time", "date", "email", "uri"])),
            ("minLength", count("Fewest characters.", 100_000)),
            ("maxLength", count("Most characters; 2000 for free text unless said.", 100_000)),
            ("minimum", json!({ "type": "integer" })),
            ("maximum", json!({ "type": "integer" })),
            ("items", reference("argument")),
            ("minItems", count("Shortest list.", 250)),
            ("maxItems", count("Longest list.", 250)),
            ("uniqueItems", flag("No element twice.")),
            ("properties", map_of(reference("argument"))),
            ("required", flag("Whether it must be given; true unless there is a default.")),
            ("from", list("Accepted sources.", json!({ "enum": sources }))),
            ("about", text("For people and models.")),
            ("role", one_of("What it decides.", &["destination", "account", "amount"])),
            ("default", json!({ "description": "The contract's constant." })),
            ("extract", text("Regular expression with one group: how to find it in a message.")),
            ("obtain", list("Reads that yield it.", reference("obtain"))),
            (
                "words",
                described(
                    "Words that mean a value, by value.",
                    map_of(list("Words.", json!({ "type": "string" }))),
                ),
            ),
        ],
    )
}

fn obtain() -> Json {
    section(
        &["tool", "at"],
        &[
            ("tool", text("A read of this pack.")),
            ("at", pointer("A fact of its output; * for each element.")),
            ("match", pointer("What to compare with the message, to choose one.")),
        ],
    )
}

fn fresh() -> Json {
    section(
        &["tool"],
        &[
            ("tool", text("A read of this pack.")),
            ("with", map_of(json!({ "description": "A constant, or =expression." }))),
            ("each", text("=LIST: one read for each element.")),
            ("as", text("The element's name in `with`.")),
            ("max", count("Longest list; more refuses.", 250)),
        ],
    )
}

fn require() -> Json {
    section(
        &["code", "that"],
        &[("code", text("Refusal code.")), ("that", expression("Must be true."))],
    )
}

fn share(description: &str) -> Json {
    json!({ "type": "number", "minimum": 0, "maximum": 1, "description": description })
}

fn confidence() -> Json {
    section(
        &["floor"],
        &[
            ("floor", share("Lowest confidence of a plan.")),
            ("over", list("Higher floors for larger amounts.", reference("over"))),
        ],
    )
}

fn over() -> Json {
    let amount = map_of(json!({ "type": "string" }));
    section(
        &["amount", "floor"],
        &[
            ("amount", described("More than this, by currency: { USD: \"100.00\" }.", amount)),
            ("floor", share("Lowest confidence then.")),
        ],
    )
}

fn approve() -> Json {
    let amount = map_of(json!({ "type": "string" }));
    section(
        &["over", "within", "by"],
        &[
            ("over", described("More than this, by currency; what was done counts.", amount)),
            ("within", duration("The window that is added up.")),
            ("by", list("A role for each person who must say yes.", name("^[a-z][a-z0-9_]*$"))),
        ],
    )
}

fn call() -> Json {
    section(
        &[],
        &[
            ("graphql", text("File in documents/ with one named operation.")),
            ("variables", map_of(json!({ "description": "A constant, or =expression." }))),
            ("http", reference("http")),
            (
                "accept",
                list(
                    "Statuses that mean success; [200] unless said.",
                    json!({ "type": "integer", "minimum": 200, "maximum": 299 }),
                ),
            ),
            ("pages", reference("pages")),
            ("key", reference("key")),
            ("errors", reference("errors")),
            ("response", output::fields()),
        ],
    )
}

fn http() -> Json {
    section(
        &["method", "path"],
        &[
            ("method", one_of("HTTP method.", &["GET", "POST", "PUT", "PATCH", "DELETE"])),
            (
                "path",
                list(
                    "Segments, each encoded on its own.",
                    json!({ "description": "A constant, or =expression." }),
                ),
            ),
            ("query", map_of(json!({}))),
            ("headers", map_of(json!({}))),
            ("json", json!({ "description": "The body as JSON." })),
            ("form", map_of(json!({}))),
        ],
    )
}

fn pages() -> Json {
    section(
        &["next", "into", "max", "list"],
        &[
            ("next", pointer("The next cursor in the answer.")),
            ("into", text("Query parameter that takes it.")),
            ("max", count("Most pages.", 20)),
            ("list", pointer("The list that grows.")),
        ],
    )
}

fn key() -> Json {
    section(
        &[],
        &[
            ("variable", text("GraphQL variable that takes the idempotency key.")),
            ("header", text("Header that takes it.")),
            ("field", text("Top-level body field that takes it.")),
        ],
    )
}

fn errors() -> Json {
    section(
        &[],
        &[
            ("at", pointer("The list (or object) of errors in an answer.")),
            ("codes", list("First match wins.", reference("error_code"))),
            ("by_status", list("By HTTP status.", reference("error_status"))),
        ],
    )
}

fn class() -> Json {
    one_of("What the refusal means.", &["terminal", "transient", "guard", "unclear"])
}

fn error_code() -> Json {
    section(
        &["match", "code", "class"],
        &[
            ("match", text("Part of the error's code or message, in any letter case; * for all.")),
            ("code", text("Our code.")),
            ("class", class()),
        ],
    )
}

fn error_status() -> Json {
    let status = json!({ "type": "integer", "minimum": 400, "maximum": 499 });
    section(
        &["status", "code", "class"],
        &[("status", status), ("code", text("Our code.")), ("class", class())],
    )
}

fn verify() -> Json {
    section(
        &["look", "find", "that", "every", "within"],
        &[
            ("look", reference("look")),
            ("find", reference("find")),
            ("pending", expression("True while it is not finished.")),
            ("failed", expression("True where no effect stands.")),
            ("that", expression("True where the effect is what was asked for.")),
            ("human", expression("True where it stands, whoever did it: a person's work.")),
            ("every", duration("Between looks.")),
            ("within", duration("How long to look.")),
        ],
    )
}

fn look() -> Json {
    section(
        &["tool"],
        &[
            ("tool", text("A read of this pack; its output is `looked`.")),
            ("with", map_of(json!({ "description": "A constant, or =expression." }))),
        ],
    )
}

fn find() -> Json {
    section(
        &["ours"],
        &[
            ("in", expression("The list that our effect is in; without it `found` is `looked`.")),
            ("as", one_of("Always found.", &["found"])),
            ("ours", expression("True for our own effect.")),
        ],
    )
}

fn say() -> Json {
    section(
        &["applied"],
        &[
            ("applied", text("What the customer is told when it is done.")),
            ("pending", text("While it is going on.")),
            ("not_applied", text("When it provably did not happen.")),
            ("unknown", text("When nobody can tell yet.")),
        ],
    )
}

fn empty() -> Json {
    section(
        &["at", "code"],
        &[
            ("at", text("Field of the output: an empty list, or nothing there, refuses.")),
            ("code", text("Refusal code.")),
        ],
    )
}
