//! Whoever calls meanwhile, and every error that they meet.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use countersign_proto::v1;
use countersign_proto::v1::converse_response::Event;
use countersign_proto::v1::executor_client::ExecutorClient;
use countersign_proto::v1::planner_client::PlannerClient;
use countersign_shared::mtls::Channel;
use parking_lot::Mutex;

use super::house::House;
use crate::support::wishes::{Kind, Left, Wish};

/// Between two wishes of one caller.
const PAUSE: Duration = Duration::from_millis(50);

/// What the callers met.
#[derive(Default)]
pub struct Met {
    over: AtomicBool,
    next: AtomicU64,
    pub turns: AtomicU64,
    /// What was not answered as it should be, whatever a caller could do about it.
    pub errors: Mutex<Vec<String>>,
    /// What was told honestly not to have begun, and was asked again: effects that were halted
    /// because the disk was too busy to be written to.
    pub again: AtomicU64,
    /// Answers that it is under way: at an executor that was told to stop, or at another one.
    pub under_way: AtomicU64,
}

impl Met {
    pub fn end(&self) {
        self.over.store(true, Ordering::SeqCst);
    }

    fn goes_on(&self) -> bool {
        !self.over.load(Ordering::SeqCst)
    }

    /// The next wish of these kinds: cancellations are talked about, the rest is called for.
    fn next(&self, talked: bool) -> Wish {
        loop {
            let wish = Wish::of(self.next.fetch_add(1, Ordering::SeqCst));
            if (wish.kind == Kind::Cancel) == talked {
                return wish;
            }
        }
    }

    fn error(&self, what: String) {
        if what.contains("EFFECTS_HALTED") {
            println!("asked again: {what}");
            self.again.fetch_add(1, Ordering::SeqCst);
            return;
        }
        println!("an error at a caller: {what}");
        self.errors.lock().push(what);
    }
}

/// Calls executors as a planner does.
pub async fn calls(house: Arc<House>, met: Arc<Met>) -> Vec<Wish> {
    let (client, mut wishes) = (house.executor(), vec![]);
    while met.goes_on() {
        wishes.push(fulfilled(&house, &met, &client).await);
        tokio::time::sleep(PAUSE).await;
    }
    wishes
}

/// The next wish, called for until it has its end.
pub async fn fulfilled(house: &House, met: &Met, client: &ExecutorClient<Channel>) -> Wish {
    let mut wish = met.next(false);
    loop {
        match wish.pursue(&house.pair, client).await {
            Ok(()) => return wish,
            Err(Left::UnderWay) => {
                met.under_way.fetch_add(1, Ordering::SeqCst);
            }
            Err(Left::Away(said)) => met.error(format!("{:?} {}: {said}", wish.kind, wish.number)),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Talks to planners as a frontend does: a wish, a yes to its card. Answers with the wishes and
/// the receipts that were told.
pub async fn talks(house: Arc<House>, met: Arc<Met>) -> Vec<(Wish, String)> {
    let mut told = vec![];
    while met.goes_on() {
        let planner = house.planner();
        told.push(talked(&house, &met, [planner.clone(), planner]).await);
        tokio::time::sleep(PAUSE).await;
    }
    told
}

/// The next wish, talked of until its receipt is told: said to the first of these planners, and
/// its card answered at the second.
pub async fn talked(
    house: &House,
    met: &Met,
    planners: [PlannerClient<Channel>; 2],
) -> (Wish, String) {
    let wish = met.next(true);
    let receipt = Talk { house, met, planners, wish: &wish }.finish().await;
    (wish, receipt)
}

struct Talk<'a> {
    house: &'a House,
    met: &'a Met,
    planners: [PlannerClient<Channel>; 2],
    wish: &'a Wish,
}

impl Talk<'_> {
    /// Asks until it hears a receipt; every time but the first is an error.
    async fn finish(&mut self) -> String {
        for attempt in 0..20 {
            match self.once(attempt).await {
                Ok(receipt) => return receipt,
                Err(said) => self.met.error(format!("a turn on {}: {said}", self.wish.number)),
            }
            tokio::time::sleep(PAUSE * 4).await;
        }
        panic!("nobody carries out {:?}", self.wish);
    }

    async fn once(&mut self, attempt: u32) -> Result<String, String> {
        let wanted = format!("please cancel my order #{}", self.wish.number);
        let (card, turn) = self.turn(0, &format!("m{attempt}-1"), &wanted, None).await?;
        if let Some(receipt) = receipt(&turn) {
            return Ok(receipt);
        }
        let card = card.ok_or_else(|| format!("{turn:?}"))?;
        let (_, turn) = self.turn(1, &format!("m{attempt}-2"), "yes", Some(&card)).await?;
        receipt(&turn).ok_or_else(|| format!("{turn:?}"))
    }

    async fn turn(
        &mut self,
        at: usize,
        id: &str,
        text: &str,
        yes_to: Option<&v1::Card>,
    ) -> Result<(Option<v1::Card>, v1::Turn), String> {
        let pair = &self.house.pair;
        let (who, conversation) = (pair.customer(1), format!("t{}", self.wish.number));
        let yes = yes_to.map(|card| pair.frontend.yes(&who, &conversation, card));
        let request = v1::ConverseRequest {
            subject_token: who.token.clone(),
            message: Some(pair.frontend.message(&who, &conversation, id, text)),
            conversation_id: conversation,
            confirmation: yes.unwrap_or_default(),
            ..Default::default()
        };
        let said = |status: tonic::Status| format!("{status:?}");
        let mut events = self.planners[at].converse(request).await.map_err(said)?.into_inner();
        let mut shown = None;
        while let Some(event) = events.message().await.map_err(said)? {
            match event.event {
                Some(Event::Card(card)) => shown = Some(card),
                Some(Event::Turn(turn)) => {
                    self.met.turns.fetch_add(1, Ordering::SeqCst);
                    return Ok((shown, turn));
                }
                Some(Event::Progress(_)) | None => {}
            }
        }
        Err("the stream ended without a turn".to_owned())
    }
}

/// Of what was done, now or before.
fn receipt(turn: &v1::Turn) -> Option<String> {
    let done = |action: &&v1::TurnAction| {
        action.outcome() == v1::Outcome::Applied || action.code == "ALREADY_DONE"
    };
    turn.actions.iter().find(done).map(|action| action.receipt_id.clone())
}
