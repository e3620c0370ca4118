//! What customers want of a shop that was stocked for it, and how they pursue it over an
//! executor that may go away at any moment.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use countersign_proto::v1::executor_client::ExecutorClient;
use countersign_proto::v1::{Action, ActionState, Proposal};
use countersign_shared::mtls::Channel;
use countersign_shared::refusal::Refusal;
use jiff::Timestamp;
use serde_json::json;

use super::change;
use super::pair::{ISSUER, Pair};
use super::people::Customer;
use super::plans::{Desk, seen, step};

/// One of each effect class that resolves by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// `marker`, and it cannot be undone.
    Cancel,
    /// `marker`.
    Address,
    /// `server_key`: a line of an order.
    Refund,
    /// `server_key`: a part of a payment.
    Charge,
}

impl Kind {
    pub const ALL: [Self; 4] = [Self::Cancel, Self::Address, Self::Refund, Self::Charge];
}

/// Something that a customer wants of the order or the payment with this number.
#[derive(Debug)]
pub struct Wish {
    pub kind: Kind,
    pub number: u64,
    proposal: Option<Proposal>,
    /// How it ended, as the customer was told.
    pub told: Option<Action>,
}

/// Why a wish was not pursued to its end.
#[derive(Debug)]
pub enum Left {
    /// The executor is gone, or its store takes nothing now; as it was said.
    Away(String),
    /// It has not ended.
    UnderWay,
}

impl Wish {
    /// The wish about the stock's number, from 0.
    pub fn of(number: u64) -> Self {
        let kind = Kind::ALL[usize::try_from(number % 4).unwrap()];
        Self { kind, number: 10_001 + number, proposal: None, told: None }
    }

    /// What the backends call the object.
    pub fn object(&self) -> String {
        match self.kind {
            Kind::Charge => format!("ch_Stock{}", self.number),
            Kind::Cancel | Kind::Address | Kind::Refund => {
                format!("gid://shopify/Order/{}", self.number)
            }
        }
    }

    /// Goes on where it was left.
    ///
    /// # Errors
    /// Where it has not come to its end.
    pub async fn pursue(
        &mut self,
        pair: &Pair,
        client: &ExecutorClient<Channel>,
    ) -> Result<(), Left> {
        let conversation = format!("c{}", self.number);
        let (who, client) = (customer(pair), client.clone());
        let mut desk =
            Desk { pair, who, conversation, client, words: vec![], confirm_by_link: false };
        let proposal = match self.proposal.clone() {
            Some(proposal) => proposal,
            None => heard(self.propose(&mut desk).await)?,
        };
        self.proposal = Some(proposal.clone());
        let yes = desk.yes(&proposal);
        let action = heard(desk.execute(&proposal, &yes).await)?;
        if action.state() != ActionState::Sealed {
            return Err(Left::UnderWay);
        }
        self.told = Some(action);
        Ok(())
    }

    async fn propose(&self, desk: &mut Desk<'_>) -> Result<Proposal, tonic::Status> {
        let number = self.number.to_string();
        match self.kind {
            Kind::Cancel => desk.propose_cancel(&number).await,
            Kind::Refund => desk.propose_refund(&number).await,
            Kind::Address => {
                let order = desk.order(&number).await?;
                let street =
                    desk.say(&format!("to {number} Elm Street"), &format!("{number} Elm Street"));
                let city = desk.say("in Salem", "Salem");
                let zip = desk.say("zip 04102", "04102");
                let arguments = vec![
                    ("order_id", seen(&order, "/orders/0/id")),
                    ("address1", street),
                    ("city", city),
                    ("zip", zip),
                ];
                desk.propose(step("shopify.change_address", arguments)).await
            }
            Kind::Charge => {
                let charge = desk.say(&format!("about {}", self.object()), &self.object());
                let part = desk.say("please refund $3.50 of it", "3.50");
                let arguments = vec![("charge_id", charge), ("amount", part)];
                desk.propose(step("stripe.refund_charge", arguments)).await
            }
        }
    }
}

/// A pair that lets customers do all that, as often as they like, in a shop so large.
pub async fn shop(stock: u64) -> Pair {
    let pair = Pair::executor_only().await;
    pair.kill_executor();
    pair.sandbox.stock(stock);
    // Nothing is late in the sandbox: what is not there after a second never comes.
    pair.change_pack(|_, text| {
        let text = text.replace("quiet_period: 15s", "quiet_period: 1s");
        Some(text.replace("  class: marker ", "  visible_within: 1s\n  class: marker "))
    });
    let stripe = Path::new(env!("CARGO_MANIFEST_DIR")).join("../executor/packs/stripe");
    change::add_pack(pair.dir.path(), "stripe", &stripe, "acct_sandbox", &pair.sandbox.base_url());
    pair.change_config("[email, customer_id]", "[email, customer_id, stripe_customer]");
    pair.change_policy(|name, text| change::roomy(&["shopify", "stripe"], name, text), &[]);
    std::fs::remove_dir_all(pair.path("state")).unwrap();
    pair
}

/// Customer 1, as both backends know them.
pub fn customer(pair: &Pair) -> Customer {
    let (now, email) = (Timestamp::now().as_second(), "customer1@example.com".to_owned());
    let token = pair.issuer.sign(&json!({
        "iss": ISSUER, "aud": "countersign", "sub": email, "iat": now, "exp": now + 3600,
        "email": email, "customer_id": "gid://shopify/Customer/1",
        "stripe_customer": "cus_Sandbox1",
    }));
    Customer { email, token }
}

/// An answer, or that there is none yet: nothing else may come of a rightful wish.
fn heard<T>(answer: Result<T, tonic::Status>) -> Result<T, Left> {
    answer.map_err(|status| match Refusal::from_status(&status) {
        None => {
            let away = [tonic::Code::Unavailable, tonic::Code::Unknown, tonic::Code::Cancelled];
            assert!(away.contains(&status.code()), "{status:?}");
            Left::Away(format!("{status:?}"))
        }
        Some(refusal) => match refusal.code.as_str() {
            "STORE_UNAVAILABLE" | "EFFECTS_HALTED" => Left::Away(refusal.message),
            "IN_FLIGHT" => Left::UnderWay,
            code => panic!("a rightful wish was refused: {code}: {refusal:?}"),
        },
    })
}

/// All of them, at most so many at once, until each has its end or the executor is gone;
/// counts in `told` who was told one.
pub async fn pursue(pair: &Pair, wishes: &mut [Wish], at_once: usize, told: &AtomicUsize) {
    use futures_util::StreamExt as _;
    let client = pair.executor();
    let open = wishes.iter_mut().filter(|wish| wish.told.is_none());
    let each = open.map(|wish| async {
        while !pair.executor_is_gone() {
            match wish.pursue(pair, &client).await {
                Ok(()) => {
                    told.fetch_add(1, Ordering::SeqCst);
                    return;
                }
                Err(Left::UnderWay) => {}
                Err(Left::Away(_)) => {}
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    futures_util::stream::iter(each).buffer_unordered(at_once).collect::<Vec<()>>().await;
}
