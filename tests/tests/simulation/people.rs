//! People at a chat: each wants something of an order, says yes to the card, and asks
//! again where no answer comes. What they are told is kept.

use std::sync::Arc;
use std::time::Duration;

use countersign_proto::v1::planner_client::PlannerClient;
use countersign_proto::v1::{Card, ConverseRequest, Outcome, TurnAction, converse_response::Event};
use countersign_shared::mtls::Channel;
use parking_lot::Mutex;
use tokio::time::{sleep, timeout};

use super::dice::Dice;
use super::faults::sets_clocks;
use super::ground::id;
use super::planner;
use super::wire;
use super::world::World;

pub const HOST: &str = "people";
/// What can be wanted: the tool, and what one says for it.
pub const WISHES: [(&str, &str); 5] = [
    ("refund", "refund order"),
    ("ticket", "open a ticket for order"),
    ("hold", "hold back order"),
    ("remark", "write a remark on order"),
    ("remind", "send a reminder about order"),
];
/// What is worth asking again after.
const PASSING: [&str; 4] = ["IN_FLIGHT", "STORE_UNAVAILABLE", "STATE_UNREADABLE", "EFFECTS_HALTED"];
/// The same where wall clocks are set: one that is behind takes whatever was signed just now for
/// a thing of the future.
const OUT_OF_TIME: [&str; 2] = ["SUBJECT_UNVERIFIED", "MESSAGE_UNATTESTED"];
/// How often somebody asks again where no answer comes.
const TRIES: u32 = 12;
/// How long somebody waits for an answer.
const PATIENCE: Duration = Duration::from_secs(40);

/// Somebody who wants one thing.
pub struct Wish {
    /// Customer's number.
    pub who: usize,
    pub order: String,
    pub tool: &'static str,
    pub words: &'static str,
    /// Milliseconds after the beginning.
    pub at: u64,
    /// Says it, and yes, twice at once.
    pub twice: bool,
}

/// What somebody was told of an action.
#[derive(Debug, Clone)]
pub struct Heard {
    pub order: String,
    pub outcome: String,
    pub receipt: String,
    pub code: String,
}

/// What everybody was told.
pub type All = Arc<Mutex<Vec<Heard>>>;

struct Person {
    world: Arc<World>,
    planner: PlannerClient<Channel>,
    wish: Wish,
    conversation: String,
    token: String,
    sub: String,
    heard: All,
}

struct Turn {
    card: Option<Card>,
    actions: Vec<TurnAction>,
}

/// Everybody, at their time, until nobody waits for an answer.
pub async fn run(world: Arc<World>, wishes: Vec<Wish>, heard: All) -> turmoil::Result {
    let material = Arc::clone(&world.ground.frontend);
    let channel = wire::channel(|| planner::HOST, material, id("planner"));
    let mut all = tokio::task::JoinSet::new();
    for (at, wish) in wishes.into_iter().enumerate() {
        let now = world.now() / 1000;
        let (customer, sub) = (customer(wish.who), format!("person{}", wish.who));
        let person = Person {
            token: world.ground.keys.token(0, &sub, &customer, now - 60, now + 86_400),
            planner: PlannerClient::new(channel.clone()),
            conversation: format!("c{at}"),
            heard: Arc::clone(&heard),
            world: Arc::clone(&world),
            sub,
            wish,
        };
        let dice = world.dice(&format!("person {at}"));
        all.spawn(person.live(dice));
    }
    while let Some(ended) = all.join_next().await {
        ended?;
    }
    Ok(())
}

/// The claim that says whose orders are theirs.
pub fn customer(number: usize) -> String {
    format!("cus_{}", number + 1)
}

impl Person {
    async fn live(self, mut dice: Dice) {
        sleep(Duration::from_millis(self.wish.at)).await;
        self.world.tell(format!("{}: {} {}", self.sub, self.wish.words, self.wish.order));
        for attempt in 0..TRIES {
            let Some(turn) = self.say(attempt).await else {
                sleep(Duration::from_millis(200 + dice.next() % 2000)).await;
                continue;
            };
            let Some(card) = turn.card else {
                if self.told(&turn.actions) {
                    return;
                }
                sleep(Duration::from_millis(200 + dice.next() % 2000)).await;
                continue;
            };
            sleep(Duration::from_millis(dice.next() % 1500)).await;
            if self.confirm(&card, &mut dice).await {
                return;
            }
        }
        self.world.tell(format!("{} gives up on {}", self.sub, self.wish.order));
    }

    async fn say(&self, attempt: u32) -> Option<Turn> {
        let text = format!("{} {}", self.wish.words, self.wish.order);
        let message = format!("{}-m{attempt}", self.conversation);
        let said = (self.conversation.as_str(), message.as_str(), text.as_str());
        let at = self.world.now() / 1000;
        let words = self.world.ground.keys.words(0, &self.sub, said, at);
        let request = ConverseRequest {
            subject_token: self.token.clone(),
            conversation_id: self.conversation.clone(),
            message: Some(words),
            ..ConverseRequest::default()
        };
        if self.wish.twice {
            return tokio::join!(self.turn(request.clone()), self.turn(request)).0;
        }
        self.turn(request).await
    }

    /// Says yes until it is known what came of it; `false` where it has to be asked anew.
    async fn confirm(&self, card: &Card, dice: &mut Dice) -> bool {
        let at = self.world.now() / 1000;
        let keys = &self.world.ground.keys;
        let yes = keys.yes(0, &self.sub, &self.conversation, card, at, 86_400);
        for _ in 0..TRIES {
            let request = ConverseRequest {
                subject_token: self.token.clone(),
                conversation_id: self.conversation.clone(),
                confirmation: yes.clone(),
                ..ConverseRequest::default()
            };
            let turn = if self.wish.twice {
                let (one, other) = tokio::join!(self.turn(request.clone()), self.turn(request));
                one.or(other)
            } else {
                self.turn(request).await
            };
            if let Some(turn) = turn {
                if turn.card.is_some() {
                    return false;
                }
                if self.told(&turn.actions) {
                    return true;
                }
            }
            sleep(Duration::from_millis(200 + dice.next() % 2000)).await;
        }
        false
    }

    /// One turn with the planner, as far as it answered.
    async fn turn(&self, request: ConverseRequest) -> Option<Turn> {
        let mut planner = self.planner.clone();
        let talk = async {
            let mut events = planner.converse(request).await.ok()?.into_inner();
            let (mut card, mut actions) = (None, None);
            while let Some(event) = events.message().await.ok()? {
                match event.event? {
                    Event::Card(shown) => card = Some(shown),
                    Event::Turn(turn) => actions = Some((turn.actions, turn.reply)),
                    Event::Progress(_) => {}
                }
            }
            let (actions, reply) = actions?;
            let codes: Vec<_> = actions.iter().map(|a| a.code.as_str()).collect();
            self.world.tell(format!("{} hears: {reply} {codes:?}", self.sub));
            Some(Turn { card, actions })
        };
        timeout(PATIENCE, talk).await.ok().flatten()
    }

    /// Keeps what was told; whether that is the end of it.
    fn told(&self, actions: &[TurnAction]) -> bool {
        let mut end = false;
        for action in actions {
            let outcome = match action.outcome() {
                Outcome::Applied => "applied",
                Outcome::NotApplied => "not_applied",
                Outcome::Unknown => "unknown",
                Outcome::Refused => "refused",
                Outcome::Unspecified => "",
            };
            let code = action.code.as_str();
            let passing =
                PASSING.contains(&code) || sets_clocks(&self.world) && OUT_OF_TIME.contains(&code);
            end |= !outcome.is_empty() || (!action.code.is_empty() && !passing);
            self.heard.lock().push(Heard {
                order: self.wish.order.clone(),
                outcome: outcome.to_owned(),
                receipt: action.receipt_id.clone(),
                code: action.code.clone(),
            });
        }
        end
    }
}
