//! Every built-in code that an RPC of the executor can answer: the cheapest real input
//! that earns it, its gRPC status, the command that explains it, and no effect.

mod earn;
mod shops;

use std::collections::BTreeSet;
use std::pin::Pin;

use countersign_proto::v1::{Action, Outcome};
use countersign_shared::codes::{Code, explain};
use countersign_shared::refusal::Refusal;
use tonic::{Code as Grpc, Status};
use tonic_types::StatusExt as _;

use super::support::pair::Pair;

/// What a call came to.
#[derive(Debug)]
enum Answer {
    /// A gRPC error.
    Refused(Status),
    /// An action that ended otherwise than it should.
    Ended(Box<Action>),
}

/// How a code is told.
enum Told {
    Status(Grpc),
    Outcome(Outcome),
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
];

/// Rows for which a write is sent. Each has an order of its own, but for the one in doubt,
/// which is the order that the row before it left so.
const SENT: &[Row] = &[
    Row {
        effect: true,
        ..row(Code::AlreadyDone, Grpc::AlreadyExists, |p| Box::pin(earn::already_done(p)))
    },
    Row { effect: true, ..row(Code::InFlight, Grpc::Aborted, |p| Box::pin(earn::in_flight(p))) },
    Row {
        code: Code::VerifyMismatch,
        told: Told::Outcome(Outcome::Unknown),
        effect: false,
        earn: |p| Box::pin(earn::verify_mismatch(p)),
    },
    row(Code::ObjectInDoubt, Grpc::Aborted, |p| Box::pin(earn::object_in_doubt(p))),
];

/// Codes that no row earns, and why. This list only shrinks.
const NOT_EARNED: &[(Code, &str)] = &[
    (Code::ProposalExpired, "takes the 24 hours that a proposal lives"),
    (Code::VerifyTimeout, "takes the two minutes that the contract waits"),
    (Code::ReplyLost, "takes the quiet period of the shop, 20 seconds"),
    (Code::DuplicateEffect, "the sandbox has no fault that does a thing twice"),
    (Code::StoreUnavailable, "takes a full disk"),
    (Code::Overloaded, "answered by the planner, not by the executor"),
    (Code::Internal, "takes a fault of the executor"),
    (Code::ModelUnusable, "answered by the planner, not by the executor"),
    (Code::AwaitingConfirmation, "answered by the planner, not by the executor"),
    (Code::PolicyForbids, "not served yet"),
    (Code::ShadowMode, "not served yet"),
    (Code::ApprovalRequired, "not served yet"),
    (Code::ApprovalRejected, "not served yet"),
    (Code::ApprovalInvalid, "not served yet"),
    (Code::ApproverNotAllowed, "not served yet"),
    (Code::ProposalWithdrawn, "not served yet"),
    (Code::ProposalSuperseded, "not served yet"),
    (Code::LimitExceeded, "not served yet"),
    (Code::VelocityExceeded, "not served yet"),
    (Code::TooManyOpen, "not served yet"),
    (Code::SwitchedOff, "not served yet"),
    (Code::SubjectStale, "not served yet"),
    (Code::IssuerUnreachable, "a test beside the code takes an issuer's keys away"),
    (Code::Escalated, "the code of a receipt, not of an answer"),
    (Code::NotActivated, "not served yet"),
    (Code::HumanDisagrees, "takes a policy with people in it: the module escalations has it"),
];

#[test]
fn refusal_codes_are_all_earned_or_listed_with_a_reason() {
    let earned: Vec<_> = ASKED.iter().chain(SENT).map(|row| row.code.name()).collect();
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
async fn refusal_codes_around_a_write() {
    let pair = Pair::executor_only().await;
    earn_all(SENT, &pair).await;
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
            let details = status.get_error_details();
            let metadata = &details.error_info().unwrap().metadata;
            assert_eq!(metadata.get("explain"), Some(&explain(name)));
        }
        (Told::Outcome(outcome), Answer::Ended(action)) => {
            assert_eq!((action.code.as_str(), action.outcome()), (name, *outcome), "{action:?}");
        }
        (Told::Status(_) | Told::Outcome(_), answer) => panic!("{name}: {answer:?}"),
    }
}
