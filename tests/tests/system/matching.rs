//! A guest whom only a widget asserts: the executor matches them itself.

use std::fs;

use countersign::pki::Role;
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
async fn whoever_matches_the_same_is_the_same_and_a_mere_namesake_is_not() {
    let mut pair = Pair::executor_only().await;
    let edit = |name: &str, text: String| match name {
        "policy.cedar" => text.replacen("principal.strength >= 2", "principal.strength >= 1", 1),
        _ => text,
    };
    pair.change_policy(edit, &[]);
    pair.change_pack(|name, text| {
        let cancel = name == "cancel_order.yaml";
        Some(if cancel { format!("{text}strength: matched\n") } else { text })
    });
    pair.begin_anew();
    let mut desk = Desk::new(&pair, pair.guest("anna"), "c1");
    matched(&mut desk, "1001", "customer1@example.com").await.unwrap();
    let done = desk.cancel("1001").await.unwrap();
    assert_eq!(done.outcome(), v1::Outcome::Applied, "{done:?}");
    // Matched again under another name, the same wish is the same.
    let mut again = Desk::new(&pair, pair.guest("bert"), "c2");
    matched(&mut again, "1001", "customer1@example.com").await.unwrap();
    let known = refusal(again.propose_cancel("1001").await);
    assert_eq!(
        (&*known.code, known.receipt_id.as_deref()),
        ("ALREADY_DONE", Some(&*done.receipt_id))
    );
    // Who only bears the name sees no receipts, and under another name not the action.
    let request =
        v1::ListReceiptsRequest { subject_token: pair.guest("anna").token, ..Default::default() };
    let listed = pair.audit(Role::Planner).list_receipts(request).await;
    assert_eq!(refusal(listed).code, "STRENGTH_REQUIRED");
    let asked = |token: String| v1::GetActionRequest {
        subject_token: token,
        action_id: done.action_id.clone(),
    };
    desk.client.get_action(asked(pair.guest("anna").token)).await.unwrap();
    let answer = desk.client.get_action(asked(pair.guest("carl").token)).await;
    assert_eq!(refusal(answer).code, "NOT_FOUND");
    // No issuer gives a name that only the executor gives.
    let forged = pair.guest(r#"matched:{"customer_id":"gid://shopify/Customer/1"}"#);
    assert_eq!(
        refusal(desk.client.get_action(asked(forged.token)).await).code,
        "SUBJECT_UNVERIFIED"
    );
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
        // What is personal is ciphertext: the tool is not.
        known |= holds("shopify.cancel_order");
        read += 1;
    }
    assert!(known && read > 3, "what is kept was looked at: {read} files");
}

#[tokio::test(flavor = "multi_thread")]
async fn matching_a_guest_in_a_chat_takes_up_what_they_wanted() {
    use super::action_flow::converse;
    let pair = Pair::start().await;
    let who = pair.guest("guest-1");
    let asked = converse(&pair, &who, "m1", "look up order 1001", None).await.turn;
    assert!(asked.reply.contains("order number and the e-mail"), "{}", asked.reply);
    let wrong = converse(&pair, &who, "m2", "1001, nobody@example.com", None).await.turn;
    assert_eq!(wrong.actions[0].code, "MATCH_FAILED", "{}", wrong.reply);
    let found = converse(&pair, &who, "m3", "1001, customer1@example.com", None).await.turn;
    assert!(found.reply.starts_with("Order #1001"), "{}", found.reply);
    let cancel = converse(&pair, &who, "m4", "cancel order 1001", None).await.turn;
    assert_eq!(cancel.actions[0].code, "STRENGTH_REQUIRED", "{}", cancel.reply);
    assert_eq!(pair.mutations(), 0);
}
