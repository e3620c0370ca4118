//! Reads as the executor makes them, from any source of answers.

use std::collections::BTreeMap;

use countersign_core::answer::ReadFailure;
use countersign_core::contract::{Body, Catalog, Contract, FreshRead, WriteBody};
use countersign_core::dispatch::Dispatch;
use countersign_core::error::Refused;
use countersign_core::expr::{Scope, Template};
use countersign_core::gate::by_pack;
use countersign_core::observe;
use countersign_core::request;
use countersign_core::resolve::{Arguments, computed};
use countersign_core::state::State;
use countersign_core::subject::Subject;
use countersign_core::value::Value;
use countersign_core::verify::{self, Look, Sight};
use countersign_shared::codes::Code;
use jiff::Timestamp;
use serde_json::{Map, Value as Json};

use super::backend::Source;

/// Tries of one read.
const TRIES: u32 = 3;

/// Makes reads for one subject.
pub(super) struct Reader<'a, S> {
    pub(super) catalog: &'a Catalog,
    pub(super) source: S,
    pub(super) subject: Subject,
    /// What the clock says; a recorded case sets it forward.
    pub(super) now: Timestamp,
}

impl<S: Source> Reader<'_, S> {
    /// A read's output, the subject's part of it.
    pub(super) async fn fetch(
        &mut self,
        contract: &Contract,
        arguments: &Arguments,
    ) -> Result<Value, Refused> {
        let Body::Read(read) = &contract.body else {
            return Err(rule(&contract.tool, &"not a read"));
        };
        let raw = self.read(contract, arguments).await?;
        observe::observe(contract, read, &raw, &self.subject)
    }

    /// Every fresh read of a write.
    pub(super) async fn state(
        &mut self,
        reads: &[FreshRead],
        arguments: &Arguments,
    ) -> Result<State, Refused> {
        let mut state = State::default();
        for read in reads {
            let scope = state.scope(arguments, &self.subject, self.now);
            let value = self.fresh(read, scope).await?;
            state.reads.insert(read.name.clone(), value);
        }
        Ok(state)
    }

    async fn fresh(&mut self, read: &FreshRead, scope: Scope) -> Result<Value, Refused> {
        let tool = self.tool(&read.tool)?;
        let Some(fan) = &read.each else {
            return self.fetch(tool, &with(&read.with, &scope, tool)?).await;
        };
        let over = fan.over.eval(&scope).map_err(|e| rule(&read.name, &e))?;
        let Value::List(items) = over else { return Err(rule(&read.name, &"not a list")) };
        if items.len() > fan.max {
            return Err(rule(&read.name, &format!("more than {} to read", fan.max)));
        }
        let mut results = Vec::new();
        for item in items {
            let scope = scope.clone().with(&fan.name, item);
            results.push(self.fetch(tool, &with(&read.with, &scope, tool)?).await?);
        }
        Ok(Value::List(results))
    }

    /// Looks for the effect of a write.
    pub(super) async fn look(&mut self, write: &WriteBody, dispatch: &Dispatch) -> Look {
        let scope = dispatch.cleared().scope().with("response", dispatch.response());
        let at = self.now;
        match self.look_at(write, &scope).await {
            Ok(looked) => Look { at, sight: verify::judge(write, scope, &looked), looked },
            Err(refused) => {
                let sight = Sight::Unreadable { why: refused.to_string() };
                Look { at, looked: Value::Null, sight }
            }
        }
    }

    async fn look_at(&mut self, write: &WriteBody, scope: &Scope) -> Result<Value, Refused> {
        let tool = self.tool(&write.verify.look)?;
        let Body::Read(read) = &tool.body else { return Err(rule(&tool.tool, &"not a read")) };
        let raw = self.read(tool, &with(&write.verify.with, scope, tool)?).await?;
        observe::project(tool, read, &raw)
    }

    async fn read(&mut self, contract: &Contract, arguments: &Arguments) -> Result<Json, Refused> {
        let scope = State::default().scope(arguments, &self.subject, self.now);
        let request =
            request::render(contract, &scope, None).map_err(|e| rule(&contract.tool, &e))?;
        let mut tries = 1;
        loop {
            match self.source.read(contract, &request).await {
                Err(failure) if failure.retryable && tries < TRIES => tries += 1,
                Err(failure) => return Err(unread(contract, &failure)),
                Ok(raw) => return Ok(raw),
            }
        }
    }
}

impl<'a, S> Reader<'a, S> {
    fn tool(&self, name: &str) -> Result<&'a Contract, Refused> {
        let tool = self.catalog.tools.get(name).map(AsRef::as_ref);
        tool.ok_or_else(|| rule(name, &"no contract of this name"))
    }
}

fn unread(contract: &Contract, failure: &ReadFailure) -> Refused {
    let known =
        contract.pack.codes.contains_key(&failure.code) || Code::by_name(&failure.code).is_some();
    let code = if known { failure.code.as_str() } else { Code::StateUnreadable.name() };
    let mut refused = by_pack(contract, code);
    refused.message = format!("{}: {}", contract.tool, failure.message);
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

fn rule(what: &str, error: &dyn std::fmt::Display) -> Refused {
    Refused::new(Code::RuleError, format!("{what}: {error}"))
}
