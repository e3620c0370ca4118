//! One plan from its asking to its receipt, through the core's own functions, as the
//! executor's driver would take it: whatever can come in between may.

use countersign_core::abandon::abandon;
use countersign_core::answer::Verdict;
use countersign_core::brief::{Brief, Occasion, Purpose, Wanted};
use countersign_core::claim::{self, Known, Latest};
use countersign_core::dispatch::{self, Account, AttemptResult};
use countersign_core::effect::{Ask, ask};
use countersign_core::error::Refused;
use countersign_core::finish::{self, Matter};
use countersign_core::gate::Hearing;
use countersign_core::grant::approval::{self, rejected};
use countersign_core::grant::signature::Signature;
use countersign_core::grant::{self, Need, Parked, Signers, Vote};
use countersign_core::lifecycle::{self, Event, Outcome, State};
use countersign_core::limit::{Budget, Spent, Sum};
use countersign_core::plan::Plan;
use countersign_core::premise;
use countersign_core::proposal::{Asked, Fresh};
use countersign_core::seal::{self, Leaf};
use countersign_core::signed::Keyring;
use countersign_core::switch::Reach;
use countersign_core::value::Value;
use countersign_core::verify::{self, Look, Sight};
use countersign_shared::attest::Decision;
use countersign_shared::codes::Code;
use countersign_shared::ids::ReceiptId;
use countersign_shared::receipt::Receipt;
use jiff::Timestamp;
use serde_json::json;

use crate::books::{Active, Books};
use crate::dice::Dice;
use crate::said;
use crate::wishes::{after, evidence, messages, paid, plan, sale, state, subject};

/// A plan on its way.
pub(crate) struct Life<'b> {
    books: &'b Books,
    dice: Dice,
    /// Which of the books are active.
    at: usize,
    now: Timestamp,
    seed: u64,
    paid: i64,
    frontends: Keyring,
    receipts: Vec<Receipt>,
}

/// Every receipt of one seed.
pub(crate) fn receipts(books: &Books, seed: u64) -> Vec<Receipt> {
    let mut dice = Dice::new(seed);
    let (at, paid) = (dice.below(books.active.len()), paid(&mut dice));
    let now = after("2026-03-01T09:00:00Z".parse().unwrap(), i64::try_from(seed % 9999).unwrap());
    let frontends = said::frontends();
    let mut life = Life { books, dice, at, now, seed, paid, frontends, receipts: Vec::new() };
    life.run();
    life.receipts
}

impl Life<'_> {
    fn active(&self) -> &Active {
        &self.books.active[self.at]
    }

    fn receipt_id(&self) -> ReceiptId {
        format!("rcp_{:024}{:02}", self.seed, self.receipts.len()).parse().unwrap()
    }

    fn later(&mut self, seconds: i64) -> Timestamp {
        self.now = after(self.now, seconds);
        self.now
    }

    /// Other books become active, now and then.
    fn time_passes(&mut self) {
        if self.dice.once_in(12) {
            self.at = self.dice.below(self.books.active.len());
        }
        let wait = *self.dice.pick(&[1, 5, 60, 3600]);
        self.later(wait);
    }

    /// As the log gives it back.
    fn keep(&mut self, leaf: Leaf) {
        let bytes = serde_json::to_vec(&leaf.receipt).unwrap();
        assert!(bytes.len() <= seal::MAX_BYTES);
        self.receipts.push(serde_json::from_slice(&bytes).unwrap());
    }

    fn run(&mut self) {
        let plan = plan(&mut self.dice);
        let who = subject(&mut self.dice, self.now);
        let words = messages(&mut self.dice, self.now);
        let asked = Asked::of("spiffe://t/planner", &who, &words, &plan, self.now);
        match self.propose(asked, &plan) {
            Ok(Some(proposed)) => self.answers(proposed),
            // A read that was done has no receipt.
            Ok(None) => {}
            Err(turned) => self.turned(&turned.0, &plan, &turned.1),
        }
    }

    fn turned(&mut self, asked: &Asked, plan: &Plan, refused: &Refused) {
        if unsealed(refused) {
            return;
        }
        let tool = plan.steps.last().map_or("", |step| step.tool.as_str());
        let contract = self.active().catalog.tools.get(tool);
        let id = self.receipt_id();
        let contract = contract.map(AsRef::as_ref);
        let leaf = seal::refusal(asked, tool, contract, refused, &id, self.now);
        self.keep(leaf);
    }

    fn propose(
        &mut self,
        asked: Asked,
        plan: &Plan,
    ) -> Result<Option<State>, Box<(Asked, Refused)>> {
        let reads = plan.steps.iter().all(|step| step.tool == "till.get_sale");
        let purpose = match self.dice.below(6) {
            _ if reads && !plan.steps.is_empty() => Purpose::Read(0),
            0 => Purpose::Execute,
            _ => Purpose::Propose,
        };
        let ids = Fresh {
            proposal: format!("prp_{:026}", self.seed).parse().unwrap(),
            action: format!("act_{:026}", self.seed).parse().unwrap(),
        };
        let active = &self.books.active[self.at];
        let both = (&active.catalog, &active.policy);
        let mut brief = Brief::new(purpose, (asked, &plan.steps), both, ids, self.now);
        loop {
            let wanted = match brief.ask(&active.catalog, &active.policy) {
                Ok(wanted) => wanted,
                Err(refused) => return Err(Box::new((brief.asked, refused))),
            };
            match wanted {
                Wanted::Nothing(proposal) => {
                    return Ok(lifecycle::next(None, Event::Proposed(proposal)).ok());
                }
                Wanted::Evidence(..) => brief.take_evidence(evidence()),
                Wanted::Occasion(_) => {
                    brief.basis.occasion = Some(Occasion { latest: self.latest() });
                }
                Wanted::Reading(..) => {
                    if purpose == Purpose::Read(0) && !self.dice.once_in(3) {
                        return Ok(None);
                    }
                    if self.dice.once_in(30) {
                        brief.basis.off = Some(Reach::Tenant("t".into()));
                        continue;
                    }
                    brief.basis.read = Some(match self.dice.below(30) {
                        _ if purpose == Purpose::Read(0) => failed(Code::NotTheSubjects),
                        0 => failed(Code::NotTheSubjects),
                        1 => failed(Code::CredentialRejected),
                        _ => premise::Reading::Seen(state(&mut self.dice, self.paid)),
                    });
                    brief.basis.read_at = Some(self.later(1));
                }
                Wanted::Spent(budget) => brief.basis.spent = Some(self.spent(&budget)),
            }
        }
    }

    /// What is known of the wish: mostly nothing, or that it did not happen.
    fn latest(&mut self) -> Option<Latest> {
        let outcome = match self.dice.below(20) {
            0 => Some(Outcome::NotApplied),
            1 => Some(Outcome::Refused),
            _ => return None,
        };
        let action = format!("act_{:026}", self.seed + 1_000_000).parse().unwrap();
        Some(Latest { action, occasion: 1, outcome, receipt: None })
    }

    fn spent(&mut self, budget: &Budget) -> Spent {
        let mut spent = Spent::default();
        for (account, within) in budget.questions() {
            let so_far = match self.dice.below(12) {
                0 => 19_000,
                1 => 4_000,
                _ => 0,
            };
            let sum = Sum::one(Some(crate::wishes::usd(so_far)));
            spent.add(&account, within, "till.refund", &sum);
        }
        spent
    }

    /// People answer until nothing is missing, or it ends.
    fn answers(&mut self, mut state: State) {
        loop {
            self.time_passes();
            let State::Proposed(parked) = &state else { return self.carried(state) };
            let parked = parked.clone();
            if let Some(refused) = self.ends(&parked) {
                let state = step(state, Event::Refused(Box::new(refused)));
                return self.sealed(&state);
            }
            let next = parked.missing().next().cloned();
            let vote = match next {
                None => break,
                Some(Need::Customer) => self.confirm(&parked),
                Some(Need::Approval { .. }) => self.approve(&parked),
            };
            match vote {
                Ok(Vote::Rejected(no)) => {
                    let refused = rejected(&no);
                    let state = step(state, Event::Voted(Box::new(Vote::Rejected(no))));
                    let state = step(state, Event::Refused(Box::new(refused)));
                    return self.sealed(&state);
                }
                Ok(vote) => state = step(state, Event::Voted(Box::new(vote))),
                Err(refused) => {
                    self.not_granted(&state, &refused);
                    if self.dice.once_in(2) {
                        return;
                    }
                }
            }
        }
        self.grant(state);
    }

    /// What ends a request while it waits.
    fn ends(&mut self, parked: &Parked) -> Option<Refused> {
        let proposal = parked.proposal();
        match self.dice.below(40) {
            0 => grant::expire(proposal, after(proposal.expires_at(), 1)),
            1 => Some(Refused::new(Code::ProposalWithdrawn, "taken back by the subject")),
            2 => {
                let read = match self.dice.below(3) {
                    0 => failed(Code::NotTheSubjects),
                    1 => premise::Reading::Seen(state(&mut self.dice, self.paid + 1)),
                    _ => premise::Reading::Seen(state(&mut self.dice, self.paid)),
                };
                let active = self.active();
                let contract = active.contract(proposal.tool());
                let hearing = Hearing::new(contract, &active.policy, read, self.now);
                hearing.compare(proposal, contract, &active.policy).err()
            }
            _ => None,
        }
    }

    fn confirm(&mut self, parked: &Parked) -> Result<Vote, Refused> {
        let wrong = if self.dice.once_in(5) { Some(self.dice.below(6)) } else { None };
        let jws = said::yes(parked.proposal(), self.now, wrong);
        let active = self.active();
        let contract = active.contract(parked.proposal().tool());
        grant::confirm(parked, &jws, contract, &self.signers(), self.now)
    }

    fn approve(&mut self, parked: &Parked) -> Result<Vote, Refused> {
        let (who, role) = match self.dice.below(8) {
            0 => ("cal", "finance"),
            1 => ("cal", "clerk"),
            2 => ("zed", "finance"),
            _ => ("fay", "finance"),
        };
        let decision = if self.dice.once_in(8) { Decision::Reject } else { Decision::Approve };
        let signature = said::answer(who, role, parked.proposal(), decision, self.now);
        let active = self.active();
        let contract = active.contract(parked.proposal().tool());
        approval::answer(parked, signature, contract, &self.signers(), self.now)
    }

    fn signers(&self) -> Signers<'_> {
        let policy = &self.active().policy;
        Signers { frontends: &self.frontends, policy, origin: "https://approve.shop.example" }
    }

    fn not_granted(&mut self, state: &State, refused: &Refused) {
        if unsealed(refused) {
            return;
        }
        let contract = self.active().catalog.tools.get(state.proposal().tool());
        let (id, contract) = (self.receipt_id(), contract.map(AsRef::as_ref));
        let leaf = seal::not_granted(state, contract, refused, &id, self.now);
        self.keep(leaf);
    }

    fn grant(&mut self, state: State) {
        let State::Proposed(parked) = &state else { return };
        // A frontend's key is taken away, now and then.
        if self.dice.once_in(30) {
            self.frontends = Keyring::default();
        }
        let contract = self.active().contract(parked.proposal().tool());
        match grant::complete(parked, contract, &self.signers(), self.now) {
            Ok(grants) => self.carried(step(state, Event::Granted(Box::new(grants)))),
            Err(refused) if parked.votes().iter().any(|v| matches!(v, Vote::Approved(_))) => {
                let state = step(state, Event::Refused(Box::new(refused)));
                self.sealed(&state);
            }
            Err(refused) => self.not_granted(&state, &refused),
        }
    }

    /// Claimed, gated, sent, looked for, settled.
    fn carried(&mut self, mut state: State) {
        loop {
            let gone = self.dice.once_in(60) && !matches!(state, State::Proposed(_));
            if gone && self.abandoned(&mut state) {
                return;
            }
            let active = &self.books.active[self.at];
            let contract = active.contract(state.proposal().tool());
            let asked = ask(&state, contract, self.now);
            let event = match asked {
                Ask::Claim => self.claim(&state),
                Ask::Gate => self.gate(&state),
                Ask::Prepare => self.prepare(&state),
                Ask::Send => Ok(self.answered(&state)),
                Ask::Resend(at) => {
                    self.now = at;
                    Ok(Event::Resent(at))
                }
                Ask::Look(at) => {
                    self.now = self.now.max(at);
                    Ok(self.looked(&state))
                }
                Ask::Settle(settlement) => Ok(Event::Settled(settlement)),
                Ask::Seal => return self.sealed(&state),
                Ask::AwaitGrants | Ask::Nothing => return,
            };
            match event {
                Ok(event) => state = step(state, event),
                Err(refused) if unsealed(&refused) => return,
                Err(refused) => state = step(state, Event::Refused(Box::new(refused))),
            }
        }
    }

    /// The contract is gone: sealed without it.
    fn abandoned(&mut self, state: &mut State) -> bool {
        let mut any = false;
        while let Some(event) = abandon(state, self.now) {
            *state = step(state.clone(), event);
            any = true;
        }
        if any {
            let id = self.receipt_id();
            let leaf = seal::seal(state, None, &id, self.later(1)).unwrap();
            self.keep(leaf);
        }
        any
    }

    fn claim(&mut self, state: &State) -> Result<Event, Refused> {
        self.time_passes();
        let State::Granted(granted) = state else { panic!("granted") };
        let off = self.dice.once_in(30).then(|| Reach::Pack("till".into()));
        let tool = granted.proposal().tool();
        let active = &self.books.active[self.at];
        let contract = active.contract(tool);
        let books = premise::Books::of(&active.policy, contract);
        claim::switched(granted, off.as_ref(), books, self.now)?;
        let (proposal, votes) = (granted.proposal(), granted.votes());
        let budget = Budget::of(proposal, votes, contract, active.write(tool), &active.policy);
        let known = Known { latest: self.latest(), lock_held_by: None, spent: self.spent(&budget) };
        claim::decide(granted, &known, &budget, self.now).map(Event::Claimed)
    }

    fn gate(&mut self, state: &State) -> Result<Event, Refused> {
        let State::Claimed(claimed) = state else { panic!("claimed") };
        if self.dice.once_in(40) {
            self.later(90_000);
        }
        let read = match self.dice.below(14) {
            0 => failed(Code::CredentialRejected),
            1 => premise::Reading::Seen(crate::wishes::state(&mut self.dice, self.paid + 100)),
            2 => premise::Reading::Seen(crate::wishes::state(&mut self.dice, self.paid)),
            _ => {
                let sale = sale("ann", true, self.paid, &[]);
                premise::Reading::Seen(countersign_core::state::State::default().with("sale", sale))
            }
        };
        let active = self.active();
        let contract = active.contract(claimed.granted().proposal().tool());
        let hearing = Hearing::new(contract, &active.policy, read, self.now);
        hearing.decide(claimed, contract, &active.policy).map(|c| Event::Cleared(Box::new(c)))
    }

    fn prepare(&mut self, state: &State) -> Result<Event, Refused> {
        let State::Cleared(cleared) = state else { panic!("cleared") };
        if self.dice.once_in(30) {
            let refused = Refused::new(Code::EgressDenied, "no connection to till");
            return Err(cleared.passed().refuse(refused));
        }
        let contract = self.active().contract(cleared.claimed().granted().proposal().tool());
        let account = Account { account: "shop".into(), credential: "token".into() };
        let intent = dispatch::prepare(cleared, contract, account, self.now)?;
        Ok(Event::Intended(Box::new(intent)))
    }

    /// What the backend says, judged.
    fn answered(&mut self, _state: &State) -> Event {
        let verdict = match self.dice.below(10) {
            0 => Verdict::Rejected { code: "TOO_LATE".into(), message: "closed".into() },
            1 | 2 => Verdict::Lost { why: "cut".into() },
            3 => Verdict::Guard { code: "TOO_LATE".into(), message: "already so".into() },
            4 => Verdict::Throttled { after: None },
            5 => Verdict::NotSent { why: "no route".into(), halted: false },
            _ => Verdict::Accepted { response: Value::Null },
        };
        let status = (!matches!(verdict, Verdict::Lost { .. })).then_some(201);
        let at = self.later(1);
        Event::Answered(Box::new(AttemptResult { at, status, verdict, raw: String::new() }))
    }

    fn looked(&mut self, state: &State) -> Event {
        let (State::Answered(dispatch) | State::Looking(dispatch, _)) = state else {
            panic!("looked for before it was answered")
        };
        let key = dispatch.cleared().claimed().key().to_owned();
        let marks = match self.dice.below(6) {
            0 => vec![],
            1 => vec![(key.as_str(), 1)],
            2 => vec![(key.as_str(), self.paid), (key.as_str(), self.paid)],
            _ => vec![("another", 3), (key.as_str(), self.paid)],
        };
        let at = self.later(1);
        if self.dice.once_in(8) {
            let sight = Sight::Unreadable { why: "away".into() };
            return Event::Looked(Box::new(Look { at, looked: Value::Null, sight }));
        }
        let looked = sale("ann", true, self.paid, &marks);
        let write = self.active().write(dispatch.proposal().tool());
        let scope = dispatch.cleared().scope().with("response", dispatch.response());
        Event::Looked(Box::new(Look { at, sight: verify::judge(write, scope, &looked), looked }))
    }

    fn sealed(&mut self, state: &State) {
        let contract = self.active().catalog.tools.get(state.proposal().tool());
        let (id, contract) = (self.receipt_id(), contract.map(AsRef::as_ref));
        let leaf = seal::seal(state, contract, &id, self.now).unwrap();
        self.keep(leaf);
        if state.outcome() == Some(Outcome::Unknown) {
            self.finish(step(state.clone(), Event::Sealed(id)));
        }
    }

    /// A person looks, and says how it ended.
    fn finish(&mut self, state: State) {
        // Too early to say "not done", or not.
        let wait = if self.dice.once_in(4) { 3 } else { 60 };
        let now = self.later(wait);
        let State::Sealed(settled, _) = &state else { return };
        let proposal = settled.dispatch.proposal();
        let (who, done) = match self.dice.below(6) {
            0 => ("zed", true),
            1 | 2 => ("fay", false),
            _ => ("fay", true),
        };
        let jws = said::word(who, proposal.action().as_str(), done, now);
        let active = &self.books.active[self.at];
        let contract = active.contract(proposal.tool());
        let asked = Some((proposal, contract));
        let matter = Matter { id: proposal.action().as_str(), tenant: "t", asked };
        let statement = match finish::say(matter, &Signature::Jws(jws), &self.signers(), now) {
            Ok(statement) => statement,
            Err(refused) => return self.not_granted(&state, &refused),
        };
        let looked = sale("ann", self.dice.once_in(3), self.paid, &[]);
        let scope = settled.dispatch.cleared().scope();
        let scope = scope.with("response", settled.dispatch.response());
        let sight = verify::judge(active.write(proposal.tool()), scope, &looked);
        let look = Look { at: now, looked, sight };
        match finish::decide(settled, statement.clone(), look, false, contract) {
            Ok(finish) => {
                let state = step(state, Event::Finished(Box::new(finish)));
                let id = self.receipt_id();
                self.keep(seal::seal(&state, Some(contract), &id, now).unwrap());
            }
            Err(refused) if refused.is(Code::HumanDisagrees) => {
                let id = self.receipt_id();
                let leaf = seal::disagreement(settled, &statement, &refused, contract, &id, now);
                self.keep(leaf);
            }
            Err(_) => {}
        }
    }
}

fn failed(code: Code) -> premise::Reading {
    premise::Reading::Failed(Box::new(Refused::new(code, "as the read says")))
}

/// What the executor writes no receipt of: a repeat, or a fault that passes.
fn unsealed(refused: &Refused) -> bool {
    [Code::AlreadyDone, Code::InFlight, Code::ObjectInDoubt].iter().any(|code| refused.is(*code))
}

/// As the journal gives it back.
fn step(state: State, event: Event) -> State {
    let event: Event = serde_json::from_value(json!(event)).unwrap();
    lifecycle::next(Some(state), event).unwrap()
}
