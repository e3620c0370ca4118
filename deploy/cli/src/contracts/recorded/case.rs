//! One recorded case: what was asked, what the service answered, what must come
//! of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use countersign_core::contract::{Body, Catalog, Contract, ReadBody};
use countersign_core::effect::{self, Ask};
use countersign_core::error::Refused;
use countersign_core::expr::Scope;
use countersign_core::lifecycle::{Event, Outcome};
use countersign_core::seal;
use countersign_executor::driver::Driver;
use countersign_executor::ports::{Backends, Clock};
use countersign_shared::codes::Code;
use countersign_shared::ids::ReceiptId;
use jiff::Timestamp;
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::{Map, Value as Json};
use uuid::Uuid;

use super::super::backend::Recording;
use super::super::rehearsal::{Rehearsal, Stage, arguments};
use super::super::{subject, tool, unasked};

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
    pub(super) async fn run(&self, catalog: &Arc<Catalog>) -> Result<Came, String> {
        let contract = tool(catalog, &self.tool).map_err(|e| e.to_string())?;
        let recording = Arc::new(Recording::new(&self.answers));
        let stage = self.stage(catalog, Arc::clone(&recording))?;
        let came = match &contract.body {
            Body::Read(read) => self.read(&stage, contract, read).await,
            Body::Write(_) => self.write(&stage, contract).await,
        };
        let missing = recording.missing();
        if !missing.is_empty() {
            return Err(format!("`answers` has none for {}", missing.join(", ")));
        }
        Ok(came.unwrap_or_else(Came::refused))
    }

    fn stage(&self, catalog: &Arc<Catalog>, recording: Arc<Recording>) -> Result<Stage, String> {
        let clock: Arc<dyn Clock> = Arc::new(Forward(Mutex::new(Timestamp::now())));
        let subject = subject("recorded", &self.subject, clock.now()).map_err(|e| e.to_string())?;
        let backends = recording as Arc<dyn Backends>;
        let driver = Driver::new(Arc::clone(catalog), backends, Arc::clone(&clock));
        let policy = unasked::policy().map_err(|e| e.to_string())?;
        Ok(Stage { driver, policy, subject, clock })
    }

    async fn read(
        &self,
        stage: &Stage,
        contract: &Contract,
        read: &ReadBody,
    ) -> Result<Came, Refused> {
        let arguments = arguments(contract, &Json::Object(self.arguments.clone()))?;
        let value = stage.driver.fetch(&stage.subject, contract, &arguments).await?;
        let say = match &read.say {
            Some(say) => say.render(&Scope::of(&value)).unwrap_or_else(|error| error.to_string()),
            None => String::new(),
        };
        Ok(Came { output: value.to_json(), say, ..Came::default() })
    }

    async fn write(&self, stage: &Stage, contract: &Contract) -> Result<Came, Refused> {
        let Stage { driver, clock, .. } = stage;
        let mut rehearsal = self.intended(stage, contract).await?;
        for _ in 0..MAX_STEPS {
            let event = match effect::ask(&rehearsal.state, contract, clock.now()) {
                Ask::Send => {
                    let sent = driver.send(rehearsal.dispatch()?, contract).await;
                    Event::Answered(Box::new(sent))
                }
                Ask::Resend(at) => {
                    clock.until(at).await;
                    Event::Resent(clock.now())
                }
                Ask::Look(at) => {
                    clock.until(at).await;
                    let look = driver.look(rehearsal.dispatch()?, contract).await;
                    Event::Looked(Box::new(look))
                }
                Ask::Settle(settlement) => Event::Settled(settlement),
                Ask::Seal => return sealed(&rehearsal, contract, clock.now()),
                Ask::AwaitGrants | Ask::Claim | Ask::Gate | Ask::Prepare | Ask::Nothing => break,
            };
            rehearsal = rehearsal.step(event)?;
        }
        Err(Refused::new(Code::Internal, "the action does not come to an end"))
    }

    /// The write up to its sending.
    async fn intended<'c>(
        &self,
        stage: &Stage,
        contract: &'c Contract,
    ) -> Result<Rehearsal<'c>, Refused> {
        let arguments = arguments(contract, &Json::Object(self.arguments.clone()))?;
        let account = stage.driver.account(&stage.subject.tenant, contract)?;
        let proposed = Rehearsal::propose(stage, contract, &arguments).await?;
        let claimed = proposed.claim(stage, Some(&self.marker))?;
        claimed.gate(stage).await?.intend(account, stage.clock.now())
    }
}

/// A clock that goes on only where somebody waits.
struct Forward(Mutex<Timestamp>);

#[async_trait]
impl Clock for Forward {
    fn now(&self) -> Timestamp {
        *self.0.lock()
    }

    async fn until(&self, at: Timestamp) {
        let mut now = self.0.lock();
        *now = at.max(*now);
    }
}

/// What the receipt would say.
fn sealed(rehearsal: &Rehearsal<'_>, contract: &Contract, now: Timestamp) -> Result<Came, Refused> {
    let id = ReceiptId::from_uuid(Uuid::now_v7());
    let leaf = seal::seal(&rehearsal.state, Some(contract), &id, now);
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::path::Path;

    use countersign_executor::packs;

    use super::super::super::{catalog, load};
    use super::*;

    /// The contract, the recordings and the case of each write of the shipped packs.
    fn writes(dir: &Path) -> Vec<(Arc<Catalog>, Case)> {
        packs::write_shipped(dir).unwrap();
        let mut writes = Vec::new();
        for pack in std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()) {
            let catalog = Arc::new(catalog(load(&pack).unwrap()).unwrap());
            for (_, text) in
                packs::read_dir(&pack).unwrap().iter().filter(|f| f.0.ends_with(".json"))
            {
                let case: Case = serde_json::from_str(text).unwrap();
                if matches!(tool(&catalog, &case.tool).unwrap().body, Body::Write(_)) {
                    writes.push((Arc::clone(&catalog), case));
                }
            }
        }
        writes
    }

    #[tokio::test]
    async fn every_write_sends_its_marker_and_fills_its_card() {
        let dir = tempfile::tempdir().unwrap();
        let mut sent = 0;
        for (catalog, case) in writes(dir.path()) {
            let stage = case.stage(&catalog, Arc::new(Recording::new(&case.answers))).unwrap();
            let contract = tool(&catalog, &case.tool).unwrap();
            let Ok(ready) = case.intended(&stage, contract).await else { continue };
            let card = ready.proposal().card();
            assert!(!card.contains(['{', '}']), "{}: {card}", case.tool);
            let body = String::from_utf8_lossy(&ready.dispatch().unwrap().request().body);
            assert!(body.contains(&case.marker), "{}: {body}", case.tool);
            sent += 1;
        }
        assert!(sent >= 5, "{sent}");
    }
}
