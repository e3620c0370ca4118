//! Each recorded case of each shipped pack, and of the guide's, through the core:
//! request written, answer read, gates asked, own effect found. No backend, no
//! clock, no store.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]
#[path = "support/packs.rs"]
mod packs;

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;

use countersign_core::answer::{self, Sent, Verdict};
use countersign_core::contract::{Body, Contract, ReadBody, WriteBody, load};
use countersign_core::expr::{Scope, Template};
use countersign_core::gate::{self, Facts};
use countersign_core::plan::Confidence;
use countersign_core::request;
use countersign_core::resolve::{self, Arguments};
use countersign_core::state::{State, pick, with_money};
use countersign_core::subject::Subject;
use countersign_core::value::Value;
use countersign_core::verify::{self, Sight};
use packs::{Files, files, guide, packs, shipped};
use serde_json::{Map, Value as Json, json};

#[test]
fn every_recorded_case_of_the_shipped_packs() {
    for folder in shipped() {
        assert!(run(&files(&folder)) > 0, "{} has no recorded case", folder.display());
    }
}

#[test]
fn the_guides_recorded_case() {
    assert_eq!(run(&guide()), 1);
}

#[test]
fn a_wrong_expectation_fails() {
    let folder = packs().join("shopify");
    let pack = Tools::of(&files(&folder));
    let text = fs::read_to_string(folder.join("recorded/cancel_order.json")).unwrap();
    let mut case: Json = serde_json::from_str(&text).unwrap();
    assert_eq!(pack.problems(&case), Vec::<String>::new());
    *case.pointer_mut("/expect/output/refunded/amount").unwrap() = json!("68.01");
    *case.pointer_mut("/expect/outcome").unwrap() = json!("unknown");
    assert_eq!(pack.problems(&case).len(), 2);
}

fn run(files: &Files) -> usize {
    let tools = Tools::of(files);
    let cases: Vec<_> = files.iter().filter(|(name, _)| name.starts_with("recorded/")).collect();
    for (name, text) in &cases {
        let case: Json = serde_json::from_str(text).unwrap();
        let problems = tools.problems(&case);
        assert!(problems.is_empty(), "{name}: {}", problems.join("\n"));
    }
    cases.len()
}

struct Tools(BTreeMap<String, Arc<Contract>>);

/// What came of a case.
#[derive(Default)]
struct Came {
    output: Json,
    outcome: String,
    code: String,
    say: String,
}

impl Came {
    fn code(code: impl Into<String>) -> Self {
        Self { code: code.into(), ..Self::default() }
    }

    fn outcome(outcome: &str, code: impl Into<String>) -> Self {
        Self { outcome: outcome.to_owned(), ..Self::code(code) }
    }
}

impl Tools {
    fn of(files: &Files) -> Self {
        let pack = load::pack(files).pack.expect("the pack loads");
        Self(pack.contracts.into_iter().map(|c| (c.tool.clone(), c)).collect())
    }

    /// What differs from what the case expects.
    fn problems(&self, case: &Json) -> Vec<String> {
        let mut replay = Replay::of(case, &self.0);
        let contract = &self.0[case["tool"].as_str().unwrap()];
        let arguments = case["arguments"].as_object().unwrap().clone();
        let came = match &contract.body {
            Body::Read(_) => replay.asked(contract, arguments),
            Body::Write(write) => replay.write(contract, write, arguments),
        };
        let expect = case["expect"].as_object().unwrap();
        let mut problems = Vec::new();
        for (name, wanted) in expect {
            let got = match name.as_str() {
                "outcome" => json!(came.outcome),
                "code" => json!(came.code),
                "say" => json!(came.say),
                "output" => only(&came.output, wanted),
                other => panic!("`{other}` cannot be expected"),
            };
            if got != *wanted {
                problems.push(format!("{name}: expected {wanted}, got {got} ({})", came.code));
            }
        }
        problems
    }
}

/// The members of `output` that are also in `wanted`.
fn only(output: &Json, wanted: &Json) -> Json {
    wanted
        .as_object()
        .unwrap()
        .keys()
        .map(|k| (k.clone(), output[k].clone()))
        .collect::<Map<_, _>>()
        .into()
}

struct Replay<'t> {
    tools: &'t BTreeMap<String, Arc<Contract>>,
    subject: Subject,
    marker: String,
    answers: BTreeMap<String, Vec<Json>>,
}

impl<'t> Replay<'t> {
    fn of(case: &Json, tools: &'t BTreeMap<String, Arc<Contract>>) -> Self {
        let mut claims: BTreeMap<String, String> =
            serde_json::from_value(case["subject"].clone()).unwrap();
        let subject = Subject {
            tenant: "recorded".into(),
            issuer: "recorded".into(),
            id: claims.remove("id").unwrap(),
            claims,
            verified_at: "2026-11-21T09:00:00Z".parse().unwrap(),
        };
        let answers = case["answers"].as_object().unwrap().iter().map(|(tool, given)| {
            let answers = given.as_array().cloned().unwrap_or_else(|| vec![given.clone()]);
            (tool.clone(), answers)
        });
        let marker = case["marker"].as_str().unwrap_or("cs-recorded").to_owned();
        Self { tools, subject, marker, answers: answers.collect() }
    }

    /// The next answer of a tool; the last one repeats.
    fn answer(&mut self, tool: &str) -> Sent {
        let answers = self.answers.get_mut(tool).unwrap_or_else(|| panic!("no answer of {tool}"));
        let next =
            if answers.len() > 1 { answers.remove(0) } else { answers.first().cloned().unwrap() };
        let members: Vec<_> = next.as_object().unwrap().keys().map(String::as_str).collect();
        let (status, body) = match members[..] {
            ["status", "body"] => {
                (next["status"].as_u64().unwrap().try_into().unwrap(), next["body"].clone())
            }
            _ => (200, next),
        };
        Sent::Answered {
            status,
            retry_after: None,
            replayed: false,
            body: body.to_string().into_bytes(),
        }
    }

    fn asked(&mut self, contract: &Contract, arguments: Map<String, Json>) -> Came {
        let Body::Read(read) = &contract.body else { panic!() };
        match self.read(contract, read, arguments) {
            Err(code) => Came::code(code),
            Ok(value) => {
                let say = read.say.as_ref().map(|say| say.render(&Scope::of(&value)).unwrap());
                Came { output: value.to_json(), say: say.unwrap_or_default(), ..Came::default() }
            }
        }
    }

    fn read(
        &mut self,
        contract: &Contract,
        read: &ReadBody,
        arguments: Map<String, Json>,
    ) -> Result<Value, String> {
        let arguments = resolve::computed(arguments, contract).map_err(|e| format!("{e:?}"))?;
        let scope = Scope::new()
            .with("args", arguments.scope_value())
            .with("subject", self.subject.value());
        request::render(contract, &scope, None).map_err(|e| e.to_string())?;
        let raw = answer::read(contract, &self.answer(&contract.tool)).map_err(|e| e.code)?;
        let empty = read.empty.as_ref();
        let mut value = read.output.project(&raw).map_err(|e| match empty {
            Some(rule) if e.lacks(&rule.at) => rule.code.clone(),
            _ => format!("STATE_UNREADABLE: {e}"),
        })?;
        self.own(read, &mut value)?;
        let nothing = |at: &[String]| matches!(pick(&value, at), Value::List(l) if l.is_empty());
        match empty.filter(|rule| nothing(&rule.at)) {
            Some(rule) => Err(rule.code.clone()),
            None => Ok(value),
        }
    }

    /// Drops elements of others; refuses a whole that is another's.
    fn own(&self, read: &ReadBody, value: &mut Value) -> Result<(), String> {
        let Some(rule) = &read.subject else { return Ok(()) };
        let (first, rest) = rule.path.split_first().unwrap();
        let owned = |owner: &Value| gate::owns(rule, owner, &self.subject);
        if let Value::Object(fields) = value
            && let Some(Value::List(items)) = fields.get_mut(first)
        {
            items.retain(|item| owned(&pick(item, rest)).is_ok());
            return Ok(());
        }
        owned(&pick(value, &rule.path)).map_err(|code| code.name().to_owned())
    }

    fn with(
        &mut self,
        tool: &str,
        with: &BTreeMap<String, Template>,
        scope: &Scope,
    ) -> Result<Value, String> {
        let arguments = with.iter().map(|(k, t)| (k.clone(), t.render(scope).unwrap())).collect();
        let contract = Arc::clone(&self.tools[tool]);
        let Body::Read(read) = &contract.body else { panic!("{tool} is no read") };
        self.read(&contract, read, arguments)
    }

    fn write(
        &mut self,
        contract: &Contract,
        write: &WriteBody,
        arguments: Map<String, Json>,
    ) -> Came {
        let arguments = resolve::computed(arguments, contract).unwrap();
        let now = self.subject.verified_at;
        let mut state = State::default();
        for fresh in &write.reads {
            let scope = state.scope(&arguments, &self.subject, now);
            match self.with(&fresh.tool, &fresh.with, &scope) {
                Ok(value) => state.reads.insert(fresh.name.clone(), value),
                Err(code) => return Came::code(code),
            };
        }
        let passed = match self.gates(contract, write, &arguments, &state) {
            Ok(passed) => passed,
            Err(code) => return Came::code(code),
        };
        let scope = with_money(state.scope(&arguments, &self.subject, now), passed.money);
        assert!(!write.card.render(&scope).unwrap().contains(['{', '}']));
        let key = Value::Str(self.marker.clone());
        self.sent(contract, write, scope.with("key", key.clone()).with("marker", key))
    }

    fn gates(
        &self,
        contract: &Contract,
        write: &WriteBody,
        arguments: &Arguments,
        state: &State,
    ) -> Result<gate::Passed, String> {
        let confidence = Confidence {
            score: 1.0,
            uncertainty_reason: String::new(),
            recommended_action: String::new(),
        };
        let (subject, now) = (&self.subject, self.subject.verified_at);
        gate::check(&Facts {
            contract,
            write,
            arguments,
            subject,
            state,
            confidence: &confidence,
            now,
        })
        .map_err(|refused| refused.code)
    }

    fn sent(&mut self, contract: &Contract, write: &WriteBody, scope: Scope) -> Came {
        let key = contract.call.key.as_ref().map(|_| self.marker.clone());
        let wire = request::render(contract, &scope, key.as_deref()).unwrap();
        let body = String::from_utf8(wire.body.clone()).unwrap();
        assert!(body.contains(&self.marker), "the marker is not sent: {body}");
        let verdict = answer::judge(contract, &self.answer(&contract.tool));
        let (response, guard) = match verdict {
            Verdict::Accepted { response } => (response, None),
            Verdict::Guard { code, .. } => (Value::Null, Some(code)),
            Verdict::Rejected { code, .. } => return Came::outcome("not_applied", code),
            open @ (Verdict::Throttled { .. }
            | Verdict::NotSent { .. }
            | Verdict::Lost { .. }
            | Verdict::CredentialRejected) => panic!("{:?}", open.to_json()),
        };
        let scope = scope.with("response", response);
        loop {
            let looked = self.with(&write.verify.look, &write.verify.with, &scope).unwrap();
            match verify::judge(write, scope.clone(), &looked) {
                Sight::Pending { .. } => {}
                Sight::Right { output, .. } => {
                    let mut came = Came::outcome("applied", "");
                    came.output = Json::Object(output);
                    return came;
                }
                Sight::Wrong { .. } => return Came::outcome("unknown", "VERIFY_MISMATCH"),
                Sight::Failed { .. } => return Came::outcome("not_applied", "BACKEND_REFUSED"),
                Sight::Absent { .. } => {
                    let outcome = if guard.is_some() { "not_applied" } else { "unknown" };
                    return Came::outcome(
                        outcome,
                        guard.unwrap_or_else(|| "VERIFY_MISMATCH".into()),
                    );
                }
                other @ (Sight::Many { .. } | Sight::Unreadable { .. }) => panic!("{other:?}"),
            }
        }
    }
}
