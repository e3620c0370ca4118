//! A refusal on the wire: `google.rpc.Status` with `ErrorInfo`, field violations
//! a wait and the command that explains the code. One mapping both ways; messages never hold a
//! secret.

use std::collections::HashMap;
use std::time::Duration;

use tonic::{Code as Grpc, Status as GrpcStatus};
use tonic_types::{ErrorDetails, StatusExt};

use crate::codes::{Code, Status, explain};

/// `ErrorInfo.domain` of every code of ours.
pub const DOMAIN: &str = "countersign";

/// When to try again what was refused as too much, where nobody knows better.
const AGAIN: Duration = Duration::from_secs(1);

/// Why something was not done, for a caller.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Refusal {
    /// Stable code, built in or a pack's.
    pub code: String,
    /// For engineers.
    pub message: String,
    /// For the customer.
    pub say: String,
    /// The receipt of the refusal, or the earlier one of `ALREADY_DONE`.
    pub receipt_id: Option<String>,
    /// Where the customer reads that receipt: for their own reply, and for nobody else.
    pub receipt_link: Option<String>,
    /// The action it is about.
    pub action_id: Option<String>,
    /// Field path and what is wrong with it.
    pub violations: Vec<(String, String)>,
    /// When to try again.
    pub retry_after: Option<Duration>,
}

impl Refusal {
    /// A built-in code with a message; words for the customer from its page.
    #[must_use]
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code: code.name().to_owned(),
            message: message.into(),
            say: code.page().say.to_owned(),
            ..Self::default()
        }
    }

    /// The gRPC status that carries it. A pack's own code is a precondition. Who is refused
    /// for being too much is always told when to come back.
    #[must_use]
    pub fn into_status(self) -> GrpcStatus {
        let grpc = Code::by_name(&self.code)
            .map_or(Grpc::FailedPrecondition, |code| grpc(code.page().status));
        let again = (self.code == Code::Overloaded.name()).then_some(AGAIN);
        let mut metadata = HashMap::from([
            ("say".to_owned(), self.say),
            ("explain".to_owned(), explain(&self.code)),
        ]);
        metadata.extend(self.receipt_id.map(|id| ("receipt_id".to_owned(), id)));
        metadata.extend(self.receipt_link.map(|link| ("receipt_link".to_owned(), link)));
        metadata.extend(self.action_id.map(|id| ("action_id".to_owned(), id)));
        let mut details = ErrorDetails::with_error_info(self.code, DOMAIN, metadata);
        for (field, description) in self.violations {
            details.add_bad_request_violation(field, description);
        }
        if let Some(after) = self.retry_after.or(again) {
            details.set_retry_info(Some(after));
        }
        GrpcStatus::with_error_details(grpc, self.message, details)
    }

    /// Reads it back; `None` for a status that is not ours.
    #[must_use]
    pub fn from_status(status: &GrpcStatus) -> Option<Self> {
        let details = status.get_error_details();
        let info = details.error_info().filter(|info| info.domain == DOMAIN)?;
        let violations = details.bad_request().map_or_else(Vec::new, |bad| {
            let each = bad.field_violations.iter();
            each.map(|v| (v.field.clone(), v.description.clone())).collect()
        });
        Some(Self {
            code: info.reason.clone(),
            message: status.message().to_owned(),
            say: info.metadata.get("say").cloned().unwrap_or_default(),
            receipt_id: info.metadata.get("receipt_id").cloned(),
            receipt_link: info.metadata.get("receipt_link").cloned(),
            action_id: info.metadata.get("action_id").cloned(),
            violations,
            retry_after: details.retry_info().and_then(|r| r.retry_delay),
        })
    }
}

/// The litmus tests of the gRPC status codes, applied once.
fn grpc(status: Status) -> Grpc {
    match status {
        Status::NotFound => Grpc::NotFound,
        Status::InvalidArgument => Grpc::InvalidArgument,
        Status::Unauthenticated => Grpc::Unauthenticated,
        Status::PermissionDenied => Grpc::PermissionDenied,
        Status::Unavailable => Grpc::Unavailable,
        Status::FailedPrecondition => Grpc::FailedPrecondition,
        Status::Aborted => Grpc::Aborted,
        Status::AlreadyExists => Grpc::AlreadyExists,
        Status::DataLoss => Grpc::DataLoss,
        Status::DeadlineExceeded => Grpc::DeadlineExceeded,
        Status::ResourceExhausted => Grpc::ResourceExhausted,
        Status::Internal => Grpc::Internal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn travels_whole() {
        let refusal = Refusal {
            receipt_id: Some("rcp_1".into()),
            receipt_link: Some("https://yes.shop.example/receipt/rcp_1/x".into()),
            violations: vec![("steps[0].arguments.order_id".into(), "too long".into())],
            retry_after: Some(Duration::from_secs(2)),
            ..Refusal::new(Code::ArgumentInvalid, "order_id is too long")
        };
        let status = refusal.clone().into_status();
        assert_eq!(status.code(), Grpc::InvalidArgument);
        let details = status.get_error_details();
        let explain = &details.error_info().unwrap().metadata["explain"];
        assert_eq!(explain, "countersign explain ARGUMENT_INVALID");
        assert_eq!(Refusal::from_status(&status), Some(refusal));
        assert_eq!(Refusal::from_status(&GrpcStatus::internal("x")), None);
    }

    #[test]
    fn who_is_too_much_is_told_when_to_come_back() {
        let told = |refusal: Refusal| {
            Refusal::from_status(&refusal.into_status()).and_then(|heard| heard.retry_after)
        };
        let full = || Refusal::new(Code::Overloaded, "full");
        assert_eq!(told(full()), Some(AGAIN));
        let later = Some(Duration::from_secs(9));
        assert_eq!(told(Refusal { retry_after: later, ..full() }), later);
        assert_eq!(told(Refusal::new(Code::Internal, "broken")), None);
    }
}
