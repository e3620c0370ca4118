//! A guest whom only a widget asserts: the executor matches them itself.

use std::fs;

use countersign_proto::v1;
use countersign_proto::v1::argument::Source;

use super::support::pair::Pair;
use super::support::plans::{Desk, refusal, step};

/// The guest says order number and e-mail; the planner asks for the match.
pub async fn matched(desk: &mut Desk<'_>, order: &str, email: &str) -> Result<(), tonic::Status> {
    let text = format!("order {order}, my mail is {email}");
    let (order, email) = (desk.say(&text, order), desk.say(&text, email));
    let span = |argument: v1::Argument| match argument.source {
        Some(Source::Utterance(span)) => Some(span),
        other => panic!("not a span: {other:?}"),
    };
    let request = v1::MatchSubjectRequest {
        subject_token: desk.who.token.clone(),
        messages: desk.words.clone(),
        conversation_id: desk.conversation.clone(),
        order: span(order),
        email: span(email),
    };
    desk.client.match_subject(request).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn matching_raises_a_guest_to_the_owner_of_the_order() {
    let pair = Pair::executor_only().await;
    let mut desk = Desk::new(&pair, pair.guest("guest-1"), "c1");
    // The widget's claim to be customer 2 opens nothing.
    assert_eq!(refusal(desk.order("2001").await).code, "STRENGTH_REQUIRED");
    let wrong = refusal(matched(&mut desk, "1001", "customer2@example.com").await);
    let nobody = refusal(matched(&mut desk, "987654", "customer1@example.com").await);
    let guests = refusal(matched(&mut desk, "3001", "guest@example.com").await);
    assert_eq!(wrong.code, "MATCH_FAILED");
    for other in [nobody, guests] {
        assert_eq!((&other.code, &other.message), (&wrong.code, &wrong.message));
    }
    assert_eq!(refusal(desk.order("1001").await).code, "STRENGTH_REQUIRED");
    matched(&mut desk, "1001", "Customer1@Example.com").await.unwrap();
    desk.order("1001").await.unwrap();
    assert_eq!(refusal(desk.order("2001").await).code, "ORDER_NOT_FOUND", "another's order");
    // Elsewhere the guest is a guest still.
    let mut elsewhere = Desk::new(&pair, pair.guest("guest-1"), "c2");
    assert_eq!(refusal(elsewhere.order("1001").await).code, "STRENGTH_REQUIRED");
    // The read behind it is the executor's own.
    let number = desk.say("1001", "1001");
    let answer = desk.read(step("shopify.match_order", vec![("number", number)])).await;
    assert_eq!(refusal(answer).code, "TOOL_UNKNOWN");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_token_is_kept_anywhere() {
    let pair = Pair::executor_only().await;
    let mut desk = Desk::new(&pair, pair.customer(1), "c1");
    desk.cancel("1001").await.unwrap();
    let mut guest = Desk::new(&pair, pair.guest("guest-1"), "c2");
    matched(&mut guest, "1002", "customer1@example.com").await.unwrap();
    guest.order("1002").await.unwrap();
    let mut read = 0;
    let mut open = vec![pair.path("state"), pair.path("executor.log")];
    let tokens = [&desk.who.token, &guest.who.token];
    let parts: Vec<&str> = tokens.iter().flat_map(|t| t.split('.').skip(1)).collect();
    let mut known = false;
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        let bytes = fs::read(&path).unwrap();
        let holds = |text: &str| bytes.windows(text.len()).any(|w| w == text.as_bytes());
        for part in &parts {
            assert!(!holds(part), "{} holds a token", path.display());
        }
        known |= holds("customer1@example.com");
        read += 1;
    }
    assert!(known && read > 3, "what is kept was looked at: {read} files");
}
