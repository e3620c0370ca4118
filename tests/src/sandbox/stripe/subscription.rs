//! `POST` and `DELETE /v1/subscriptions/ID`: cancel, pause, resume, change of plan.
//!
//! <https://docs.stripe.com/api/subscriptions/update>,
//! <https://docs.stripe.com/billing/subscriptions/pause-payment>.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::account::{Item, Pause, Subscription};
use super::error::Refusal;
use super::form::Params;
use super::list::missing;
use super::object;
use super::route::Call;
use super::work::Work;
use crate::sandbox::clock::later;

const KNOWN: [&str; 8] = [
    "cancel_at_period_end",
    "pause_collection",
    "pause_collection[behavior]",
    "pause_collection[resumes_at]",
    "items[0][id]",
    "items[0][price]",
    "items[0][quantity]",
    "proration_behavior",
];

/// An update that may be carried out if the subscription allows it.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) id: String,
    params: Params,
    at_period_end: Option<bool>,
    /// The inner none ends the pause.
    pause: Option<Option<Pause>>,
    item: Option<Wish>,
    proration: String,
}

/// What an item is to be.
#[derive(Debug)]
struct Wish {
    /// None adds an item.
    id: Option<String>,
    price: Option<String>,
    quantity: Option<i64>,
}

impl Wanted {
    pub(crate) fn read(call: &Call) -> Result<Self, Refusal> {
        let params = &call.params;
        params.only(&KNOWN)?;
        let prorations = ["create_prorations", "none", "always_invoice"];
        let proration = params.one_of("proration_behavior", &prorations)?;
        Ok(Self {
            id: call.id.clone(),
            at_period_end: params.flag("cancel_at_period_end")?,
            pause: pause(params)?,
            item: item(params)?,
            proration: proration.unwrap_or("create_prorations").to_owned(),
            params: params.clone(),
        })
    }

    pub(crate) fn carry(&self, work: &mut Work) -> Result<Value, Refusal> {
        let found = work.account.subscriptions.get(&self.id);
        let mut own = found.cloned().ok_or_else(|| missing("subscription", &self.id))?;
        if own.ended_at.is_some() {
            let message =
                "A canceled subscription can only update its cancellation_details and metadata.";
            return Err(Refusal::invalid(message));
        }
        let before = own.clone();
        let said = self.change(work, &mut own)?;
        self.params.write_metadata(&mut own.metadata);
        let answer = object::subscription(&work.account, &own, &[]);
        if work.half {
            // The metadata is kept, what it stands for is not.
            own = Subscription { metadata: own.metadata, ..before };
        }
        let (name, marker) = (name_of(&own), own.metadata.get("countersign").cloned());
        work.account.subscriptions.insert(self.id.clone(), own);
        let said = if work.half { vec![("metadata_changed", Value::Null)] } else { said };
        for (kind, detail) in said {
            work.effect(kind, (&self.id, &name), (None, marker.as_ref()), detail);
        }
        Ok(answer)
    }

    /// Changes the copy; answers with what happened to it.
    fn change(
        &self,
        work: &mut Work,
        own: &mut Subscription,
    ) -> Result<Vec<(&'static str, Value)>, Refusal> {
        let mut said = Vec::new();
        if let Some(at_period_end) = self.at_period_end {
            own.cancel_at_period_end = at_period_end;
            own.canceled_at = at_period_end.then_some(work.now);
            let kind =
                if at_period_end { "cancellation_scheduled" } else { "cancellation_withdrawn" };
            said.push((kind, json!({ "at": own.period.1 })));
        }
        if let Some(pause) = &self.pause {
            own.pause.clone_from(pause);
            let kind = if pause.is_some() { "payments_paused" } else { "payments_resumed" };
            said.push((kind, Value::Null));
        }
        if let Some(wish) = &self.item {
            said.push(("plan_changed", wish.grant(work, own, &self.proration)?));
        }
        Ok(if said.is_empty() { vec![("metadata_changed", Value::Null)] } else { said })
    }
}

impl Wish {
    fn grant(
        &self,
        work: &mut Work,
        own: &mut Subscription,
        proration: &str,
    ) -> Result<Value, Refusal> {
        if let Some(price) = &self.price {
            let found = work.account.prices.get(price).ok_or_else(|| {
                let message = format!("No such price: '{price}'");
                Refusal::of("items[0][price]", "resource_missing", message)
            })?;
            if !found.active {
                let message = "The price specified is inactive. This field only accepts active \
                               prices.";
                return Err(Refusal::invalid(message).at("items[0][price]"));
            }
        }
        let Some(id) = &self.id else {
            let (price, quantity) = (self.price.clone(), self.quantity.unwrap_or(1));
            let price = price.ok_or_else(|| Refusal::invalid("Missing price").at("items[0]"))?;
            let id = work.account.next_id("si");
            own.items.push(Item { id, price: price.clone(), quantity });
            return Ok(json!({ "added": price, "proration": proration }));
        };
        let item = own.items.iter_mut().find(|item| item.id == *id);
        let item = item.ok_or_else(|| missing("subscription item", id))?;
        let from = item.price.clone();
        item.price = self.price.clone().unwrap_or_else(|| from.clone());
        item.quantity = self.quantity.unwrap_or(item.quantity);
        Ok(json!({ "from": from, "to": item.price, "proration": proration }))
    }
}

fn pause(params: &Params) -> Result<Option<Option<Pause>>, Refusal> {
    if params.get("pause_collection") == Some("") {
        return Ok(Some(None));
    }
    let behaviors = ["keep_as_draft", "mark_uncollectible", "void"];
    let name = "pause_collection[behavior]";
    let Some(behavior) = params.one_of(name, &behaviors)? else { return Ok(None) };
    let resumes = params.positive("pause_collection[resumes_at]")?;
    let resumes_at = resumes.and_then(|second| Timestamp::from_second(second).ok());
    Ok(Some(Some(Pause { behavior: behavior.to_owned(), resumes_at })))
}

fn item(params: &Params) -> Result<Option<Wish>, Refusal> {
    let named = |name: &str| params.get(name).map(str::to_owned);
    let wish = Wish {
        id: named("items[0][id]"),
        price: named("items[0][price]"),
        quantity: params.positive("items[0][quantity]")?,
    };
    let empty = wish.id.is_none() && wish.price.is_none() && wish.quantity.is_none();
    Ok((!empty).then_some(wish))
}

/// Cancels now.
pub(crate) fn cancel(work: &mut Work, id: &str) -> Result<Value, Refusal> {
    let now = work.now;
    let own = work.account.subscriptions.get_mut(id).filter(|own| own.ended_at.is_none());
    let own = own.ok_or_else(|| missing("subscription", id))?;
    own.canceled_at = Some(now);
    own.ended_at = Some(now);
    own.cancel_at_period_end = false;
    let own = own.clone();
    work.effect("subscription_canceled", (id, &name_of(&own)), (None, None), Value::Null);
    Ok(object::subscription(&work.account, &own, &[]))
}

/// Ends what is to end with its period, begins the next period of the others, ends pauses.
pub(crate) fn turn(work: &mut Work) {
    let now = work.now;
    let due: Vec<String> = work
        .account
        .subscriptions
        .values()
        .filter(|own| own.is_due(now))
        .map(|own| own.id.clone())
        .collect();
    for id in due {
        let Some(mut own) = work.account.subscriptions.get(&id).cloned() else { continue };
        if own.pause.as_ref().and_then(|p| p.resumes_at).is_some_and(|at| at <= now) {
            own.pause = None;
            work.effect("payments_resumed", (&id, &name_of(&own)), (None, None), Value::Null);
        }
        if own.period.1 <= now && own.cancel_at_period_end {
            own.ended_at = Some(own.period.1);
            work.effect("subscription_canceled", (&id, &name_of(&own)), (None, None), Value::Null);
        }
        let days = own.items.first().and_then(|item| work.account.prices.get(&item.price));
        let days = SignedDuration::from_hours(24 * days.map_or(30, |price| price.interval.days()));
        while own.ended_at.is_none() && own.period.1 <= now {
            own.period = (own.period.1, later(own.period.1, days));
        }
        work.account.subscriptions.insert(id, own);
    }
}

fn name_of(own: &Subscription) -> String {
    own.description.clone().unwrap_or_else(|| own.id.clone())
}

/// Begins or ends a pause, as somebody in the dashboard does.
pub(crate) fn pause_by_hand(work: &mut Work, id: &str, on: bool) -> Result<(), String> {
    let own = work.account.subscriptions.get_mut(id).filter(|own| own.ended_at.is_none());
    let own = own.ok_or_else(|| format!("there is no running subscription {id}"))?;
    own.pause = on.then(|| Pause { behavior: "void".to_owned(), resumes_at: None });
    let name = name_of(own);
    let kind = if on { "payments_paused" } else { "payments_resumed" };
    work.effect(kind, (id, &name), (None, None), Value::Null);
    Ok(())
}
