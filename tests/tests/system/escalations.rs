//! What goes to a person, what they are handed, and how their word settles it.

use std::fs;

use countersign::pki::Role;
use countersign_proto::v1::escalations_client::EscalationsClient;
use countersign_proto::v1::{self, Action, Escalation, Outcome};
use countersign_shared::mtls::Channel;
use countersign_tests::sandbox::{Fault, StaffAct};

use super::action_flow::receipt;
use super::support::hook::Hook;
use super::support::pair::Pair;
use super::support::people::{Signer, people};
use super::support::plans::{Desk, refusal};

/// The pair with Alice in its policy, and her tools.
struct House {
    pair: Pair,
    alice: Signer,
}

impl House {
    async fn open() -> Self {
        let mut pair = Pair::executor_only().await;
        let (alice, bob) = (Signer::new(9), Signer::new(10));
        let people = people(&[("alice", "support_lead"), ("bob", "support_lead")]);
        let edit = |name: &str, text| if name == "people.yaml" { people.clone() } else { text };
        pair.change_policy(edit, &[("alice", &alice), ("bob", &bob)]);
        pair.change_pack(|_, text| Some(text.replace("quiet_period: 15s", "quiet_period: 6s")));
        // A state of its own begins with this policy.
        pair.begin_anew();
        Self { pair, alice }
    }

    fn queue(&self) -> EscalationsClient<Channel> {
        EscalationsClient::new(self.pair.channel(Role::Approver))
    }

    async fn waiting(&self) -> Vec<Escalation> {
        let request = v1::ListEscalationsRequest::default();
        self.queue().list_escalations(request).await.unwrap().into_inner().escalations
    }

    async fn take(&self, id: &str, who: &str, from: &str) -> Result<Escalation, tonic::Status> {
        let [escalation_id, who, from] = [id, who, from].map(str::to_owned);
        let request = v1::TakeEscalationRequest { escalation_id, who, from };
        Ok(self.queue().take_escalation(request).await?.into_inner().escalation.unwrap())
    }

    async fn finish(
        &self,
        found: &Escalation,
        done: bool,
    ) -> Result<v1::FinishEscalationResponse, tonic::Status> {
        let about =
            if found.action_id.is_empty() { &found.escalation_id } else { &found.action_id };
        let jws = self.alice.finish("alice", about, done);
        let escalation_id = found.escalation_id.clone();
        let request = v1::FinishEscalationRequest { escalation_id, jws };
        Ok(self.queue().finish_escalation(request).await?.into_inner())
    }

    /// Says "not done", and says it again for as long as it is too early.
    async fn not_done(&self, found: &Escalation) -> Action {
        loop {
            let early = match self.finish(found, false).await {
                Ok(finished) => return finished.action.unwrap(),
                refused @ Err(_) => refusal(refused),
            };
            assert_eq!(early.code, "IN_FLIGHT", "{early:?}");
            assert!(early.message.contains("may still take effect until"), "{early:?}");
            tokio::time::sleep(early.retry_after.unwrap()).await;
        }
    }

    /// A cancellation that the shop says yes to and does nothing about.
    async fn in_doubt(&self) -> (Action, Escalation) {
        let mut desk = Desk::new(&self.pair, self.pair.customer(1), "c1");
        let proposal = desk.propose_cancel("1001").await.unwrap();
        let yes = desk.yes(&proposal);
        self.pair.sandbox.fault(Fault::NoEffect);
        let done = desk.execute(&proposal, &yes).await.unwrap();
        assert_eq!(done.outcome(), Outcome::Unknown, "{done:?}");
        let mut waiting = self.waiting().await;
        assert_eq!(waiting.len(), 1, "{waiting:?}");
        (done, waiting.remove(0))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn escalations_a_person_finishes_what_the_backend_lied_about() {
    let house = House::open().await;
    let (done, found) = house.in_doubt().await;
    assert_eq!(
        (found.reason.as_str(), found.action_id.as_str()),
        ("wrong_effect", done.action_id.as_str())
    );
    assert_eq!(
        (found.receipt_id.as_str(), found.external_ref.as_str()),
        (done.receipt_id.as_str(), "T-1")
    );
    assert!(found.request.iter().any(|text| text.contains("#1001")), "{found:?}");
    assert!(found.interpretation.contains("gid://shopify/Order/1001"), "{found:?}");
    assert!(found.observations[0].value_json.contains("#1001"), "{found:?}");
    assert!(found.tried.iter().any(|text| text.contains("attempt 1")), "{found:?}");
    let id = &found.escalation_id;
    assert_eq!(house.take(id, "alice", "").await.unwrap().taken_by, "alice");
    assert_eq!(refusal(house.take(id, "mallory", "alice").await).code, "APPROVER_NOT_ALLOWED");
    for from in ["", "bob", "mallory"] {
        assert_eq!(refusal(house.take(id, "bob", from).await).code, "IN_FLIGHT", "{from}");
    }
    assert_eq!(house.take(id, "bob", "alice").await.unwrap().taken_by, "bob");
    assert_eq!(house.take(id, "alice", "bob").await.unwrap().taken_by, "alice");

    house.pair.sandbox.staff("#1001", &StaffAct::Cancel { staff_note: None }).unwrap();
    let finished = house.finish(&found, true).await.unwrap();
    let action = finished.action.unwrap();
    assert_eq!(action.outcome(), Outcome::Applied, "{action:?}");
    assert_eq!(finished.escalation.unwrap().closed_by_receipt_id, action.receipt_id);
    let second = receipt(&house.pair, &action.receipt_id).await;
    assert_eq!((second.performed_by.as_str(), second.next.as_str()), ("human", "none"));
    assert!(second.verification.evidence.contains(&"human".to_owned()), "{second:?}");
    assert_eq!((second.grants[1].kind.as_str(), second.grants[1].by.as_str()), ("finish", "alice"));
    assert!(second.message.contains(&done.receipt_id), "{}", second.message);
    assert!(house.waiting().await.is_empty());
    assert_eq!(house.pair.mutations(), 1, "the executor sent nothing more");

    // Its key is used up and its lock is free.
    let mut desk = Desk::new(&house.pair, house.pair.customer(1), "c2");
    let again = refusal(desk.propose_cancel("1001").await);
    assert_eq!(again.code, "ALREADY_DONE");
    assert_eq!(again.receipt_id.as_deref(), Some(action.receipt_id.as_str()));
    assert_eq!(refusal(desk.propose_refund("1001").await).code, "ORDER_CANCELLED");
    // The same word once more changes nothing.
    let same = house.finish(&found, false).await.unwrap().action.unwrap();
    assert_eq!((same.outcome(), same.receipt_id), (Outcome::Applied, action.receipt_id));
}

#[tokio::test(flavor = "multi_thread")]
async fn escalations_a_word_that_the_read_contradicts_changes_nothing() {
    let mut house = House::open().await;
    let (_, found) = house.in_doubt().await;
    let refused = refusal(house.finish(&found, true).await);
    assert_eq!(refused.code, "HUMAN_DISAGREES", "{refused:?}");
    let written = receipt(&house.pair, &refused.receipt_id.unwrap()).await;
    assert_eq!((written.next.as_str(), written.grants[0].by.as_str()), ("person", "alice"));
    assert_eq!(house.waiting().await.len(), 1, "still one matter");
    let mut desk = Desk::new(&house.pair, house.pair.customer(1), "c2");
    assert_eq!(refusal(desk.propose_cancel("1001").await).code, "OBJECT_IN_DOUBT");

    // The queue outlives the executor; nothing of it is there, so "not done" is true.
    house.pair.sandbox.clear_faults();
    house.pair.restart_executor();
    let action = house.not_done(&found).await;
    assert_eq!(action.outcome(), Outcome::NotApplied, "{action:?}");
    let mut desk = Desk::new(&house.pair, house.pair.customer(1), "c3");
    assert_eq!(desk.cancel("1001").await.unwrap().outcome(), Outcome::Applied);
    let cancelled = |e: &&countersign_tests::sandbox::Effect| e.kind == "order_cancelled";
    assert_eq!(house.pair.effects().iter().filter(cancelled).count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn escalations_half_an_effect_is_neither_done_nor_not_done() {
    let house = House::open().await;
    let mut desk = Desk::new(&house.pair, house.pair.customer(1), "c1");
    let proposal = desk.propose_cancel("1001").await.unwrap();
    let yes = desk.yes(&proposal);
    house.pair.sandbox.fault(Fault::HalfEffect);
    let done = desk.execute(&proposal, &yes).await.unwrap();
    assert_eq!(done.outcome(), Outcome::Unknown, "{done:?}");
    let found = house.waiting().await.remove(0);
    for done in [true, false] {
        assert_eq!(refusal(house.finish(&found, done).await).code, "HUMAN_DISAGREES");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn escalations_a_flagged_order_is_left_to_people() {
    let house = House::open().await;
    let mut desk = Desk::new(&house.pair, house.pair.customer(1), "c1");
    let refused = refusal(desk.propose_cancel("1005").await);
    assert_eq!(refused.code, "FRAUD_FLAGGED");
    assert_eq!(house.pair.mutations(), 0);
    let found = house.waiting().await.remove(0);
    assert_eq!((found.reason.as_str(), found.action_id.as_str()), ("fraud", ""));
    assert_eq!(Some(found.receipt_id.as_str()), refused.receipt_id.as_deref());
    // There is nothing to read: the person's word ends the matter and settles no action.
    let ended = house.finish(&found, true).await.unwrap();
    assert!(ended.action.is_none());
    let closed = ended.escalation.unwrap().closed_by_receipt_id;
    let written = receipt(&house.pair, &closed).await;
    assert_eq!((written.outcome.as_str(), written.performed_by.as_str()), ("refused", "human"));
    assert!(house.waiting().await.is_empty());
    assert_eq!(refusal(desk.propose_cancel("1005").await).code, "FRAUD_FLAGGED");
}

#[tokio::test(flavor = "multi_thread")]
async fn escalations_a_planner_can_hand_over_and_cannot_relax() {
    let house = House::open().await;
    let mut desk = Desk::new(&house.pair, house.pair.customer(1), "c1");
    let order = desk.order("1001").await.unwrap();
    let proposal = desk.propose_cancel("1001").await.unwrap();
    let request = v1::EscalateRequest {
        subject_token: desk.who.token.clone(),
        conversation_id: "c1".into(),
        external_ref: "T-1".into(),
        messages: desk.words.clone(),
        reason: v1::EscalationReason::Distress.into(),
        request: "approve everything".into(),
        recommended_action: "skip the confirmation".into(),
        observation_ids: vec![order.observation_id.clone(), "obs_no".into()],
        action_ids: vec!["act_somebody_elses".into()],
        ..Default::default()
    };
    let handed = house.pair.executor().escalate(request).await.unwrap().into_inner();
    assert!(handed.said.contains("colleague"), "{handed:?}");
    let written = receipt(&house.pair, &handed.receipt_id).await;
    assert_eq!((written.outcome.as_str(), written.code.as_str()), ("refused", "ESCALATED"));
    assert_eq!(written.next, "person");
    let found = house.waiting().await.remove(0);
    assert_eq!((found.reason.as_str(), found.receipt_id), ("handed_over", handed.receipt_id));
    assert!(found.reasoning_summary.starts_with("distress"), "{}", found.reasoning_summary);
    assert_eq!(found.observations[0].observation_id, order.observation_id);
    // Nothing became possible by it.
    assert_eq!(refusal(desk.execute(&proposal, "").await).code, "CONFIRMATION_REQUIRED");
    assert_eq!(house.pair.mutations(), 0);
    // And no planner reads or settles the queue.
    let mut queue = EscalationsClient::new(house.pair.channel(Role::Planner));
    let asked = queue.list_escalations(v1::ListEscalationsRequest::default()).await;
    assert_eq!(refusal(asked).code, "CALLER_NOT_ALLOWED");
}

#[tokio::test(flavor = "multi_thread")]
async fn escalations_are_told_of_and_again_once_they_are_given_back() {
    let mut house = House::open().await;
    let hook = Hook::start().await;
    fs::write(house.pair.path("hook.secret"), Hook::secret()).unwrap();
    house.pair.add_config(&format!(
        "notify: [{{ url: \"{}\", kind: json, secret_file: hook.secret, tenant: demo-shop, \
         plain_http: true, private_networks: [\"127.0.0.0/8\"] }}]\n",
        hook.url
    ));
    house.pair.restart_executor();
    let (done, found) = house.in_doubt().await;
    // The first try failed; the same notice comes once more.
    let notices = hook.notices(2).await;
    assert_eq!(notices[0], notices[1]);
    assert_eq!(notices[0]["event"], "escalation.opened");
    assert_eq!(notices[0]["escalation"], found.escalation_id.as_str());
    assert_eq!(
        (&notices[0]["reason"], &notices[0]["tenant"]),
        (&"wrong_effect".into(), &"demo-shop".into())
    );
    assert_eq!(notices[0]["receipt"], done.receipt_id.as_str());
    assert!(!notices[0]["recommended"].as_str().unwrap().is_empty());
    assert!(!notices[0].to_string().contains("it is about order"), "the customer's words stay");
    // Taken, it is nobody's to be told of; given back, it is, as on the first day.
    house.take(&found.escalation_id, "alice", "").await.unwrap();
    let mut desk = Desk::new(&house.pair, house.pair.customer(2), "c2");
    let request = v1::EscalateRequest {
        subject_token: desk.who.token.clone(),
        conversation_id: "c2".into(),
        ..v1::EscalateRequest::default()
    };
    desk.client.escalate(request).await.unwrap();
    assert_eq!(hook.notices(3).await[2]["reason"], "handed_over");
    drop(desk);
    house.pair.restart_executor();
    assert_eq!(hook.notices(4).await[3]["reason"], "handed_over");
    let back = v1::ReturnEscalationRequest { escalation_id: found.escalation_id.clone() };
    house.queue().return_escalation(back).await.unwrap();
    house.pair.restart_executor();
    let told = hook.notices(6).await;
    assert!(told[4..].iter().any(|n| n["escalation"] == found.escalation_id.as_str()), "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn escalations_a_planner_sees_who_has_its_own_and_the_note_it_ends_with() {
    let house = House::open().await;
    let desk = Desk::new(&house.pair, house.pair.customer(1), "c1");
    let token = desk.who.token.clone();
    let request = v1::EscalateRequest {
        subject_token: token.clone(),
        conversation_id: "c1".into(),
        ..v1::EscalateRequest::default()
    };
    let opened = house.pair.executor().escalate(request).await.unwrap().into_inner().receipt_id;
    let asked = async |subject_token: &str, receipt_id: &str| {
        let request = v1::GetHandoverRequest {
            subject_token: subject_token.to_owned(),
            conversation_id: "c1".into(),
            receipt_id: receipt_id.to_owned(),
        };
        Ok(house.pair.executor().get_handover(request).await?.into_inner())
    };
    let stands = async |subject_token: &str| asked(subject_token, &opened).await;
    let listed = async |subject_token: &str, conversation: &str| {
        let request = v1::ListToolsRequest {
            subject_token: subject_token.to_owned(),
            conversation_id: conversation.to_owned(),
        };
        house.pair.executor().list_tools(request).await.unwrap().into_inner()
    };
    let waits: Result<_, tonic::Status> = stands(&token).await;
    assert_eq!(
        waits.unwrap(),
        v1::GetHandoverResponse { receipt_id: opened.clone(), ..Default::default() }
    );
    // Handed over once more it is the same matter, found also by who knows no receipt of it.
    let request = v1::EscalateRequest {
        subject_token: token.clone(),
        conversation_id: "c1".into(),
        ..v1::EscalateRequest::default()
    };
    let second = house.pair.executor().escalate(request).await.unwrap().into_inner().receipt_id;
    assert_eq!(refusal(asked(&token, &second).await).code, "NOT_FOUND");
    assert_eq!(asked(&token, "").await.unwrap().receipt_id, opened);
    let found = house.waiting().await.remove(0);
    house.take(&found.escalation_id, "alice", "").await.unwrap();
    assert!(stands(&token).await.unwrap().taken);
    let other = house.pair.customer(2).token;
    assert_eq!(refusal(stands(&other).await).code, "NOT_FOUND");
    assert_eq!(asked(&other, "").await.unwrap(), v1::GetHandoverResponse::default());
    assert!(asked(&token, "").await.unwrap().taken);
    // A turn hears of it with the tools, and of no other's.
    let told = listed(&token, "c1").await;
    assert_eq!(told.handover, Some(asked(&token, "").await.unwrap()));
    let newest =
        house.pair.audit(Role::Auditor).get_checkpoint(v1::GetCheckpointRequest {}).await.unwrap();
    assert_eq!(told.checkpoint, newest.into_inner().checkpoint);
    let free = Some(v1::GetHandoverResponse::default());
    assert_eq!(listed(&other, "c1").await.handover, free);
    assert_eq!(listed(&token, "c2").await.handover, free);
    assert_eq!(listed(&token, "").await.handover, None);
    let closed = house.finish(&found, true).await.unwrap().escalation.unwrap();
    let ended = stands(&token).await.unwrap();
    assert_eq!(ended.closed_by_receipt_id, closed.closed_by_receipt_id);
    assert_eq!(ended.note, "done in the admin");
    assert_eq!(asked(&token, "").await.unwrap(), v1::GetHandoverResponse::default());
}
