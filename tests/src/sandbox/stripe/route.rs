//! Which endpoint a request calls.

use super::error::Refusal;
use super::form::Params;
use super::{PATH, VERSION};
use crate::sandbox::requests::Called;

/// One request as it came in.
#[derive(Debug, Clone, Default)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) body: Vec<u8>,
    /// `Authorization: Bearer`.
    pub(crate) token: Option<String>,
    /// `Idempotency-Key`.
    pub(crate) key: Option<String>,
    /// `Stripe-Version`.
    pub(crate) version: Option<String>,
}

/// The endpoints that are stood in for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Endpoint {
    RetrieveCustomer,
    ListCharges,
    RetrieveCharge,
    ListRefunds,
    RetrieveRefund,
    CreateRefund,
    ListSubscriptions,
    RetrieveSubscription,
    UpdateSubscription,
    CancelSubscription,
    ListPrices,
    RetrievePrice,
}

/// A request whose endpoint is known.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) endpoint: Endpoint,
    pub(crate) path: String,
    /// The last part of the path, where it names an object; else empty.
    pub(crate) id: String,
    pub(crate) params: Params,
    pub(crate) key: Option<String>,
}

impl Asked {
    /// The call, or why there is none.
    pub(crate) fn call(&self) -> Result<Call, Refusal> {
        let nowhere = || {
            Refusal::missing(format!("Unrecognized request URL ({}: {}).", self.method, self.path))
        };
        let below = self.path.strip_prefix(PATH).and_then(|rest| rest.strip_prefix('/'));
        let (kind, id) = match below.ok_or_else(nowhere)?.split_once('/') {
            Some((kind, id)) => (kind, id),
            None => (below.unwrap_or_default(), ""),
        };
        let endpoint = Endpoint::of(&self.method, kind, !id.is_empty()).ok_or_else(nowhere)?;
        if id.contains('/') {
            return Err(nowhere());
        }
        if let Some(version) = self.version.as_deref().filter(|version| *version != VERSION) {
            return Err(Refusal::invalid(format!("Invalid Stripe API version: {version}")));
        }
        if self.key.as_ref().is_some_and(|key| key.len() > 255) {
            return Err(Refusal::invalid("Idempotency keys can be at most 255 characters long."));
        }
        let params = if self.method == "GET" { self.query.as_bytes() } else { &self.body };
        Ok(Call {
            endpoint,
            path: self.path.clone(),
            id: id.to_owned(),
            params: Params::parse(params),
            key: self.key.clone(),
        })
    }
}

impl Endpoint {
    fn of(method: &str, kind: &str, one: bool) -> Option<Self> {
        Some(match (method, kind, one) {
            ("GET", "customers", true) => Self::RetrieveCustomer,
            ("GET", "charges", false) => Self::ListCharges,
            ("GET", "charges", true) => Self::RetrieveCharge,
            ("GET", "refunds", false) => Self::ListRefunds,
            ("GET", "refunds", true) => Self::RetrieveRefund,
            ("POST", "refunds", false) => Self::CreateRefund,
            ("GET", "subscriptions", false) => Self::ListSubscriptions,
            ("GET", "subscriptions", true) => Self::RetrieveSubscription,
            ("POST", "subscriptions", true) => Self::UpdateSubscription,
            ("DELETE", "subscriptions", true) => Self::CancelSubscription,
            ("GET", "prices", false) => Self::ListPrices,
            ("GET", "prices", true) => Self::RetrievePrice,
            _ => return None,
        })
    }

    /// As faults and the request log name it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::RetrieveCustomer => "customers.retrieve",
            Self::ListCharges => "charges.list",
            Self::RetrieveCharge => "charges.retrieve",
            Self::ListRefunds => "refunds.list",
            Self::RetrieveRefund => "refunds.retrieve",
            Self::CreateRefund => "refunds.create",
            Self::ListSubscriptions => "subscriptions.list",
            Self::RetrieveSubscription => "subscriptions.retrieve",
            Self::UpdateSubscription => "subscriptions.update",
            Self::CancelSubscription => "subscriptions.cancel",
            Self::ListPrices => "prices.list",
            Self::RetrievePrice => "prices.retrieve",
        }
    }

    pub(crate) fn writes(self) -> bool {
        matches!(self, Self::CreateRefund | Self::UpdateSubscription | Self::CancelSubscription)
    }

    /// Keys are for POST; GET and DELETE are idempotent by definition.
    pub(crate) fn takes_key(self) -> bool {
        matches!(self, Self::CreateRefund | Self::UpdateSubscription)
    }
}

impl Call {
    /// For faults and the request log.
    pub(crate) fn called(&self) -> Called {
        Called {
            operation: None,
            mutation: self.endpoint.writes(),
            fields: vec![self.endpoint.name().to_owned()],
            starts_job: false,
            refunds: self.endpoint == Endpoint::CreateRefund,
        }
    }
}
