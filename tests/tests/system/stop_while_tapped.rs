//! The executor is told to stop while somebody taps yes: whenever that is, what they are told is
//! true, the decision is the same after the next start, and its effect happens once (AT MOST ONE
//! EFFECT, A YES IS SHOWN AND SIGNED).

mod wire;

use std::time::{Duration, Instant};

use countersign_tests::sandbox::{Fault, FaultSpec};
use reqwest::{Body, Certificate, RequestBuilder, StatusCode, Version};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;

use super::stale_approval::House;
use super::stale_approval::page::Page;
use super::support::pair::Pair;
use super::support::plans::Desk;
use wire::Wire;

/// When each is tapped, and when the signal comes, in steps.
const PLACES: [u32; 4] = [1, 2, 3, 5];
const SIGNAL: u32 = 4;
/// The step of each round, in milliseconds: a tap takes a few dozen.
const STEPS: [u64; 4] = [5, 15, 40, 90];
/// Longer than pages, actions and the log's folder may take together.
const LONGEST_END: Duration = Duration::from_secs(60);
/// The answer to a counted yes: look again.
const RELOAD: &str = r#"{"reload":true}"#;

/// What came of a tap, as whoever tapped knows it.
#[derive(Debug)]
enum Heard {
    /// A whole page.
    Page(StatusCode, String),
    /// The connection ended before one byte of it.
    Nothing,
}

/// How a request stands.
#[derive(Debug, PartialEq, Eq)]
enum Stands {
    Open,
    Done,
}

/// A house whose pages speak TLS, with the certificate that they show.
struct Stand {
    house: House,
    pem: String,
}

impl Stand {
    async fn open() -> Self {
        let mut house = House::asking("[support_lead]").await;
        let pem = house.speaks_tls();
        house.pair.begin_anew();
        house.pair.sandbox.stock((STEPS.len() * PLACES.len()) as u64);
        Self { house, pem }
    }

    /// Alice, signed in with a browser that speaks this version.
    async fn alice(&self, version: Version) -> Page<'_> {
        let own = Certificate::from_pem(self.pem.as_bytes()).unwrap();
        let page = Page::over(&self.house.origin, &self.house.alice, |client| {
            let client = client.tls_certs_only([own]);
            if version == Version::HTTP_11 { client.http1_only() } else { client }
        });
        let page = page.enters().await;
        assert_eq!(page.get("/approvals").await.version(), version);
        page
    }

    /// A confirmed refund of an order of the stock, which waits for Alice.
    async fn refund(&self, number: u64) -> String {
        let mut desk = Desk::new(&self.house.pair, self.house.pair.customer(1), "c1");
        let proposal = desk.propose_refund(&number.to_string()).await.unwrap();
        let yes = desk.yes(&proposal);
        desk.execute(&proposal, &yes).await.unwrap();
        proposal.proposal_id
    }

    fn address(&self) -> String {
        self.house.origin.replace("https://localhost", "127.0.0.1")
    }

    /// Tells the executor to stop, up to where it takes no connection any more.
    async fn told_to_stop(&self) {
        self.house.pair.terminate_executor();
        while TcpStream::connect(self.address()).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits until the executor has ended by itself, and well.
    async fn ends(&self) {
        let began = Instant::now();
        let well = loop {
            if let Some(well) = self.house.pair.executor_ended_well() {
                break well;
            }
            assert!(began.elapsed() < LONGEST_END, "it does not end");
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        assert!(well, "it ended as if something had happened");
    }

    /// The same, and then starts the next.
    async fn starts_again(&mut self) {
        self.ends().await;
        self.house.pair.restart_executor_after_kill();
    }

    /// Refunds of an order that really happened.
    fn refunds(&self, number: u64) -> usize {
        let of = |kind: &str, name: &str| kind.contains("refund") && name == format!("#{number}");
        self.house.pair.effects().iter().filter(|e| of(&e.kind, &e.name)).count()
    }

    /// After the next start: what was heard is true, and a yes that was not counted still can be.
    async fn holds_to(&self, id: &str, number: u64, heard: &Heard) {
        let alice = self.alice(Version::HTTP_2).await;
        let stands = stands(&alice, id).await;
        match heard {
            Heard::Page(StatusCode::OK, text) if text == RELOAD => {
                assert_eq!(stands, Stands::Done, "#{number}: a yes that was heard is lost");
            }
            Heard::Page(status, text) => panic!("#{number}: nothing was wrong: {status} {text}"),
            Heard::Nothing => {}
        }
        if stands == Stands::Open {
            self.still_open(&alice, id, number).await;
        }
        assert_eq!(self.refunds(number), 1, "{:?}", self.house.pair.effects());
    }

    /// Nothing has happened, and a new tap sets it going.
    async fn still_open(&self, alice: &Page<'_>, id: &str, number: u64) {
        assert_eq!(self.refunds(number), 0, "{:?}", self.house.pair.effects());
        assert_eq!(alice.answer(id, "approve", "").await.status(), StatusCode::OK);
        assert_eq!(stands(alice, id).await, Stands::Done);
    }
}

/// How a request stands once nobody is at it any more.
async fn stands(page: &Page<'_>, id: &str) -> Stands {
    let began = Instant::now();
    loop {
        let shown = page.read(&format!("/approve/{id}")).await;
        if shown.contains("<h1>Done</h1>") {
            return Stands::Done;
        }
        if shown.contains("<h1>Waits for a yes or no</h1>") {
            return Stands::Open;
        }
        let goes_on = ["Being carried out", "Your yes is counted"];
        assert!(goes_on.iter().any(|words| shown.contains(words)), "{shown}");
        assert!(began.elapsed() < LONGEST_END, "{shown}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Sends a tap; answers with what is heard of it. An answer that breaks off fails the test.
fn tapped(request: RequestBuilder) -> JoinHandle<Heard> {
    tokio::spawn(async move {
        match request.send().await {
            Ok(answer) => Heard::Page(answer.status(), answer.text().await.expect("a whole page")),
            Err(_) => Heard::Nothing,
        }
    })
}

/// A signed yes of Alice's, not sent yet.
async fn yes(alice: &Page<'_>, id: &str) -> RequestBuilder {
    let signed = alice.signed(id, "approve", "").await;
    alice.posting(&alice.origin, &format!("/approve/{id}/answer")).json(&signed)
}

/// Waits until the shop was asked for this.
async fn asked(pair: &Pair, operation: &str, before: usize) {
    let asked = || {
        let all = pair.sandbox.requests();
        all.iter().skip(before).any(|one| one.operation.as_deref() == Some(operation))
    };
    while !asked() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The first half of an answer has come when it is told to stop: the rest is taken, and counts.
#[tokio::test(flavor = "multi_thread")]
async fn stop_while_tapped_takes_the_rest_of_an_answer_that_has_begun() {
    let mut stand = Stand::open().await;
    let number = 10_001;
    let id = stand.refund(number).await;
    let alice = stand.alice(Version::HTTP_11).await;
    let body = alice.signed(&id, "approve", "").await.to_string();
    let (first, rest) = body.split_at(body.len() / 2);
    let (address, cookie) = (stand.address(), alice.headers()["cookie"].clone());
    let mut wire = Wire::open(&address, &stand.pem).await;
    wire.says(&format!(
        "POST /approve/{id}/answer HTTP/1.1\r\nhost: {address}\r\norigin: {}\r\ncookie: {}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\nexpect: 100-continue\r\n\r\n",
        alice.origin,
        cookie.to_str().unwrap(),
        body.len()
    ))
    .await;
    // Said once the body is waited for.
    wire.hears("HTTP/1.1 100 Continue\r\n\r\n").await;
    wire.says(first).await;
    stand.told_to_stop().await;
    wire.says(rest).await;
    let answer = wire.rest().await;
    let (head, told) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    drop(alice);
    stand.starts_again().await;
    stand.holds_to(&id, number, &Heard::Page(StatusCode::OK, told.to_owned())).await;
}

/// The same over HTTP/2, where one connection has many requests.
#[tokio::test(flavor = "multi_thread")]
async fn stop_while_tapped_takes_the_rest_of_an_answer_over_http_2() {
    let mut stand = Stand::open().await;
    let number = 10_001;
    let id = stand.refund(number).await;
    let alice = stand.alice(Version::HTTP_2).await;
    let body = alice.signed(&id, "approve", "").await.to_string();
    let (first, rest) = body.split_at(body.len() / 2);
    let (send, pieces) = mpsc::channel(1);
    let request = alice.posting(&alice.origin, &format!("/approve/{id}/answer"));
    let request = request.header("content-type", "application/json");
    let heard = tapped(request.body(Body::wrap_stream(ReceiverStream::new(pieces))));
    let piece = |text: &str| Ok::<_, std::io::Error>(text.to_owned());
    send.send(piece(first)).await.unwrap();
    // Once that is taken the request is under way, and what is asked after it comes after it.
    let place = send.reserve().await.unwrap();
    assert_eq!(alice.get("/session").await.version(), Version::HTTP_2);
    stand.told_to_stop().await;
    place.send(piece(rest));
    drop(send);
    let heard = heard.await.unwrap();
    assert!(matches!(heard, Heard::Page(..)), "{heard:?}");
    drop(alice);
    stand.starts_again().await;
    stand.holds_to(&id, number, &heard).await;
}

/// The refund has happened and its answer is late when it is told to stop: the page waits for
/// it; where it comes too late, whoever looks after the next start sees how it ended.
#[tokio::test(flavor = "multi_thread")]
async fn stop_while_tapped_waits_for_a_late_effect_and_has_one() {
    for (number, after_ms) in [(10_001, 2_000), (10_002, 60_000)] {
        let mut stand = Stand::open().await;
        let id = stand.refund(number).await;
        let alice = stand.alice(Version::HTTP_2).await;
        let before = stand.house.pair.sandbox.requests_so_far();
        stand.house.pair.sandbox.fault(FaultSpec { after_ms, ..Fault::Slow.into() });
        let heard = tapped(yes(&alice, &id).await);
        asked(&stand.house.pair, "RefundCreate", before).await;
        stand.told_to_stop().await;
        let heard = heard.await.unwrap();
        assert!(after_ms > 10_000 || matches!(heard, Heard::Page(..)), "{heard:?}");
        drop(alice);
        stand.starts_again().await;
        stand.holds_to(&id, number, &heard).await;
    }
}

/// The shop does not say how the order stands when it is told to stop: no yes is counted then,
/// the page does not say that one was, and the request is open after the next start.
#[tokio::test(flavor = "multi_thread")]
async fn stop_while_tapped_counts_nothing_where_the_state_cannot_be_read() {
    let mut stand = Stand::open().await;
    let number = 10_001;
    let id = stand.refund(number).await;
    let alice = stand.alice(Version::HTTP_2).await;
    let request = yes(&alice, &id).await;
    let before = stand.house.pair.sandbox.requests_so_far();
    let only = Some("GetOrder".to_owned());
    let hangs = FaultSpec { after_ms: 600_000, times: 100, only, ..Fault::Slow.into() };
    stand.house.pair.sandbox.fault(hangs);
    let heard = tapped(request);
    asked(&stand.house.pair, "GetOrder", before).await;
    stand.told_to_stop().await;
    let heard = heard.await.unwrap();
    if let Heard::Page(status, text) = &heard {
        let told: Value = serde_json::from_str(text).unwrap();
        let words = told["message"].as_str().unwrap_or_default();
        // To look again says nothing yet.
        assert!(*status == StatusCode::CONFLICT || text == RELOAD, "{status} {text}");
        assert!(!words.contains("counted") && !words.contains("Done"), "{text}");
    }
    drop(alice);
    // Until then it would hear the yes out.
    stand.ends().await;
    stand.house.pair.sandbox.clear_faults();
    stand.starts_again().await;
    let alice = stand.alice(Version::HTTP_2).await;
    assert_eq!(stands(&alice, &id).await, Stands::Open, "{heard:?}");
    stand.still_open(&alice, &id, number).await;
    assert_eq!(stand.refunds(number), 1);
}

/// Whoever tapped has gone when it is told to stop: what they set going is waited for all the
/// same, so that nobody has to find out later what became of it.
#[tokio::test(flavor = "multi_thread")]
async fn stop_while_tapped_hears_a_yes_out_whose_page_has_gone() {
    let mut stand = Stand::open().await;
    let number = 10_001;
    let id = stand.refund(number).await;
    let alice = stand.alice(Version::HTTP_2).await;
    let request = yes(&alice, &id).await;
    let before = stand.house.pair.sandbox.requests_so_far();
    let only = Some("GetOrder".to_owned());
    stand.house.pair.sandbox.fault(FaultSpec { after_ms: 3_000, only, ..Fault::Slow.into() });
    let heard = tapped(request);
    asked(&stand.house.pair, "GetOrder", before).await;
    heard.abort();
    drop(alice);
    stand.told_to_stop().await;
    stand.ends().await;
    assert_eq!(stand.refunds(number), 1, "{:?}", stand.house.pair.effects());
    stand.starts_again().await;
    stand.holds_to(&id, number, &Heard::Nothing).await;
}

/// Whenever the signal comes: before, between and after taps, over both versions.
#[tokio::test(flavor = "multi_thread")]
async fn stop_while_tapped_tells_the_truth_whenever_the_signal_comes() {
    let mut stand = Stand::open().await;
    let (mut answered, mut ended) = (0, 0);
    for (round, step) in STEPS.into_iter().enumerate() {
        let version = [Version::HTTP_11, Version::HTTP_2][round % 2];
        let first = 10_001 + (round * PLACES.len()) as u64;
        let numbers: Vec<_> = (first..first + PLACES.len() as u64).collect();
        let alice = stand.alice(version).await;
        let (mut ids, mut taps) = (Vec::new(), Vec::new());
        for number in &numbers {
            let id = stand.refund(*number).await;
            taps.push(yes(&alice, &id).await);
            ids.push(id);
        }
        let (began, step) = (tokio::time::Instant::now(), Duration::from_millis(step));
        let heard = taps.into_iter().zip(PLACES).map(|(tap, place)| {
            tokio::spawn(async move {
                tokio::time::sleep_until(began + place * step).await;
                tapped(tap).await.unwrap()
            })
        });
        let heard: Vec<_> = heard.collect();
        tokio::time::sleep_until(began + SIGNAL * step).await;
        stand.house.pair.terminate_executor();
        let mut all = Vec::new();
        for one in heard {
            all.push(one.await.unwrap());
        }
        drop(alice);
        stand.starts_again().await;
        for ((id, number), heard) in ids.iter().zip(numbers).zip(&all) {
            stand.holds_to(id, number, heard).await;
            match heard {
                Heard::Page(..) => answered += 1,
                Heard::Nothing => ended += 1,
            }
        }
    }
    println!("{answered} taps answered, {ended} connections ended");
}
