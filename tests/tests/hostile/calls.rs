//! Every message to the executor goes through here, so that the oracle sees what came
//! of it.

use countersign_proto::v1;
use countersign_proto::v1::execute_request::Target;
use countersign_shared::receipt;
use countersign_shared::refusal::Refusal;
use tonic::Status;

use super::oracle::Ask;
use super::parts::place;
use super::scene::{Presented, Scene};

impl Scene<'_> {
    fn ask(&self, by: &Presented, conv: &str, score: f64) -> Ask {
        Ask { who: by.who.clone(), conv: conv.to_owned(), score, at: self.clock.seconds() }
    }

    pub async fn propose(&mut self, by: &Presented, plan: v1::Plan) -> Option<v1::Proposal> {
        let score = plan.confidence.as_ref().map_or(0.0, |c| c.score);
        let ask = self.ask(by, &plan.conversation_id, score);
        let before = self.bank.happened();
        let request = v1::ProposeRequest {
            subject_token: by.token.clone(),
            messages: by.words.clone(),
            plan: Some(plan),
            confirm_by_link: false,
        };
        let answer = self.door.propose(request).await;
        self.look(before, &ask, "", by, &answer);
        let proposal = answer.ok()?.proposal?;
        self.wrong(self.oracle.one_more_card(&ask));
        self.oracle.asks.insert(proposal.proposal_id.clone(), ask);
        Some(proposal)
    }

    /// A plan that needs no yes, or pretends to.
    pub async fn run(&mut self, by: &Presented, plan: v1::Plan) -> Option<v1::ExecuteResponse> {
        let score = plan.confidence.as_ref().map_or(0.0, |c| c.score);
        let ask = self.ask(by, &plan.conversation_id, score);
        let (before, conv) = (self.bank.happened(), plan.conversation_id.clone());
        let request = v1::ExecuteRequest {
            subject_token: by.token.clone(),
            target: Some(Target::Plan(plan)),
            messages: by.words.clone(),
            confirmation: String::new(),
        };
        let answer = self.door.execute(request).await;
        self.look(before, &ask, "", by, &answer);
        let answer = answer.ok()?;
        for seen in &answer.observations {
            self.wrong(self.oracle.may_see(by.who.as_ref(), &seen.tool));
        }
        self.lockers_seen(by, &conv, &answer);
        Some(answer)
    }

    fn lockers_seen(&mut self, by: &Presented, conv: &str, answer: &v1::ExecuteResponse) {
        let Some(who) = &by.who else { return };
        for seen in answer.observations.iter().filter(|o| o.tool == "shop.list_lockers") {
            let value: serde_json::Value = serde_json::from_str(&seen.value_json).unwrap();
            for locker in value["lockers"].as_array().into_iter().flatten() {
                let id = locker["id"].as_str().unwrap_or_default().to_owned();
                let entry = (who.tenant, who.sub.clone(), conv.to_owned(), id);
                self.oracle.seen.insert(entry);
            }
        }
    }

    pub async fn execute(
        &mut self,
        by: &Presented,
        proposal: &str,
        yes: &str,
    ) -> Option<v1::Action> {
        let before = self.bank.happened();
        let nobody = Ask { who: None, conv: String::new(), score: 0.0, at: 0 };
        let mut ask = self.oracle.asks.get(proposal).cloned().unwrap_or(nobody);
        // Who sets it off has to be who asked for it.
        if ask.who != by.who {
            ask.who = None;
        }
        let request = v1::ExecuteRequest {
            subject_token: by.token.clone(),
            target: Some(Target::ProposalId(proposal.to_owned())),
            messages: Vec::new(),
            confirmation: yes.to_owned(),
        };
        let answer = self.door.execute(request).await;
        self.look(before, &ask, proposal, by, &answer);
        let action = answer.ok()?.action;
        self.wrong(self.oracle.may_touch(by.who.as_ref(), proposal));
        action
    }

    /// The same call, several times at once.
    pub async fn execute_at_once(
        &mut self,
        by: &Presented,
        proposal: &str,
        yes: &str,
        times: usize,
    ) {
        let mut before = self.bank.happened();
        let Some(ask) = self.oracle.asks.get(proposal).cloned() else { return };
        let call = || v1::ExecuteRequest {
            subject_token: by.token.clone(),
            target: Some(Target::ProposalId(proposal.to_owned())),
            messages: Vec::new(),
            confirmation: yes.to_owned(),
        };
        let calls = (0..times).map(|_| self.door.execute(call()));
        for answer in futures_util::future::join_all(calls).await {
            self.look(before, &ask, proposal, by, &answer);
            before = self.bank.happened();
        }
    }

    /// An approver's answer, whoever hands it over.
    pub async fn answer(&mut self, proposal: &str, jws: &str) -> Option<v1::Action> {
        let before = self.bank.happened();
        let nobody = Ask { who: None, conv: String::new(), score: 0.0, at: 0 };
        let ask = self.oracle.asks.get(proposal).cloned().unwrap_or(nobody);
        let by = Presented { token: String::new(), who: ask.who.clone(), words: Vec::new() };
        let request =
            v1::AnswerRequestRequest { proposal_id: proposal.to_owned(), jws: jws.to_owned() };
        let answer = self.door.answer(request).await;
        self.look(before, &ask, proposal, &by, &answer);
        answer.ok()?.action
    }

    pub async fn ask_action(&mut self, by: &Presented, action: &str) {
        let ask = self.ask(by, "", 0.0);
        let before = self.bank.happened();
        let request =
            v1::GetActionRequest { subject_token: by.token.clone(), action_id: action.to_owned() };
        let answer = self.door.action(request).await;
        self.look(before, &ask, "", by, &answer);
    }

    pub async fn withdraw(&mut self, by: &Presented, proposal: &str) {
        let ask = self.ask(by, "", 0.0);
        let before = self.bank.happened();
        let request = v1::WithdrawRequest {
            subject_token: by.token.clone(),
            proposal_id: proposal.to_owned(),
        };
        let answer = self.door.withdraw(request).await;
        self.look(before, &ask, "", by, &answer);
        if answer.is_ok() {
            self.wrong(self.oracle.may_touch(by.who.as_ref(), proposal));
        }
    }

    pub async fn ask_receipts(&mut self, by: &Presented) {
        let ask = self.ask(by, "", 0.0);
        let before = self.bank.happened();
        let request = v1::ListReceiptsRequest {
            subject_token: by.token.clone(),
            page_size: 20,
            ..Default::default()
        };
        let answer = self.door.receipts(request).await;
        let shown = answer.map(|page| {
            let receipts = page.receipts.iter();
            // A leaf says nothing of anybody by itself.
            receipts.map(|r| receipt::opened(&r.body, &r.openings).unwrap()).collect::<Vec<_>>()
        });
        self.look(before, &ask, "", by, &shown);
    }

    /// Asks who a guest is.
    pub async fn matched(&mut self, by: &Presented, conv: &str, order: &str, email: &str) -> bool {
        let ask = self.ask(by, conv, 0.0);
        let before = self.bank.happened();
        let request = v1::MatchSubjectRequest {
            subject_token: by.token.clone(),
            messages: by.words.clone(),
            conversation_id: conv.to_owned(),
            order: by.words.first().map(|words| place(words, order)),
            email: by.words.first().map(|words| place(words, email)),
        };
        let answer = self.door.match_subject(request).await;
        self.look(before, &ask, "", by, &answer);
        answer.is_ok()
    }

    /// The planner asks what waits for the house.
    pub async fn ask_requests(&mut self) {
        let nobody = Presented { token: String::new(), who: None, words: Vec::new() };
        let ask = self.ask(&nobody, "", 0.0);
        let before = self.bank.happened();
        let answer = self.door.requests(v1::ListRequestsRequest::default()).await;
        self.look(before, &ask, "", &nobody, &answer);
        if answer.is_ok_and(|page| !page.requests.is_empty()) {
            self.wrong(Err("what waits for the house is shown to a planner".to_owned()));
        }
    }

    pub fn wrong(&mut self, verdict: Result<(), String>) {
        self.tally.violations.extend(verdict.err());
    }

    /// The oracle's turn, after each message.
    fn look<T: std::fmt::Debug>(
        &mut self,
        before: usize,
        ask: &Ask,
        proposal: &str,
        by: &Presented,
        answer: &Result<T, Status>,
    ) {
        self.tally.inputs += 1;
        let now = self.clock.seconds();
        for effect in self.bank.since(before) {
            self.tally.dispatched += 1;
            if let Err(why) = self.oracle.judge(&self.bank, &effect, ask, proposal, now) {
                self.tally.violations.push(why);
            }
        }
        let text = match answer {
            Ok(answer) => format!("{answer:?}"),
            Err(status) => {
                let refusal = Refusal::from_status(status);
                let code = refusal.map_or_else(|| status.code().to_string(), |r| r.code);
                *self.tally.codes.entry(code).or_default() += 1;
                format!("{status:?}")
            }
        };
        for other in self.people.iter().filter(|p| by.who.as_ref() != Some(*p)) {
            let shown = answer.is_ok();
            let hidden = [
                Some(&other.secret),
                shown.then_some(&other.locker),
                shown.then_some(&other.customer),
            ];
            if hidden.into_iter().flatten().any(|secret| shows(&text, secret)) {
                self.tally.violations.push(format!("{} is shown to {:?}", other.sub, by.who));
            }
        }
    }
}

/// The whole word, not the beginning of a longer one.
fn shows(text: &str, secret: &str) -> bool {
    text.match_indices(secret).any(|(at, _)| {
        let next = text[at + secret.len()..].chars().next();
        next.is_none_or(|c| !c.is_ascii_digit())
    })
}
