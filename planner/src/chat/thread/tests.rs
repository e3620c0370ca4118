#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use super::*;
use crate::memory::cluster::Cluster;
use crate::memory::conformance::{begin, joined};

const PLAIN: Way<'_> = Way::Message { confirmation: "" };

const NAME: &str = "web\nann\nc";

async fn asked(threads: &Threads, said: &[&str], way: Way<'_>) -> Meant {
    let said: Vec<String> = said.iter().map(|text| (*text).to_owned()).collect();
    let meant = threads.with(NAME, Instant::now(), |thread| thread.meant(&said, way)).await;
    meant.unwrap()
}

async fn begun(threads: &Threads, new: &New) -> Held {
    match threads.begin(NAME, &mut new.clone()).await.unwrap() {
        Begun::Here(held) => held,
        Begun::Ended(turn, _) => panic!("it ended elsewhere: {turn:?}"),
    }
}

async fn new(threads: &Threads, said: &[&str]) -> New {
    match asked(threads, said, PLAIN).await {
        Meant::New(new) => new,
        Meant::Again(_) | Meant::NotOpen => panic!("{said:?} was taken before"),
    }
}

async fn is_again(threads: &Threads, said: &[&str]) -> bool {
    matches!(asked(threads, said, PLAIN).await, Meant::Again(_))
}

#[tokio::test]
async fn the_same_messages_are_the_same_turn() {
    let threads = Threads::default();
    let first = new(&threads, &["cancel 1001"]).await;
    assert!(!first.edited() && first.branch().is_empty());
    let Meant::Again(tape) = asked(&threads, &["cancel 1001 "], PLAIN).await else { panic!() };
    assert!(Arc::ptr_eq(&tape, &first.tape));
    let second = new(&threads, &["cancel 1001", "yes"]).await;
    assert!(!second.edited() && second.branch().is_empty());
    assert_ne!(first.message_id, second.message_id);
    // The same word once more is another message.
    assert!(!new(&threads, &["cancel 1001", "yes", "yes"]).await.edited());
}

#[tokio::test]
async fn an_edit_branches_off_and_its_answers_stay_on_the_branch() {
    let threads = Threads::default();
    new(&threads, &["hello"]).await;
    new(&threads, &["hello", "cancel 1001"]).await;
    let edit = new(&threads, &["hello", "cancel 1002"]).await;
    assert!(edit.edited() && !edit.branch().is_empty());
    let next = new(&threads, &["hello", "cancel 1002", "yes"]).await;
    assert!(!next.edited());
    assert_eq!(next.branch(), edit.branch());
    assert!(new(&threads, &["hello", "cancel 1001", "yes"]).await.branch().is_empty());
    assert!(is_again(&threads, &["hello", "cancel 1002"]).await);
}

#[tokio::test]
async fn a_signed_yes_beside_known_messages_is_a_turn_of_its_own() {
    let threads = Threads::default();
    new(&threads, &["cancel 1001"]).await;
    let yes =
        async |jws| asked(&threads, &["cancel 1001"], Way::Message { confirmation: jws }).await;
    let Meant::New(first) = yes("one").await else { panic!() };
    assert!(!first.edited() && first.branch().is_empty());
    assert!(matches!(yes("one").await, Meant::Again(_)));
    // One that was refused may be followed by a better one.
    let Meant::New(second) = yes("two").await else { panic!() };
    let Meant::Again(tape) = asked(&threads, &["cancel 1001"], PLAIN).await else { panic!() };
    assert!(Arc::ptr_eq(&tape, &second.tape), "the messages alone: what came last");
    assert!(!new(&threads, &["cancel 1001", "thanks"]).await.edited());
}

#[tokio::test]
async fn a_history_that_was_cut_off_goes_on_where_it_is() {
    let threads = Threads::default();
    for end in 1..=4 {
        new(&threads, ["a", "b", "c", "d"].get(..end).unwrap()).await;
    }
    let cut = new(&threads, &["c", "d", "e"]).await;
    assert!(!cut.edited() && cut.branch().is_empty());
    assert!(is_again(&threads, &["a", "b", "c", "d", "e"]).await, "the whole leads there, too");
    assert!(is_again(&threads, &["d", "e"]).await);
    assert!(new(&threads, &["c", "d", "f"]).await.edited());
}

#[tokio::test]
async fn what_nobody_knows_the_beginning_of_may_be_an_edit() {
    let threads = Threads::default();
    assert!(new(&threads, &["a", "b"]).await.edited());
    let next = new(&threads, &["a", "b", "c"]).await;
    assert!(!next.edited(), "and goes on from there");
}

#[tokio::test]
async fn an_answer_to_an_interrupt_is_one_turn_and_no_edit() {
    let threads = Threads::default();
    let resume = async |resolved, jws| {
        let way = Way::Resume { interrupt: "prp_1", confirmation: jws, resolved };
        asked(&threads, &["cancel 1001"], way).await
    };
    let first = new(&threads, &["cancel 1001"]).await;
    assert!(matches!(resume(false, "").await, Meant::NotOpen), "no card was shown");
    let card = Card { proposal_id: "prp_1".to_owned(), ..Card::default() };
    first.tape.end(Turn::default(), Some(card));
    let Meant::New(yes) = resume(true, "jws").await else { panic!() };
    assert!(!yes.edited() && yes.branch().is_empty());
    assert!(matches!(resume(true, "jws").await, Meant::Again(_)));
    assert!(matches!(resume(true, "better").await, Meant::New(_)));
    assert!(matches!(resume(false, "").await, Meant::New(no) if !no.edited()));
    assert!(!new(&threads, &["cancel 1001", "thanks"]).await.edited());
}

/// As where the state moved between card and yes: the answer shows another card.
#[tokio::test]
async fn a_card_that_an_answer_to_an_interrupt_showed_can_be_dropped() {
    let threads = Threads::default();
    let resume = async |said, interrupt, resolved| {
        let way = Way::Resume { interrupt, confirmation: "", resolved };
        asked(&threads, &[said], way).await
    };
    let card = |id: &str| Some(Card { proposal_id: id.to_owned(), ..Card::default() });
    new(&threads, &["cancel 1001"]).await.tape.end(Turn::default(), card("prp_1"));
    new(&threads, &["cancel 1002"]).await;
    let Meant::New(yes) = resume("cancel 1001", "prp_1", true).await else { panic!() };
    yes.tape.end(Turn::default(), card("prp_2"));
    assert!(matches!(resume("cancel 1002", "prp_2", false).await, Meant::NotOpen));
    assert!(matches!(resume("cancel 1001", "prp_2", false).await, Meant::New(_)));
}

#[tokio::test]
async fn what_decided_nothing_is_taken_again() {
    let threads = Threads::default();
    let first = new(&threads, &["hello"]).await;
    first.tape.end(Turn { passing: true, ..Turn::default() }, None);
    let again = new(&threads, &["hello"]).await;
    assert!(!again.edited());
    again.tape.end(Turn::default(), None);
    assert!(is_again(&threads, &["hello"]).await);
}

#[tokio::test]
async fn a_turn_that_was_kept_is_heard_again_by_the_next_process() {
    let folder = tempfile::tempdir().unwrap();
    let open = || Threads::new(Memory::open(folder.path()).unwrap());
    let before = open();
    before.memory.belongs("k", &[NAME]).await;
    let first = new(&before, &["hello"]).await;
    let held = begun(&before, &first).await;
    let turn = Turn { reply: "Hello.".to_owned(), ..Turn::default() };
    before.keep(held, &first, (&turn, Some(&Card::default())), &BTreeSet::new()).await;
    let after = open();
    let Meant::Again(tape) = asked(&after, &["hello"], PLAIN).await else { panic!() };
    assert_eq!(tape.reply().as_deref(), Some("Hello."));
    // One that had not ended is taken again, and an edit of it is an edit.
    let second = new(&before, &["hello", "cancel 1001"]).await;
    drop(begun(&before, &second).await);
    before.memory.settled().await;
    assert!(!new(&open(), &["hello", "cancel 1001"]).await.edited());
    assert!(new(&open(), &["hello", "cancel 1002"]).await.edited());
}

#[tokio::test]
async fn a_long_conversation_forgets_its_oldest_turns() {
    let threads = Threads::default();
    let all: Vec<String> = (0..=MOST_TURNS).map(|n| n.to_string()).collect();
    let texts: Vec<&str> = all.iter().map(String::as_str).collect();
    for end in 1..=texts.len() {
        asked(&threads, texts.get(..end).unwrap(), PLAIN).await;
    }
    assert_eq!(threads.kept.lock().get(NAME).unwrap().turns.len(), MOST_TURNS);
    assert!(is_again(&threads, &texts).await);
}

/// A turn of the thread that another planner begins, with a body that this version cannot read.
async fn begun_by_a_newer_one(memory: &Memory, number: i64) {
    let row = Row { place: [9; 32], number, body: "of a later version".to_owned() };
    begin(memory, NAME, &row).await.give_back().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_comes_after_one_that_cannot_be_read() {
    let cluster = Cluster::start(&[]);
    let memory = joined(&cluster).await.unwrap();
    begun_by_a_newer_one(&memory, 7).await;
    // Overtaken once, it would be Busy here.
    let threads = Threads::new(memory.impatient());
    let next = new(&threads, &["hello"]).await;
    assert_eq!(next.mark.number, 8);
    drop(begun(&threads, &next).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_that_is_overtaken_comes_after_it_or_is_given_up_without_patience() {
    for patient in [true, false] {
        let cluster = Cluster::start(&[]);
        let memory = joined(&cluster).await.unwrap();
        let own = if patient { memory.clone() } else { memory.clone().impatient() };
        let threads = Threads::new(own);
        let mut next = new(&threads, &["hello"]).await;
        begun_by_a_newer_one(&memory, next.mark.number).await;
        let begun = threads.begin(NAME, &mut next).await;
        if patient {
            assert!(matches!(begun, Ok(Begun::Here(_))));
            assert_eq!(next.mark.number, 1);
        } else {
            assert!(matches!(begun, Err(NotTaken::Busy)));
        }
    }
}
