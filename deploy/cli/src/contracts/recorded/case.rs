//! One recorded case: what was asked, what the service answered, what must come
//! of it.

use std::collections::BTreeMap;

use countersign_core::answer;
use countersign_core::contract::{Body, Catalog, Contract, ReadBody};
use countersign_core::dispatch::{Account, AttemptResult};
use countersign_core::effect::{self, Ask};
use countersign_core::error::Refused;
use countersign_core::expr::Scope;
use countersign_core::lifecycle::{Event, Outcome};
use countersign_core::seal;
use countersign_shared::codes::Code;
use countersign_shared::ids::ReceiptId;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value as Json};
use uuid::Uuid;

use super::super::backend::Recording;
use super::super::reads::Reader;
use super::super::rehearsal::{Rehearsal, arguments};
use super::super::{subject, tool};

/// Steps after which an action will not end: a case whose answers stay pending.
const MAX_STEPS: usize = 100_000;

/// A file of `recorded/`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    #[serde(default)]
    pub(super) about: String,
    pub(super) tool: String,
    subject: Json,
    #[serde(default)]
    arguments: Map<String, Json>,
    #[serde(default = "marker")]
    marker: String,
    answers: BTreeMap<String, Json>,
    pub(super) expect: Expect,
}

/// What must come of a case; each member that is there is compared.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Expect {
    pub(super) output: Option<Json>,
    pub(super) outcome: Option<String>,
    pub(super) code: Option<String>,
    pub(super) say: Option<String>,
}

/// What came of a case.
#[derive(Debug, Default)]
pub(super) struct Came {
    pub(super) output: Json,
    /// Of a write, and `refused` of a read that was refused.
    pub(super) outcome: String,
    pub(super) code: String,
    pub(super) say: String,
    /// Why, for the author.
    pub(super) message: String,
}

fn marker() -> String {
    "cs-recorded".to_owned()
}

impl Case {
    /// Runs the case.
    ///
    /// # Errors
    /// When it cannot be run: an unknown tool, a missing answer.
    pub(super) async fn run(&self, catalog: &Catalog) -> Result<Came, String> {
        let contract = tool(catalog, &self.tool).map_err(|e| e.to_string())?;
        let now = Timestamp::now();
        let subject = subject("recorded", &self.subject, now).map_err(|e| e.to_string())?;
        let source = Recording::new(&self.answers);
        let mut reader = Reader { catalog, source, subject, now };
        let came = match &contract.body {
            Body::Read(read) => self.read(&mut reader, contract, read).await,
            Body::Write(_) => self.write(&mut reader, contract).await,
        };
        let mut missing = reader.source.missing;
        missing.dedup();
        if !missing.is_empty() {
            return Err(format!("`answers` has none for {}", missing.join(", ")));
        }
        Ok(came.unwrap_or_else(Came::refused))
    }

    async fn read(
        &self,
        reader: &mut Reader<'_, Recording>,
        contract: &Contract,
        read: &ReadBody,
    ) -> Result<Came, Refused> {
        let arguments = arguments(contract, &Json::Object(self.arguments.clone()))?;
        let value = reader.fetch(contract, &arguments).await?;
        let say = match &read.say {
            Some(say) => say.render(&Scope::of(&value)).unwrap_or_else(|error| error.to_string()),
            None => String::new(),
        };
        Ok(Came { output: value.to_json(), say, ..Came::default() })
    }

    async fn write(
        &self,
        reader: &mut Reader<'_, Recording>,
        contract: &Contract,
    ) -> Result<Came, Refused> {
        let arguments = arguments(contract, &Json::Object(self.arguments.clone()))?;
        let rehearsal = Rehearsal::propose(reader, contract, &arguments).await?;
        let rehearsal = rehearsal.claim(Some(&self.marker), reader.now)?.gate(reader).await?;
        let account = Account { account: "recorded".to_owned(), credential: String::new() };
        let mut rehearsal = rehearsal.intend(account, reader.now)?;
        for _ in 0..MAX_STEPS {
            let event = match effect::ask(&rehearsal.state, contract, reader.now) {
                Ask::Send => Event::Answered(Box::new(sent(reader, contract))),
                Ask::Resend(at) => {
                    reader.now = reader.now.max(at);
                    Event::Resent(reader.now)
                }
                Ask::Look(at) => {
                    reader.now = reader.now.max(at);
                    Event::Looked(Box::new(look(reader, &rehearsal).await?))
                }
                Ask::Settle(settlement) => Event::Settled(settlement),
                Ask::Seal => return sealed(&rehearsal, contract, reader.now),
                Ask::AwaitGrants | Ask::Claim | Ask::Gate | Ask::Prepare | Ask::Nothing => break,
            };
            rehearsal = rehearsal.step(event)?;
        }
        Err(Refused::new(Code::Internal, "the action does not come to an end"))
    }
}

fn sent(reader: &mut Reader<'_, Recording>, contract: &Contract) -> AttemptResult {
    let sent = reader.source.send(contract);
    let status = match &sent {
        answer::Sent::Answered { status, .. } => Some(*status),
        answer::Sent::NotSent { .. } | answer::Sent::Lost { .. } => None,
    };
    AttemptResult { at: reader.now, status, verdict: answer::judge(contract, &sent) }
}

async fn look(
    reader: &mut Reader<'_, Recording>,
    rehearsal: &Rehearsal<'_>,
) -> Result<countersign_core::verify::Look, Refused> {
    let dispatch = rehearsal.dispatch();
    let dispatch = dispatch.ok_or_else(|| Refused::new(Code::Internal, "nothing was sent"))?;
    Ok(reader.look(rehearsal.write, dispatch).await)
}

/// What the receipt would say.
fn sealed(rehearsal: &Rehearsal<'_>, contract: &Contract, now: Timestamp) -> Result<Came, Refused> {
    let id = ReceiptId::from_uuid(Uuid::now_v7());
    let leaf = seal::seal(&rehearsal.state, contract, &id, now);
    let receipt = leaf.ok_or_else(|| Refused::new(Code::Internal, "no receipt"))?.receipt;
    Ok(Came {
        output: receipt.output,
        outcome: receipt.outcome,
        code: receipt.code,
        say: receipt.said,
        message: receipt.message,
    })
}

impl Came {
    fn refused(refused: Refused) -> Self {
        Self {
            output: Json::Null,
            outcome: Outcome::Refused.name().to_owned(),
            code: refused.code,
            say: refused.say,
            message: refused.message,
        }
    }
}
