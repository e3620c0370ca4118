//! What happens behind the API's back: somebody in the dashboard, or a bank.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::account::{Account, RefundStatus};
use super::work::Work;
use super::{refund, subscription};
use crate::sandbox::ledger::Actor;

/// One thing that is done without the API.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "snake_case", deny_unknown_fields)]
pub enum StripeAct {
    /// Refunds a charge.
    Refund {
        /// Which.
        charge: String,
        /// In the currency's smallest unit; everything that is left when left out.
        #[serde(default)]
        amount: Option<i64>,
    },
    /// The bank returns the pending refunds of a charge: they fail.
    ReturnRefunds {
        /// Which.
        charge: String,
    },
    /// Cancels a subscription now.
    Cancel {
        /// Which.
        subscription: String,
    },
    /// Ends the pause of a subscription, or begins one.
    Pause {
        /// Which.
        subscription: String,
        /// True begins, false ends.
        on: bool,
    },
    /// Describes a charge or a subscription, or renames a product.
    Text {
        /// Which.
        object: String,
        /// The new text.
        text: String,
    },
}

/// Carries out `act` as staff; says why when it cannot.
pub(crate) fn act(work: &mut Work, act: &StripeAct) -> Result<(), String> {
    let actor = std::mem::replace(&mut work.actor, Actor::staff());
    let done = carry(work, act);
    work.actor = actor;
    done
}

fn carry(work: &mut Work, act: &StripeAct) -> Result<(), String> {
    match act {
        StripeAct::Refund { charge, amount } => {
            refund::by_hand(work, charge, *amount).map_err(|why| why.answer().1.to_string())
        }
        StripeAct::ReturnRefunds { charge } => {
            let own = work.account.refunds.iter();
            let own = own.filter(|r| r.charge == *charge && r.status == RefundStatus::Pending);
            let ids: Vec<String> = own.map(|refund| refund.id.clone()).collect();
            if ids.is_empty() {
                return Err(format!("{charge} has no pending refund"));
            }
            for id in ids {
                refund::end(work, &id, RefundStatus::Failed);
            }
            Ok(())
        }
        StripeAct::Cancel { subscription } => subscription::cancel(work, subscription)
            .map(drop)
            .map_err(|why| why.answer().1.to_string()),
        StripeAct::Pause { subscription, on } => {
            subscription::pause_by_hand(work, subscription, *on)
        }
        StripeAct::Text { object, text } => {
            let place = text_of(&mut work.account, object);
            let place = place.ok_or_else(|| format!("{object} has no text"))?;
            place.clone_from(text);
            work.effect("text_changed", (object, object), (None, Some(text)), Value::Null);
            Ok(())
        }
    }
}

/// The text that people read of an object.
fn text_of<'a>(account: &'a mut Account, object: &str) -> Option<&'a mut String> {
    let Account { charges, subscriptions, products, .. } = account;
    if let Some(charge) = charges.get_mut(object) {
        return Some(&mut charge.description);
    }
    if let Some(own) = subscriptions.get_mut(object) {
        return Some(own.description.get_or_insert_default());
    }
    products.get_mut(object)
}
