//! The system of record, on a host of its own, and its books: what really happened. They
//! are kept apart from all that the executor knows, and are the oracle's only source.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value as Json, json};
use tokio::time::{Duration, sleep};
use turmoil::net::{TcpListener, TcpStream};

use super::dice::Dice;
use super::wire;
use super::world::World;

pub const HOST: &str = "shop";
pub const PORT: u16 = 80;
/// How long an idempotency key is kept, in milliseconds.
const WINDOW: i64 = 6 * 60_000;

/// An order as the shop has it.
#[derive(Clone)]
pub struct Order {
    pub owner: String,
    pub open: bool,
    pub version: i64,
}

/// Something that really happened.
#[derive(Clone, Debug)]
pub struct Effect {
    pub tool: String,
    pub order: String,
    /// Whose it is: the executor's mark, or a colleague's words.
    pub note: String,
    /// When it shows, in milliseconds since 1970.
    shows: i64,
}

#[derive(Default)]
pub struct Books {
    pub orders: BTreeMap<String, Order>,
    pub effects: Vec<Effect>,
    /// Idempotency keys: when first seen, and the answer.
    keys: BTreeMap<String, (i64, Json)>,
}

/// What goes wrong with one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    None,
    RequestDropped,
    ReplyDropped,
    ReplyLate,
    EffectLate,
    FailsBefore,
    FailsAfter,
    Throttles,
    Duplicates,
}

impl Trouble {
    const WRITES: [Self; 8] = [
        Self::RequestDropped,
        Self::ReplyDropped,
        Self::ReplyLate,
        Self::EffectLate,
        Self::FailsBefore,
        Self::FailsAfter,
        Self::Throttles,
        Self::Duplicates,
    ];
    const READS: [Self; 4] =
        [Self::RequestDropped, Self::ReplyDropped, Self::ReplyLate, Self::FailsBefore];

    fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::RequestDropped => "request dropped",
            Self::ReplyDropped => "reply dropped",
            Self::ReplyLate => "reply late",
            Self::EffectLate => "effect late",
            Self::FailsBefore => "500 before the effect",
            Self::FailsAfter => "500 after the effect",
            Self::Throttles => "throttled",
            Self::Duplicates => "request duplicated",
        }
    }
}

/// Serves until the simulation ends.
pub async fn serve(world: Arc<World>) -> turmoil::Result {
    let listener = TcpListener::bind(("0.0.0.0", PORT)).await?;
    let mut dice = world.dice("shop");
    loop {
        let (stream, _) = listener.accept().await?;
        let (world, dice) = (Arc::clone(&world), Dice::new(dice.next()));
        tokio::spawn(async move {
            // A connection that breaks is the caller's trouble.
            let _ = answer(&world, stream, dice).await;
        });
    }
}

async fn answer(world: &World, mut stream: TcpStream, mut dice: Dice) -> std::io::Result<()> {
    let request = wire::get(&mut stream).await?;
    let write = request["method"] != "GET";
    let note = note(&request);
    if write {
        world.tell(format!("shop: {} {note}", request["path"]));
        intended(world, &note);
    }
    let trouble = trouble(world, &mut dice, write, &request);
    if trouble != Trouble::None {
        world.fault(trouble.name(), write.then(|| note.clone()));
    }
    match trouble {
        Trouble::RequestDropped => return Ok(()),
        Trouble::FailsBefore => return wire::put(&mut stream, &status(500)).await,
        Trouble::Throttles => {
            let mut reply = status(429);
            reply["retry_after_ms"] = json!(1000);
            return wire::put(&mut stream, &reply).await;
        }
        Trouble::EffectLate => world.sleep(200 + dice.next() % 1300).await,
        Trouble::Duplicates => drop(act(world, &request, &mut dice)),
        Trouble::None | Trouble::ReplyDropped | Trouble::ReplyLate | Trouble::FailsAfter => {}
    }
    let reply = act(world, &request, &mut dice);
    match trouble {
        Trouble::ReplyDropped => return Ok(()),
        Trouble::FailsAfter => return wire::put(&mut stream, &status(500)).await,
        Trouble::ReplyLate => sleep(Duration::from_millis(500 + dice.next() % 3000)).await,
        Trouble::None
        | Trouble::RequestDropped
        | Trouble::EffectLate
        | Trouble::FailsBefore
        | Trouble::Throttles
        | Trouble::Duplicates => {}
    }
    wire::put(&mut stream, &reply).await
}

fn trouble(world: &World, dice: &mut Dice, write: bool, request: &Json) -> Trouble {
    let rate = if write { world.rates.backend } else { world.rates.backend / 8 };
    if dice.below(1000) >= rate {
        return Trouble::None;
    }
    let trouble = *dice.pick(if write { &Trouble::WRITES } else { &Trouble::READS[..] });
    // A network repeats what it likes; only these backends promise to know a repeat.
    let path = request["path"].as_str().unwrap_or_default();
    let knows = ["refund", "ticket", "hold"].iter().any(|tool| path.ends_with(tool));
    if trouble == Trouble::Duplicates && !knows { Trouble::None } else { trouble }
}

/// INTENT FIRST: what arrives here is in the journal already.
fn intended(world: &World, note: &str) {
    let is_it = |w: &countersign_executor::store::memory::Written| {
        w.event.starts_with("{\"intended\"") && w.event.contains(note)
    };
    if !world.database.written(0).iter().any(is_it) {
        world.wrong(format!("a request left before its intent was durable: {note}"));
    }
}

fn status(status: u16) -> Json {
    json!({ "status": status, "replayed": false, "body": {} })
}

fn note(request: &Json) -> String {
    request["body"]["note"].as_str().unwrap_or_default().to_owned()
}

fn act(world: &World, request: &Json, dice: &mut Dice) -> Json {
    let now = world.now();
    let path = request["path"].as_str().unwrap_or_default();
    let parts: Vec<_> = path.trim_matches('/').split('/').collect();
    let mut books = world.books.lock();
    match (request["method"].as_str(), parts.as_slice()) {
        (Some("GET"), ["v1", "customers", customer, "orders"]) => books.orders_of(customer),
        (Some("GET"), ["v1", "orders", id]) => books.order(id),
        (Some("GET"), ["v1", "orders", id, "effects"]) => books.done(id, now),
        (Some("POST" | "PUT"), ["v1", "orders", id, tool]) => {
            let effect = Effect {
                tool: (*tool).to_owned(),
                order: (*id).to_owned(),
                note: note(request),
                shows: now + i64::try_from(dice.next() % 500).unwrap(),
            };
            let reply = books.write(effect, request, now);
            world.tell(format!("shop: {tool} {id} {} -> {}", note(request), reply["status"]));
            reply
        }
        _ => status(404),
    }
}

fn show(id: &str, order: &Order) -> Json {
    let state = if order.open { "open" } else { "cancelled" };
    json!({ "id": id, "customer_id": order.owner, "status": state, "price": 1000,
            "version": order.version })
}

fn ok(body: &Json) -> Json {
    json!({ "status": 200, "replayed": false, "body": body })
}

impl Books {
    fn orders_of(&self, customer: &str) -> Json {
        let own = self.orders.iter().filter(|(_, order)| order.owner == customer);
        let own: Vec<_> = own.map(|(id, order)| show(id, order)).collect();
        ok(&json!({ "data": own }))
    }

    fn order(&self, id: &str) -> Json {
        self.orders.get(id).map_or_else(|| status(404), |order| ok(&show(id, order)))
    }

    fn done(&self, id: &str, now: i64) -> Json {
        let Some(order) = self.orders.get(id) else { return status(404) };
        let done = self.effects.iter().enumerate().filter(|(_, e)| e.order == id && e.shows <= now);
        let done = done.map(|(at, e)| {
            json!({ "id": format!("eff_{at}"), "customer_id": order.owner, "note": e.note })
        });
        ok(&json!({ "data": done.collect::<Vec<_>>() }))
    }

    /// As each kind of backend does it.
    fn write(&mut self, effect: Effect, request: &Json, now: i64) -> Json {
        let done = json!({ "status": 201, "replayed": false, "body": {} });
        match effect.tool.as_str() {
            "refund" => {
                self.keys.retain(|_, (first, _)| now - *first < WINDOW);
                let key = request["key"].as_str().unwrap_or_default().to_owned();
                if let Some((_, reply)) = self.keys.get(&key) {
                    let mut reply = reply.clone();
                    reply["replayed"] = json!(true);
                    return reply;
                }
                self.keys.insert(key, (now, done.clone()));
            }
            "ticket"
                if self.effects.iter().any(|e| e.tool == "ticket" && e.note == effect.note) =>
            {
                return status(409);
            }
            "hold" => {
                let Some(order) = self.orders.get_mut(&effect.order) else { return status(404) };
                if request["body"]["version"] != order.version {
                    return status(412);
                }
                order.version += 1;
            }
            _ => {}
        }
        self.effects.push(effect);
        done
    }

    /// A colleague works in the shop's own pages.
    pub fn staff(&mut self, id: &str, dice: &mut Dice) -> String {
        let tools = ["refund", "ticket", "remark"];
        let tool = *dice.pick(&tools);
        let Some(order) = self.orders.get_mut(id) else { return String::new() };
        order.version += 1;
        match dice.below(3) {
            0 => {
                order.open = !order.open;
                format!("{id} is {}", if order.open { "opened" } else { "cancelled" })
            }
            1 => format!("{id} is touched"),
            _ => {
                let (order, note) = (id.to_owned(), "by hand".to_owned());
                self.effects.push(Effect { tool: tool.to_owned(), order, note, shows: 0 });
                format!("{tool} {id} by hand")
            }
        }
    }
}
