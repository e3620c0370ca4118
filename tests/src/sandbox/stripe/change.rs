//! What a write asks for, checked before anything is executed.

use serde_json::Value;

use super::error::Refusal;
use super::route::{Call, Endpoint};
use super::staff::StripeAct;
use super::work::Work;
use super::{refund, subscription};

/// A change whose parameters are in order.
#[derive(Debug)]
pub(crate) enum Change {
    Refund(refund::Wanted),
    Update(subscription::Wanted),
    /// Cancel this subscription now.
    Cancel(String),
}

impl Change {
    pub(crate) fn read(call: &Call) -> Result<Self, Refusal> {
        match call.endpoint {
            Endpoint::CreateRefund => refund::Wanted::read(&call.params).map(Self::Refund),
            Endpoint::UpdateSubscription => subscription::Wanted::read(call).map(Self::Update),
            Endpoint::CancelSubscription => Ok(Self::Cancel(call.id.clone())),
            Endpoint::RetrieveCustomer
            | Endpoint::ListCharges
            | Endpoint::RetrieveCharge
            | Endpoint::ListRefunds
            | Endpoint::RetrieveRefund
            | Endpoint::ListSubscriptions
            | Endpoint::RetrieveSubscription
            | Endpoint::ListPrices
            | Endpoint::RetrievePrice => Err(Refusal::broken()),
        }
    }

    pub(crate) fn carry(&self, work: &mut Work) -> Result<Value, Refusal> {
        match self {
            Self::Refund(wanted) => wanted.carry(work),
            Self::Update(wanted) => wanted.carry(work),
            Self::Cancel(id) => subscription::cancel(work, id),
        }
    }

    /// What somebody in the dashboard does that disturbs this most.
    pub(crate) fn disturbed(&self) -> StripeAct {
        match self {
            Self::Refund(wanted) => {
                StripeAct::Refund { charge: wanted.charge.clone(), amount: None }
            }
            Self::Update(wanted) => StripeAct::Cancel { subscription: wanted.id.clone() },
            Self::Cancel(id) => StripeAct::Cancel { subscription: id.clone() },
        }
    }
}
