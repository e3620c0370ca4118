//! Asks every row.

use super::{Checked, Row, Who};
use crate::contract::{Catalog, Contract};
use crate::error::Refused;
use crate::policy::{Approval, Policy, Question, Verdict};
use crate::subject::{Kind, Strength, Subject};

const ISSUER: &str = "https://issuer.of.the.tests.invalid";

impl Policy {
    /// Asks every row of the table, with the tools of these packs.
    #[must_use]
    pub fn run_table(&self, catalog: &Catalog) -> Vec<Checked> {
        self.table().rows.iter().map(|row| self.check_row(row, catalog)).collect()
    }

    fn check_row(&self, row: &Row, catalog: &Catalog) -> Checked {
        let answer = match catalog.tools.get(&row.tool) {
            Some(contract) => self.answer(row, contract),
            None => Err(format!("no loaded pack has the tool `{}`", row.tool)),
        };
        let (got, by) = match &answer {
            Ok(Ok(verdict)) if row.mode.is_some() => {
                (format!("permit, {}", verdict.mode().name()), verdict.policies().join(", "))
            }
            Ok(Ok(verdict)) => ("permit".to_owned(), verdict.policies().join(", ")),
            Ok(Err(refused)) => (refused.code.clone(), refused.message.clone()),
            Err(why) => ("no answer".to_owned(), why.clone()),
        };
        let expected = row.expected();
        Checked { line: row.line, what: row.what(), passed: got == expected, expected, got, by }
    }

    /// The policy's answer; the outer error where the row asks about nothing.
    fn answer(&self, row: &Row, contract: &Contract) -> Result<Result<Verdict, Refused>, String> {
        let Who::Person { id, role } = &row.who else {
            return Ok(self.ask(&question(row, contract, &subject(row))));
        };
        let Some(person) = self.people().get(id) else {
            return Err(format!("there is no person `{id}` in people.yaml"));
        };
        Ok(self.ask_approver(&Approval {
            person,
            role,
            requester: &subject(row),
            channel: &row.channel,
            workload: &row.workload,
            conversation: "",
            contract,
            money: row.amount,
            confidence: row.confidence,
            now: row.at,
        }))
    }
}

fn question<'a>(row: &'a Row, contract: &'a Contract, subject: &'a Subject) -> Question<'a> {
    Question {
        verb: row.verb,
        subject,
        workload: &row.workload,
        channel: &row.channel,
        conversation: "",
        contract,
        money: row.amount,
        confidence: row.confidence,
        now: row.at,
    }
}

/// The row's subject; for an approver's row, a customer who asked.
fn subject(row: &Row) -> Subject {
    let asked = Subject {
        tenant: row.tenant.clone(),
        issuer: ISSUER.to_owned(),
        id: "somebody".to_owned(),
        signs_as: "somebody".to_owned(),
        claims: std::collections::BTreeMap::new(),
        kind: Kind::Customer,
        scopes: std::collections::BTreeSet::new(),
        segment: String::new(),
        strength: Strength::SignedIn,
        verified_at: row.at,
    };
    match &row.who {
        Who::Person { .. } => asked,
        Who::Subject { kind, id, segment, strength, scopes } => Subject {
            kind: *kind,
            id: id.clone(),
            segment: segment.clone(),
            strength: *strength,
            scopes: scopes.clone(),
            ..asked
        },
    }
}

impl Row {
    fn expected(&self) -> String {
        match (&self.refusal, &self.mode) {
            (Some(code), _) => code.clone(),
            (None, Some(mode)) => format!("permit, {mode}"),
            (None, None) => "permit".to_owned(),
        }
    }

    fn what(&self) -> String {
        let who = match &self.who {
            Who::Person { id, .. } => id.clone(),
            Who::Subject { kind, segment, strength, scopes, .. } => {
                let kind = if *kind == Kind::Staff { "staff" } else { "customer" };
                let strength = match strength {
                    Strength::Asserted => "asserted",
                    Strength::Matched => "matched",
                    Strength::SignedIn => "signed in",
                    Strength::Strong => "strong",
                };
                let scopes = scopes.iter().map(String::as_str).collect::<Vec<_>>().join(" ");
                let parts = [kind, segment, strength, &scopes];
                parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
            }
        };
        let amount = self.amount.map(|money| format!(" {money}")).unwrap_or_default();
        format!("{who}: {} {}{amount}", self.verb.name(), self.tool)
    }
}
