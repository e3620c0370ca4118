//! A shop with as many customers as conversations, two operators and two of finance.

use std::fs;
use std::time::Duration;

use countersign::pki::Role;
use countersign_proto::v1;
use countersign_proto::v1::planner_client::PlannerClient;
use countersign_shared::mtls::Channel;

use crate::activations::sign;
use crate::support::pair::{ISSUER, Pair};
use crate::support::people::{Customer, DIRECTORY, Signer};

const STAFF: [(&str, &str, u8); 4] = [
    ("ann", "operator", 31),
    ("ben", "operator", 32),
    ("bob", "finance", 22),
    ("carol", "finance", 23),
];
const LIMIT: &str = "most: { USD: \"5000.00\" }";
const STRICT: &str = "most: { USD: \"1.00\" }";

pub struct House {
    pub pair: Pair,
    planner: PlannerClient<Channel>,
}

/// What came of a turn.
pub struct Turn {
    pub card: Option<v1::Card>,
    pub actions: Vec<v1::TurnAction>,
    pub reply: String,
}

/// The address of the customer of this conversation.
pub fn email(n: usize) -> String {
    format!("buyer{n}@example.com")
}

/// The order of this conversation.
pub fn order(n: usize) -> String {
    (10_001 + n).to_string()
}

impl House {
    pub async fn open(size: usize) -> Self {
        let mut pair = Pair::executor_only().await;
        pair.kill_executor();
        pair.sandbox.stock(u64::try_from(size).unwrap());
        lay_out(&pair);
        pair.begin_anew();
        pair.start_planner("{ kind: offline }");
        let planner = pair.planner();
        Self { pair, planner }
    }

    pub fn customer(&self, n: usize) -> Customer {
        self.pair.issuer.customer(ISSUER, &email(n), "gid://shopify/Customer/1")
    }

    /// One turn with the real planner, in the customer's own conversation.
    pub async fn say(
        &self,
        n: usize,
        conversation: &str,
        id: &str,
        text: &str,
        yes_to: Option<&v1::Card>,
    ) -> Turn {
        use v1::converse_response::Event;
        let who = self.customer(n);
        let frontend = &self.pair.frontend;
        let request = v1::ConverseRequest {
            subject_token: who.token.clone(),
            conversation_id: conversation.into(),
            message: Some(frontend.message(&who, conversation, id, text)),
            confirmation: yes_to
                .map(|card| frontend.yes(&who, conversation, card))
                .unwrap_or_default(),
            external_ref: format!("T-{n}"),
            ..v1::ConverseRequest::default()
        };
        let mut events = self.planner.clone().converse(request).await.unwrap().into_inner();
        let mut card = None;
        while let Some(event) = events.message().await.unwrap() {
            match event.event.unwrap() {
                Event::Progress(_) => {}
                Event::Card(shown) => card = Some(shown),
                Event::Turn(v1::Turn { actions, reply, .. }) => {
                    return Turn { card, actions, reply };
                }
            }
        }
        panic!("the stream ended without a turn");
    }

    /// A customer cancels their order; answers with how it ended.
    pub async fn cancel(&self, n: usize) -> String {
        let conversation = format!("c{n}");
        let text = format!("please cancel my order #{}", order(n));
        let asked = self.say(n, &conversation, "m1", &text, None).await;
        let card = asked.card.unwrap_or_else(|| panic!("{n}: no card: {}", asked.reply));
        let done = self.say(n, &conversation, "m2", "yes", Some(&card)).await;
        let action = done.actions.first().unwrap_or_else(|| panic!("{n}: {}", done.reply));
        match action.outcome() {
            v1::Outcome::Applied => "applied".to_owned(),
            _ => action.code.clone(),
        }
    }

    /// Two operators sign a stricter policy, and the executor starts with it.
    pub async fn change_policy(&mut self) {
        self.pair.change_policy(|_, text| text.replace(LIMIT, STRICT), &[]);
        for who in ["ann", "ben"] {
            let (done, said) = sign(&self.pair, "policy", who);
            assert!(done, "{said}");
        }
        self.pair.restart_executor();
        self.pair.start_planner("{ kind: offline }");
        self.planner = self.pair.planner();
    }

    /// Waits until the executor was told of the last turns.
    pub async fn told(&self, size: usize) {
        let mut audit = self.pair.audit(Role::Auditor);
        for n in 0..size {
            let asked = v1::FindRequest { email: email(n), ..v1::FindRequest::default() };
            let mut tries = 0;
            while audit.find(asked.clone()).await.unwrap().into_inner().turns.len() < 2 {
                tries += 1;
                assert!(tries < 200, "the turns of {n} were not told");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

fn lay_out(pair: &Pair) {
    let person = |(id, role, _): &(&str, &str, u8)| {
        format!(
            "  - {{ id: {id}, issuer: \"{DIRECTORY}\", name: {id}, roles: [{role}], \
             tenants: [demo-shop], keys: [{{ kid: {id}-1, file: keys/{id}.pem }}] }}\n"
        )
    };
    let people = format!("people:\n{}", STAFF.iter().map(person).collect::<String>());
    let settings = format!(
        "modes: [{{ tools: [\"shopify.*\"], mode: auto }}]\n\
         limits: [{{ name: object_day, per: object, tools: [\"*\"], within: 1d, {LIMIT} }}]\n\
         open: {{ per_subject: 100, per_planner: 10000 }}\nsubject_valid_for: 24h\n\
         proposals_live: 24h\nactivation: {{ default: 1, policy: 2 }}\n"
    );
    let keys = STAFF.map(|(name, _, seed)| (name, Signer::new(seed)));
    for (name, key) in &keys {
        fs::write(pair.path(&format!("{name}.key")), key.secret_pem()).unwrap();
    }
    let keys: Vec<_> = keys.iter().map(|(name, key)| (*name, key)).collect();
    let edit = |name: &str, text| match name {
        "people.yaml" => people.clone(),
        "settings.yaml" => settings.clone(),
        _ => text,
    };
    pair.change_policy(edit, &keys);
    let approve = "approve: [{ over: { USD: \"80.00\" }, within: 1s, by: [finance, finance] }]\n";
    pair.change_pack(|name, text| {
        Some(if name == "refund_lines.yaml" { format!("{text}{approve}") } else { text })
    });
}
