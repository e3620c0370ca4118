//! Acts for the core: reads fresh state, sends a durable intent, looks for its
//! effect. Decides nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use countersign_core::answer::{self, Barrier, ReadFailure, Sent};
use countersign_core::contract::{Body, Catalog, Contract, FreshRead, Matching};
use countersign_core::dispatch::{Account, AttemptResult, Dispatch};
use countersign_core::error::Refused;
use countersign_core::expr::{Scope, Template};
use countersign_core::gate::{self, by_pack};
use countersign_core::gates::Gate;
use countersign_core::resolve::{Arguments, computed};
use countersign_core::state::State;
use countersign_core::subject::Subject;
use countersign_core::value::Value;
use countersign_core::verify::{self, Look, Sight};
use countersign_core::{observe, request};
use countersign_shared::codes::Code;
use serde_json::{Map, Value as Json};

use crate::ports::{Backends, Clock};

/// Tries of one read.
const TRIES: u32 = 3;
/// Most of an answer to a write that is kept as it came, in bytes.
const RAW: usize = 8 * 1024;
/// Longest wait between two tries of a read.
const LONGEST: Duration = Duration::from_secs(2);
/// Longest that a look waits for a turn; a connection that gives none for so long is broken.
const LONGEST_QUEUE: Duration = Duration::from_secs(600);

/// Reaches backends for the pipeline.
#[derive(Clone)]
pub struct Driver {
    catalog: Arc<Catalog>,
    backends: Arc<dyn Backends>,
    clock: Arc<dyn Clock>,
    /// Packs that are not what was activated.
    inactive: Arc<BTreeSet<String>>,
}

impl Driver {
    /// With every active contract and every backend.
    #[must_use]
    pub fn new(
        catalog: Arc<Catalog>,
        backends: impl Into<Arc<dyn Backends>>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { catalog, backends: backends.into(), clock, inactive: Arc::default() }
    }

    /// With packs that nothing is read or sent with until they are activated.
    #[must_use]
    pub fn without(mut self, inactive: BTreeSet<String>) -> Self {
        self.inactive = Arc::new(inactive);
        self
    }

    /// NO ONE HOLDS THE WHOLE PEN: only what was activated runs.
    ///
    /// # Errors
    /// `NOT_ACTIVATED`.
    pub fn active(&self, contract: &Contract) -> Result<(), Refused> {
        let pack = &contract.pack;
        if !self.inactive.contains(&pack.name) || !Gate::Activated.is_on() {
            return Ok(());
        }
        let message =
            format!("pack {} has digest {}, not the one activated", pack.name, pack.digest);
        Err(Refused::new(Code::NotActivated, message))
    }

    /// Carries out a read contract for a subject; what is not the subject's is left
    /// out or refused (SUBJECT OWNS IT).
    ///
    /// # Errors
    /// The contract's own refusals, `STATE_UNREADABLE`, `NOT_THE_SUBJECTS`,
    /// `OWNER_UNKNOWN`.
    pub async fn fetch(
        &self,
        subject: &Subject,
        contract: &Contract,
        arguments: &Arguments,
    ) -> Result<Value, Refused> {
        let Body::Read(read) = &contract.body else { return Err(not_a_read(contract)) };
        let raw = self.read(subject, contract, arguments).await?;
        observe::observe(contract, read, &raw, subject)
    }

    /// What the backend has under a guest's order number, whoever it belongs to.
    ///
    /// # Errors
    /// As [`Self::fetch`].
    pub async fn identify(
        &self,
        subject: &Subject,
        matching: &Matching,
        order: &str,
        email: &str,
    ) -> Result<Value, Refused> {
        let text = |text: &str| Value::Str(text.to_owned());
        let scope = Scope::new().with("order", text(order)).with("email", text(email));
        let tool = self.catalog.tools.get(&matching.tool);
        let tool = tool.ok_or_else(|| rule(&matching.tool, &"no such contract"))?;
        self.fetch(subject, tool, &with(&matching.with, &scope, tool)?).await
    }

    /// Every fresh read of a write, in order (FRESH STATE).
    ///
    /// # Errors
    /// The first read that fails.
    pub async fn state(
        &self,
        subject: &Subject,
        contract: &Contract,
        reads: &[FreshRead],
        arguments: &Arguments,
    ) -> Result<State, Refused> {
        let mut state = State::default();
        for read in reads {
            let scope = state.scope(arguments, subject, self.clock.now());
            let tool = self.tool(&read.tool, contract)?;
            let value = match &read.each {
                None => self.fetch(subject, tool, &with(&read.with, &scope, tool)?).await?,
                Some(fan) => {
                    let over = fan.over.eval(&scope).map_err(|e| rule(&read.name, &e))?;
                    let Value::List(items) = over else {
                        return Err(rule(&read.name, &"not a list"));
                    };
                    if items.len() > fan.max {
                        return Err(rule(&read.name, &format!("more than {} to read", fan.max)));
                    }
                    let mut results = Vec::new();
                    for item in items {
                        let scope = scope.clone().with(&fan.name, item);
                        results.push(
                            self.fetch(subject, tool, &with(&read.with, &scope, tool)?).await?,
                        );
                    }
                    Value::List(results)
                }
            };
            state = state.with(&read.name, value);
        }
        Ok(state)
    }

    /// Where a write of this tenant goes, by name.
    ///
    /// # Errors
    /// `EGRESS_DENIED` where no connection is set up.
    pub fn account(&self, tenant: &str, contract: &Contract) -> Result<Account, Refused> {
        self.active(contract)?;
        self.backends.account(tenant, &contract.pack.name).ok_or_else(|| {
            let message = format!("no connection to {} for this tenant", contract.pack.name);
            Refused::new(Code::EgressDenied, message)
        })
    }

    /// Sends the durable intent once.
    pub async fn send(&self, dispatch: &Dispatch, contract: &Contract) -> AttemptResult {
        let subject = &dispatch.proposal().asked().subject;
        let sent = match self.same_account(dispatch, contract) {
            Ok(()) => self.backends.send(subject, contract, dispatch.request()).await,
            // Only another start changes that.
            Err(refused) => Sent::NotSent { barrier: Barrier::Egress, why: refused.to_string() },
        };
        let (status, raw) = match &sent {
            Sent::Answered { status, body, .. } => (Some(*status), kept(body)),
            Sent::NotSent { .. } | Sent::Lost { .. } => (None, String::new()),
        };
        AttemptResult { at: self.clock.now(), status, verdict: answer::judge(contract, &sent), raw }
    }

    /// Looks for the effect once our own limits give it a turn: until then nobody has looked,
    /// and no read has failed.
    pub async fn look_in_turn(&self, dispatch: &Dispatch, contract: &Contract) -> Look {
        let begun = self.clock.awake();
        loop {
            let at = self.clock.now();
            match self.seen(at, dispatch.cleared().scope(), dispatch, contract).await {
                Ok(look) => return look,
                Err(busy) if self.clock.awake().saturating_sub(begun) > LONGEST_QUEUE => {
                    return unreadable(at, busy.to_string());
                }
                Err(_) => {
                    let again = at.saturating_add(LONGEST).unwrap_or(jiff::Timestamp::MAX);
                    self.clock.until(again).await;
                }
            }
        }
    }

    /// Looks for the effect once.
    pub async fn look(&self, dispatch: &Dispatch, contract: &Contract) -> Look {
        self.look_by(dispatch.cleared().scope(), dispatch, contract).await
    }

    /// The same, by the key and the marker in `scope`.
    pub async fn look_by(&self, scope: Scope, dispatch: &Dispatch, contract: &Contract) -> Look {
        // A read shows what was there when it was asked; its answer may be long on its way.
        let at = self.clock.now();
        let seen = self.seen(at, scope, dispatch, contract).await;
        seen.unwrap_or_else(|busy| unreadable(at, busy.to_string()))
    }

    /// What is seen now; `Err` where our own limits gave the read no turn.
    async fn seen(
        &self,
        at: jiff::Timestamp,
        scope: Scope,
        dispatch: &Dispatch,
        contract: &Contract,
    ) -> Result<Look, Refused> {
        let read = self.read_back(scope, dispatch, contract).await;
        Ok(match (read, &contract.body) {
            (Ok((scope, looked)), Body::Write(write)) => {
                Look { at, sight: verify::judge(write, scope, &looked), looked }
            }
            (Err(busy), _) if busy.is(Code::Overloaded) => return Err(busy),
            (Err(refused), _) => unreadable(at, refused.to_string()),
            (Ok(_), Body::Read(_)) => unreadable(at, "not a write".to_owned()),
        })
    }

    /// AT MOST ONE EFFECT: a key and a marker mean nothing at another account.
    fn same_account(&self, dispatch: &Dispatch, contract: &Contract) -> Result<(), Refused> {
        let now = self.account(&dispatch.proposal().asked().subject.tenant, contract)?;
        if now.account == dispatch.account().account {
            return Ok(());
        }
        let message = format!("the connection now goes to another account, {}", now.account);
        Err(Refused::new(Code::EgressDenied, message))
    }

    async fn read_back(
        &self,
        scope: Scope,
        dispatch: &Dispatch,
        contract: &Contract,
    ) -> Result<(Scope, Value), Refused> {
        self.same_account(dispatch, contract)?;
        let Body::Write(write) = &contract.body else { return Err(not_a_read(contract)) };
        let subject = &dispatch.proposal().asked().subject;
        let scope = scope.with("response", dispatch.response());
        let tool = self.tool(&write.verify.look, contract)?;
        let Body::Read(read) = &tool.body else { return Err(not_a_read(tool)) };
        let arguments = with(&write.verify.with, &scope, tool)?;
        let raw = self.read(subject, tool, &arguments).await?;
        // Whose it is was settled before the effect; what happened is seen either way.
        Ok((scope, observe::project(tool, read, &raw)?))
    }

    async fn read(
        &self,
        subject: &Subject,
        contract: &Contract,
        arguments: &Arguments,
    ) -> Result<Json, Refused> {
        self.active(contract)?;
        let scope = State::default().scope(arguments, subject, self.clock.now());
        let request =
            request::render(contract, &scope, None).map_err(|e| rule(&contract.tool, &e))?;
        let mut tries = 0;
        loop {
            tries += 1;
            match self.backends.read(subject, contract, &request).await {
                Ok(raw) => return Ok(raw),
                Err(failure) if failure.retryable && tries < TRIES => {
                    let wait = failure.after.unwrap_or(Duration::from_millis(100) * (1 << tries));
                    let again = self.clock.now().checked_add(wait.min(LONGEST));
                    self.clock.until(again.unwrap_or(jiff::Timestamp::MAX)).await;
                }
                Err(failure) => return Err(unread(contract, &failure)),
            }
        }
    }

    fn tool(&self, name: &str, of: &Contract) -> Result<&Contract, Refused> {
        let tool = self.catalog.tools.get(name).map(AsRef::as_ref);
        tool.ok_or_else(|| rule(&of.tool, &format!("no contract named {name}")))
    }
}

/// As much of an answer as the journal keeps.
fn kept(body: &[u8]) -> String {
    let most = body.len().min(RAW);
    String::from_utf8_lossy(body.get(..most).unwrap_or_default()).into_owned()
}

/// A refusal of the backend is the read's own; everything else is unreadable.
fn unread(contract: &Contract, failure: &ReadFailure) -> Refused {
    let own = contract.pack.codes.contains_key(&failure.code);
    let mut refused = if own || Code::by_name(&failure.code).is_some() {
        by_pack(contract, &failure.code)
    } else {
        Refused::new(Code::StateUnreadable, "")
    };
    refused.message = format!("{}: {}", contract.tool, failure.message);
    refused.retry_after = failure.after;
    refused
}

fn with(
    templates: &BTreeMap<String, Template>,
    scope: &Scope,
    contract: &Contract,
) -> Result<Arguments, Refused> {
    let mut values = Map::new();
    for (name, template) in templates {
        let value = template.render(scope).map_err(|e| rule(name, &e))?;
        // An absent optional argument is left out, not null.
        if value != Json::Null {
            values.insert(name.clone(), value);
        }
    }
    computed(values, contract)
}

fn unreadable(at: jiff::Timestamp, why: String) -> Look {
    Look { at, looked: Value::Null, sight: Sight::Unreadable { why } }
}

fn not_a_read(contract: &Contract) -> Refused {
    rule(&contract.tool, &"not a read")
}

fn rule(what: &str, error: &dyn std::fmt::Display) -> Refused {
    Refused::new(Code::RuleError, format!("{what}: {error}"))
}

/// The gates' inputs for an action as it was proposed.
#[must_use]
pub fn facts<'a>(
    contract: &'a Contract,
    policy: &'a countersign_core::policy::Policy,
    write: &'a countersign_core::contract::WriteBody,
    proposal: &'a countersign_core::proposal::Proposal,
    state: &'a State,
    now: jiff::Timestamp,
) -> gate::Facts<'a> {
    gate::Facts {
        contract,
        policy,
        write,
        arguments: proposal.arguments(),
        state,
        asked: proposal.asked(),
        now,
    }
}
