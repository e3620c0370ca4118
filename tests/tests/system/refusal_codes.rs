//! Every built-in code that an RPC can answer: the cheapest real input that earns it, its
//! gRPC status, the command that explains it, and no effect.

mod brief;
mod earn;
mod file;
mod house;
mod shops;

use std::collections::BTreeSet;
use std::pin::Pin;

use countersign_proto::v1::{Action, Outcome, Turn};
use countersign_shared::codes::{Code, explain};
use countersign_shared::refusal::Refusal;
use tonic::{Code as Grpc, Status};
use tonic_types::StatusExt as _;

use super::action_flow::converse;
use super::support::pair::Pair;

/// What a call came to.
#[derive(Debug)]
enum Answer {
    /// A gRPC error.
    Refused(Status),
    /// An action that ended otherwise than it should.
    Ended(Box<Action>),
    /// What the planner says of one.
    Said(Box<Turn>),
}

/// How a code is told.
enum Told {
    Status(Grpc),
    Outcome(Outcome),
    Turn,
}

type Earning<'a> = Pin<Box<dyn Future<Output = Answer> + 'a>>;

struct Row {
    code: Code,
    told: Told,
    /// Whether something really happened in the shop on the way.
    effect: bool,
    earn: for<'a> fn(&'a Pair) -> Earning<'a>,
}

/// A refusal before anything happened.
const fn row(code: Code, status: Grpc, earn: for<'a> fn(&'a Pair) -> Earning<'a>) -> Row {
    Row { code, told: Told::Status(status), effect: false, earn }
}

/// An action that was sent, and of which nobody knows what became.
const fn doubt(code: Code, earn: for<'a> fn(&'a Pair) -> Earning<'a>) -> Row {
    Row { code, told: Told::Outcome(Outcome::Unknown), effect: false, earn }
}

/// What a turn of the planner says.
const fn turn(code: Code, earn: for<'a> fn(&'a Pair) -> Earning<'a>) -> Row {
    Row { code, told: Told::Turn, effect: false, earn }
}

/// Rows that do not disturb each other, in the order of the registry.
const ASKED: &[Row] = &[
    row(Code::ToolUnknown, Grpc::NotFound, |p| Box::pin(earn::tool_unknown(p))),
    row(Code::ArgumentInvalid, Grpc::InvalidArgument, |p| Box::pin(earn::argument_invalid(p))),
    row(Code::ArgumentUnexpected, Grpc::InvalidArgument, |p| {
        Box::pin(earn::argument_unexpected(p))
    }),
    row(Code::ArgumentMissing, Grpc::InvalidArgument, |p| Box::pin(earn::argument_missing(p))),
    row(Code::ReferenceRequired, Grpc::InvalidArgument, |p| Box::pin(earn::reference_required(p))),
    row(Code::ReferenceUnknown, Grpc::InvalidArgument, |p| Box::pin(earn::reference_unknown(p))),
    row(Code::SpanInvalid, Grpc::InvalidArgument, |p| Box::pin(earn::span_invalid(p))),
    row(Code::PlanInvalid, Grpc::InvalidArgument, |p| Box::pin(earn::plan_invalid(p))),
    row(Code::PlanTooManyWrites, Grpc::InvalidArgument, |p| {
        Box::pin(earn::plan_too_many_writes(p))
    }),
    row(Code::PlanTooLarge, Grpc::InvalidArgument, |p| Box::pin(earn::plan_too_large(p))),
    row(Code::SubjectUnverified, Grpc::Unauthenticated, |p| Box::pin(earn::subject_unverified(p))),
    row(Code::MessageUnattested, Grpc::Unauthenticated, |p| Box::pin(earn::message_unattested(p))),
    row(Code::StrengthRequired, Grpc::Unauthenticated, |p| Box::pin(earn::strength_required(p))),
    row(Code::MatchFailed, Grpc::Unauthenticated, |p| Box::pin(earn::match_failed(p))),
    row(Code::TenantNotAllowed, Grpc::PermissionDenied, |p| Box::pin(shops::closed(p))),
    row(Code::CallerNotAllowed, Grpc::PermissionDenied, |p| Box::pin(earn::caller_not_allowed(p))),
    row(Code::NotTheSubjects, Grpc::PermissionDenied, |p| Box::pin(earn::pasted(p, "2001"))),
    row(Code::OwnerUnknown, Grpc::PermissionDenied, |p| Box::pin(earn::pasted(p, "3001"))),
    row(Code::NotFound, Grpc::NotFound, |p| Box::pin(earn::not_found(p))),
    row(Code::StateUnreadable, Grpc::Unavailable, |p| Box::pin(earn::state_unreadable(p))),
    row(Code::RuleError, Grpc::FailedPrecondition, |p| Box::pin(earn::rule_error(p))),
    row(Code::ConfidenceTooLow, Grpc::FailedPrecondition, |p| {
        Box::pin(earn::confidence_too_low(p))
    }),
    row(Code::FraudFlagged, Grpc::FailedPrecondition, |p| Box::pin(earn::fraud_flagged(p))),
    row(Code::ConfirmationRequired, Grpc::FailedPrecondition, |p| {
        Box::pin(earn::confirmation_required(p))
    }),
    row(Code::ConfirmationInvalid, Grpc::PermissionDenied, |p| {
        Box::pin(earn::confirmation_invalid(p))
    }),
    row(Code::StateChanged, Grpc::Aborted, |p| Box::pin(earn::state_changed(p))),
    row(Code::BackendRefused, Grpc::FailedPrecondition, |p| Box::pin(shops::strange(p))),
    row(Code::BackendUnreachable, Grpc::Unavailable, |p| Box::pin(shops::gone(p))),
    row(Code::BackendThrottled, Grpc::Unavailable, |p| Box::pin(earn::backend_throttled(p))),
    row(Code::CredentialRejected, Grpc::FailedPrecondition, |p| {
        Box::pin(earn::credential_rejected(p))
    }),
    row(Code::EgressDenied, Grpc::FailedPrecondition, |p| Box::pin(shops::fenced(p))),
    row(Code::IssuerUnreachable, Grpc::Unavailable, |p| Box::pin(shops::unheard(p))),
    row(Code::Overloaded, Grpc::ResourceExhausted, |p| Box::pin(shops::narrow(p))),
    row(Code::Internal, Grpc::Internal, |p| Box::pin(file::internal(p))),
    // The last: an executor that cannot write halts effects for a while.
    row(Code::StoreUnavailable, Grpc::Unavailable, |p| Box::pin(file::store_unavailable(p))),
];

/// Rows of a house with people, limits and modes.
const RULED: &[Row] = &[
    row(Code::PolicyForbids, Grpc::PermissionDenied, |p| Box::pin(house::policy_forbids(p))),
    row(Code::ShadowMode, Grpc::FailedPrecondition, |p| Box::pin(house::shadow_mode(p))),
    row(Code::ApprovalRequired, Grpc::FailedPrecondition, |p| {
        Box::pin(house::approval_required(p))
    }),
    row(Code::ApprovalRejected, Grpc::FailedPrecondition, |p| {
        Box::pin(house::approval_rejected(p))
    }),
    row(Code::ApprovalInvalid, Grpc::PermissionDenied, |p| Box::pin(house::approval_invalid(p))),
    row(Code::ApproverNotAllowed, Grpc::PermissionDenied, |p| {
        Box::pin(house::approver_not_allowed(p))
    }),
    row(Code::ProposalWithdrawn, Grpc::FailedPrecondition, |p| {
        Box::pin(house::proposal_withdrawn(p))
    }),
    row(Code::ProposalSuperseded, Grpc::FailedPrecondition, |p| {
        Box::pin(house::proposal_superseded(p))
    }),
    row(Code::LimitExceeded, Grpc::ResourceExhausted, |p| Box::pin(house::limit_exceeded(p))),
    row(Code::TooManyOpen, Grpc::ResourceExhausted, |p| Box::pin(house::too_many_open(p))),
    row(Code::SwitchedOff, Grpc::Unavailable, |p| Box::pin(house::switched_off(p))),
    Row {
        effect: true,
        ..row(Code::VelocityExceeded, Grpc::ResourceExhausted, |p| {
            Box::pin(house::velocity_exceeded(p))
        })
    },
    row(Code::NotActivated, Grpc::FailedPrecondition, |_| Box::pin(house::not_activated())),
];

/// Rows of a contract that waits for seconds, and of cards and sign-ins that live as long.
const BRIEF: &[Row] = &[
    row(Code::ProposalExpired, Grpc::FailedPrecondition, |_| Box::pin(brief::proposal_expired())),
    row(Code::SubjectStale, Grpc::Unauthenticated, |_| Box::pin(brief::subject_stale())),
    doubt(Code::VerifyTimeout, |p| Box::pin(brief::verify_timeout(p))),
    doubt(Code::ReplyLost, |p| Box::pin(brief::reply_lost(p))),
    Row { effect: true, ..doubt(Code::DuplicateEffect, |p| Box::pin(brief::duplicate_effect(p))) },
];

/// Rows of the planner, whose model server is not there.
const MISREAD: &[Row] = &[turn(Code::ModelUnusable, |p| Box::pin(said(p)))];

/// Rows of the planner with the built-in reader.
const READ: &[Row] = &[turn(Code::AwaitingConfirmation, |p| Box::pin(said(p)))];

/// Rows for which a write is sent. Each has an order of its own, but for the one in doubt,
/// which is the order that the row before it left so.
const SENT: &[Row] = &[
    Row {
        effect: true,
        ..row(Code::AlreadyDone, Grpc::AlreadyExists, |p| Box::pin(earn::already_done(p)))
    },
    Row { effect: true, ..row(Code::InFlight, Grpc::Aborted, |p| Box::pin(earn::in_flight(p))) },
    doubt(Code::VerifyMismatch, |p| Box::pin(earn::verify_mismatch(p))),
    row(Code::ObjectInDoubt, Grpc::Aborted, |p| Box::pin(earn::object_in_doubt(p))),
    row(Code::HumanDisagrees, Grpc::FailedPrecondition, |p| Box::pin(house::human_disagrees(p))),
];

const EARNED: [&[Row]; 6] = [ASKED, RULED, BRIEF, SENT, MISREAD, READ];

/// Codes that no row earns, and why. This list only shrinks.
const NOT_EARNED: &[(Code, &str)] = &[
    (Code::EffectsHalted, "the module fail_closed has it"),
    (Code::Erased, "the module erasure has it"),
    (Code::ErasureWaits, "the module erasure has it"),
    (Code::Quarantined, "the module restore_quarantine has it"),
    (Code::HistoryMissing, "a receipt's code after a recovery: the executor's gap tests have it"),
    (Code::HistoryDistrusted, "the module fork_detected has it"),
    (Code::Escalated, "the code of a receipt, not of an answer: the module escalations has it"),
];

#[test]
fn refusal_codes_are_all_earned_or_listed_with_a_reason() {
    let earned: Vec<_> = EARNED.into_iter().flatten().map(|row| row.code.name()).collect();
    let listed: Vec<_> = NOT_EARNED.iter().map(|(code, _)| code.name()).collect();
    let once: BTreeSet<_> = earned.iter().chain(&listed).collect();
    assert_eq!(once.len(), earned.len() + listed.len(), "earned twice, or earned and listed");
    assert_eq!(once, Code::ALL.iter().map(|code| code.name()).collect::<Vec<_>>().iter().collect());
    assert!(NOT_EARNED.iter().all(|(_, why)| !why.is_empty()));
}

#[tokio::test(flavor = "multi_thread")]
async fn refusal_codes_before_anything_is_sent() {
    let pair = shops::pair().await;
    earn_all(ASKED, &pair).await;
    assert_eq!(pair.mutations(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn refusal_codes_of_a_house() {
    earn_all(RULED, &house::pair().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refusal_codes_after_short_waits() {
    earn_all(BRIEF, &brief::pair().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refusal_codes_around_a_write() {
    earn_all(SENT, &house::staffed(|_, text| text).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refusal_codes_of_the_planner() {
    let nobody = "{ kind: openai, url: \"http://127.0.0.1:1/v1\", name: m }";
    earn_all(MISREAD, &Pair::read_by(nobody).await).await;
    earn_all(READ, &Pair::start().await).await;
}

/// A wish that waits for its yes, as far as the planner understands it.
async fn said(pair: &Pair) -> Answer {
    let said = converse(pair, &pair.customer(1), "m1", "please cancel my order #1001", None).await;
    Answer::Said(Box::new(said.turn))
}

async fn earn_all(rows: &[Row], pair: &Pair) {
    for row in rows {
        let before = pair.effects().len();
        let answer = (row.earn)(pair).await;
        holds(row, &answer);
        assert_eq!(pair.effects().len() > before, row.effect, "{}", row.code.name());
    }
    println!("{} codes earned", rows.len());
}

fn holds(row: &Row, answer: &Answer) {
    let name = row.code.name();
    match (&row.told, answer) {
        (Told::Status(grpc), Answer::Refused(status)) => {
            let refusal = Refusal::from_status(status);
            let refusal = refusal.unwrap_or_else(|| panic!("{name}: no code of ours: {status:?}"));
            assert_eq!((refusal.code.as_str(), status.code()), (name, *grpc), "{refusal:?}");
            assert_eq!(refusal.say, row.code.page().say, "{name}");
            let overloaded = row.code == Code::Overloaded;
            assert!(!overloaded || refusal.retry_after.is_some(), "{name}: when to try again");
            let details = status.get_error_details();
            let metadata = &details.error_info().unwrap().metadata;
            assert_eq!(metadata.get("explain"), Some(&explain(name)));
        }
        (Told::Outcome(outcome), Answer::Ended(action)) => {
            assert_eq!((action.code.as_str(), action.outcome()), (name, *outcome), "{action:?}");
        }
        (Told::Turn, Answer::Said(turn)) => {
            assert!(turn.actions.iter().any(|action| action.code == name), "{turn:?}");
        }
        (Told::Status(_) | Told::Outcome(_) | Told::Turn, answer) => panic!("{name}: {answer:?}"),
    }
}
