//! What other books would have decided of what was: the same functions, on the premises
//! that a receipt keeps, with a candidate policy or pack in the place of the one of then.
//!
//! What people did and what backends said is not asked again: whoever said yes is taken
//! to have said yes. A back-test says how far an action would go by itself.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use countersign_shared::money::Money;
use jiff::Timestamp;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};

use crate::brief::Brief;
use crate::claim::Claiming;
use crate::grant::{Granted, Need, Vote};
use crate::lifecycle::State;
use crate::premise::{Books, Premise};
use crate::replay::{Candidate, Court, Shelf, Step, Unfit, follow};

/// What a back-test needs of a receipt; everything else is passed over unread.
#[derive(Debug, Deserialize)]
pub struct Past {
    /// The receipt's id.
    pub receipt_id: String,
    /// The action that it is about; one that waited may have several, and only the last says
    /// how far it went.
    #[serde(default)]
    pub action_id: String,
    /// When it was sealed.
    pub sealed_at: Timestamp,
    /// The tool.
    #[serde(default)]
    pub tool: String,
    /// Money that moves.
    #[serde(default)]
    pub money: Option<Money>,
    /// Who said what.
    #[serde(default)]
    grants: Vec<Said>,
    /// A change to the executor, or refusals that were counted: no plan was decided.
    #[serde(default)]
    change: Option<IgnoredAny>,
    #[serde(default)]
    counted: Option<IgnoredAny>,
    /// What it was decided from, or why it does not say.
    #[serde(default = "nothing", deserialize_with = "facts")]
    facts: Facts,
}

type Facts = Result<Vec<Premise>, Unfit>;

/// One person's answer.
#[derive(Debug, Deserialize)]
struct Said {
    kind: String,
    by: String,
    issuer: String,
    role: String,
    at: Timestamp,
}

/// How far an action goes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It is sent, once these have said yes: `customer`, or a role, each in order.
    Goes(Vec<String>),
    /// It is refused with this code.
    Refused(String),
    /// Every rule that was asked lets it through; the receipt does not hold what comes next.
    Further(&'static str),
}

/// A past action, by the books of then and by the candidate.
#[derive(Debug, Clone, PartialEq)]
pub struct Compared {
    /// By the books of then.
    pub was: Verdict,
    /// By the candidate.
    pub would: Verdict,
    /// Money that it moves, where that was known.
    pub money: Option<Money>,
}

/// How far an action went in one court.
struct Heard {
    verdict: Verdict,
    money: Option<Money>,
    /// The sums that its limits asked for.
    sums: BTreeSet<(String, Duration)>,
}

/// Decides a past action twice; `None` where no plan was decided, but an answer to one,
/// or nothing at all.
///
/// # Errors
/// Why it cannot be decided.
pub fn compare(
    past: &Past,
    shelf: &Shelf,
    candidate: &Candidate,
) -> Result<Option<Compared>, Unfit> {
    if past.change.is_some() || past.counted.is_some() {
        return Ok(None);
    }
    let premises = past.facts.as_ref().map_err(Unfit::clone)?;
    let asked = matches!(premises.first(), Some(Premise::Ask(_)));
    let answer = matches!(premises.last(), Some(Premise::Vote(_) | Premise::Finish(_)));
    if !asked || answer {
        return Ok(None);
    }
    let was = hear(&Court::new(shelf), past, premises)?;
    let mut would = hear(&Court::by(shelf, candidate), past, premises)?;
    // More can only have been booked: a limit that refuses, refuses; one that does not
    // may have seen too little.
    if matches!(would.verdict, Verdict::Goes(_)) && !would.sums.is_subset(&was.sums) {
        would.verdict = Verdict::Further("its limits ask for sums that were not recorded");
    }
    let money = was.money.or(would.money).or(past.money);
    Ok(Some(Compared { was: was.verdict, would: would.verdict, money }))
}

fn hear(court: &Court<'_>, past: &Past, premises: &[Premise]) -> Result<Heard, Unfit> {
    let mut heard =
        Heard { verdict: Verdict::Goes(Vec::new()), money: None, sums: BTreeSet::new() };
    let mut state = None;
    for premise in premises {
        let step = match (premise, state.take()) {
            (Premise::Ask(brief), None) => court.asked(brief)?,
            (Premise::Claim(on), Some(proposed)) => {
                let granted = State::Granted(Box::new(supposed(proposed, past, on)?));
                heard.sums.extend(sums(court, &on.books, &granted)?);
                let step = court.take(premise, &granted)?;
                state = Some(granted);
                step
            }
            (Premise::Gate(_), Some(claimed)) => {
                let step = court.take(premise, &claimed)?;
                state = Some(claimed);
                step
            }
            // What people did, and what came of it.
            (Premise::Vote(_) | Premise::Grant(_), standing) => {
                state = standing;
                continue;
            }
            (
                Premise::Ask(_)
                | Premise::Reject
                | Premise::Expire(_)
                | Premise::Compare(_)
                | Premise::Claim(_)
                | Premise::Gate(_)
                | Premise::Send(_)
                | Premise::Look(_)
                | Premise::Finish(_)
                | Premise::Told(_),
                _,
            ) => return Ok(heard),
        };
        match step {
            Step::On(events) => state = Some(follow(state, events)?),
            Step::Stop(refused) => {
                if let Premise::Ask(brief) = premise {
                    heard.sums = court.limits(brief)?;
                }
                heard.verdict = Verdict::Refused(refused.code);
                return Ok(heard);
            }
            Step::Open(what) => {
                heard.verdict = Verdict::Further(what);
                return Ok(heard);
            }
        }
        if let (Premise::Ask(brief), Some(State::Proposed(parked))) = (premise, &state) {
            let proposal = parked.proposal();
            heard.money = proposal.money();
            heard.verdict = Verdict::Goes(asks(proposal.needs()));
            let granted = State::Granted(Box::new(Granted::supposed(
                (**parked).clone(),
                Vec::new(),
                past.sealed_at,
            )));
            heard.sums.extend(sums(court, &books(brief, proposal.tool()), &granted)?);
        }
    }
    Ok(heard)
}

fn sums(
    court: &Court<'_>,
    books: &Books,
    state: &State,
) -> Result<BTreeSet<(String, Duration)>, Unfit> {
    let State::Granted(granted) = state else { return Ok(BTreeSet::new()) };
    Ok(court.budget(books, granted)?.questions())
}

fn books(brief: &Brief, tool: &str) -> Books {
    // A tool is named after its pack.
    let pack = tool.split('.').next().and_then(|name| brief.basis.packs.get(name));
    Books { policy: brief.basis.policy.clone(), pack: pack.cloned().unwrap_or_default() }
}

/// With the answers that the receipt names, whatever they would be worth now.
fn supposed(state: State, past: &Past, on: &Claiming) -> Result<Granted, Unfit> {
    let State::Proposed(parked) = state else {
        return Err(Unfit::Disorder(format!("`claim` after `{}`", state.name())));
    };
    let vote = |said: &Said| match said.kind.as_str() {
        "customer" => Some(Vote::supposed_yes(&said.by, said.at)),
        "approval" => Some(Vote::supposed_approval(&said.by, &said.issuer, &said.role, said.at)),
        _ => None,
    };
    Ok(Granted::supposed(*parked, past.grants.iter().filter_map(vote).collect(), on.at))
}

fn asks(needs: &[Need]) -> Vec<String> {
    let mut asks: Vec<_> =
        needs.iter().map(|need| need.role().unwrap_or("customer").to_owned()).collect();
    asks.sort();
    asks
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Goes(asks) if asks.is_empty() => f.write_str("goes by itself"),
            Self::Goes(asks) => write!(f, "asks {}", asks.join(" and ")),
            Self::Refused(code) => write!(f, "refused {code}"),
            Self::Further(what) => write!(f, "not refused so far; {what}"),
        }
    }
}

fn nothing() -> Facts {
    Err(Unfit::NoFacts)
}

/// A list is read; what stands in its place where there is none says why.
fn facts<'de, D: Deserializer<'de>>(from: D) -> Result<Facts, D::Error> {
    struct Read;
    impl<'de> Visitor<'de> for Read {
        type Value = Facts;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("what a receipt was decided from")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut all: A) -> Result<Facts, A::Error> {
            let mut premises = Vec::new();
            while let Some(premise) = all.next_element()? {
                premises.push(premise);
            }
            Ok(Ok(premises))
        }

        fn visit_map<A: MapAccess<'de>>(self, mut omitted: A) -> Result<Facts, A::Error> {
            while omitted.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            Ok(Err(Unfit::Omitted))
        }

        fn visit_str<E>(self, _: &str) -> Result<Facts, E> {
            Ok(Err(Unfit::Erased))
        }

        fn visit_unit<E>(self) -> Result<Facts, E> {
            Ok(nothing())
        }
    }
    from.deserialize_any(Read)
}
