//! The shipped refund contract, with the answers of one of its recorded cases.

#[path = "../../tests/support/packs.rs"]
mod packs;

use std::collections::BTreeMap;

use countersign_core::answer::{self, Sent, Verdict};
use countersign_core::claim::{self, Known, Taken};
use countersign_core::contract::{Body, Catalog, Contract, WriteBody, load};
use countersign_core::dispatch::{self, Account, AttemptResult, Dispatch};
use countersign_core::effect::{Ask, ask};
use countersign_core::gate::{self, Facts};
use countersign_core::grant::{self, Granted, Signers};
use countersign_core::lifecycle::{Event, State as Life, next};
use countersign_core::limit::{Budget, Spent, Sum};
use countersign_core::observe;
use countersign_core::plan::{Confidence, ModelUse, Plan, Source, Step, admit};
use countersign_core::policy::{self, Policy};
use countersign_core::proposal::{Asked, Fresh, Proposal, draft};
use countersign_core::resolve::{Arguments, Evidence, Message, Observation, resolve};
use countersign_core::seal;
use countersign_core::signed::{Key, Keyring, Voice};
use countersign_core::state::State;
use countersign_core::subject::Subject;
use countersign_core::verify::{self, Look};
use countersign_shared::attest::{AUDIENCE, ConfirmationClaims, ConfirmationType};
use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::EncodePrivateKey as _;
use ed25519_dalek::pkcs8::spki::EncodePublicKey as _;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::Value as Json;

const TOOL: &str = "shopify.refund_lines";
const TENANT: &str = "demo-shop";
const CONVERSATION: &str = "conversation-1";

/// Two pieces of the second line of an order of two lines.
pub(crate) struct Refund {
    catalog: Catalog,
    case: Json,
    plan: Plan,
    evidence: Evidence,
    subject: Subject,
    state: State,
    asked: Option<Asked>,
    policy: Policy,
    frontends: Keyring,
    yes: String,
    now: Timestamp,
}

impl Refund {
    pub(crate) fn load() -> Self {
        let files = packs::files(&packs::packs().join("shopify"));
        let case = serde_json::from_str(&files["recorded/refund_lines.json"]).unwrap();
        let loaded = load::pack(&files);
        let catalog = Catalog::load([loaded.pack.expect("the pack loads")]).unwrap();
        let now: Timestamp = "2026-11-21T09:00:00Z".parse().unwrap();
        let mut refund = Self {
            catalog,
            plan: plan(),
            evidence: Evidence::default(),
            subject: subject(&case, now),
            case,
            state: State::default(),
            asked: None,
            policy: shipped_policy(),
            frontends: Keyring::default(),
            yes: String::new(),
            now,
        };
        let [order, quote] = refund.observe(&refund.answers());
        refund.evidence = refund.seen(&order);
        refund.state = State::default().with("order", order).with("quote", quote);
        refund.asked = Some(refund.asked());
        refund.confirm();
        refund
    }

    /// What the backend said of the order and of the quote.
    pub(crate) fn answers(&self) -> [Json; 2] {
        ["shopify.get_order", "shopify.suggest_refund"].map(|tool| self.answer(tool).clone())
    }

    /// The same as typed state, the subject's own.
    pub(crate) fn observe(&self, answers: &[Json; 2]) -> [countersign_core::value::Value; 2] {
        let see = |tool: &str, raw: &Json| {
            let contract = self.tool(tool);
            let Body::Read(read) = &contract.body else { panic!("{tool} is a read") };
            observe::observe(contract, read, raw, &self.subject).unwrap()
        };
        [see("shopify.get_order", &answers[0]), see("shopify.suggest_refund", &answers[1])]
    }

    pub(crate) fn facts<'a>(&'a self, arguments: &'a Arguments) -> Facts<'a> {
        Facts {
            contract: self.tool(TOOL),
            policy: &self.policy,
            write: self.write(),
            arguments,
            state: &self.state,
            asked: self.asked.as_ref().unwrap(),
            now: self.now,
        }
    }

    /// Every decision of the refund's life, in order. The backend's part is played
    /// by the recorded answers.
    pub(crate) fn journal(&self) -> Vec<Event> {
        let mut journal = Vec::new();
        let mut life = None;
        let mut event = Event::Proposed(Box::new(self.propose()));
        loop {
            journal.push(event.clone());
            let state = next(life.take(), event).unwrap();
            let Some(then) = self.then(&state) else { return journal };
            event = then;
            life = Some(state);
        }
    }

    /// What happens next, as the executor's pipeline would have it.
    fn then(&self, state: &Life) -> Option<Event> {
        let contract = self.tool(TOOL);
        Some(match (ask(state, contract, self.now), state) {
            (Ask::AwaitGrants, Life::Proposed(parked)) if parked.votes().is_empty() => {
                let vote = grant::confirm(parked, &self.yes, contract, &self.signers(), self.now);
                Event::Voted(Box::new(vote.unwrap()))
            }
            (Ask::AwaitGrants, Life::Proposed(parked)) => {
                let grants = grant::complete(parked, contract, &self.signers(), self.now);
                Event::Granted(Box::new(grants.unwrap()))
            }
            (Ask::Claim, Life::Granted(granted)) => {
                Event::Claimed(self.claim(granted, &self.known(granted)))
            }
            (Ask::Gate, Life::Claimed(claimed)) => {
                let facts = self.facts(claimed.granted().proposal().arguments());
                Event::Cleared(Box::new(gate::decide(claimed, &facts).unwrap()))
            }
            (Ask::Prepare, Life::Cleared(cleared)) => {
                let account = Account { account: "shop".into(), credential: "token".into() };
                let intent = dispatch::prepare(cleared, contract, account, self.now).unwrap();
                Event::Intended(Box::new(intent))
            }
            (Ask::Send, Life::Sent(_)) => Event::Answered(Box::new(self.answered())),
            (Ask::Look(_), Life::Answered(dispatch)) => {
                Event::Looked(Box::new(self.look(dispatch)))
            }
            (Ask::Settle(settlement), _) => Event::Settled(settlement),
            (Ask::Seal, state) => {
                let id = format!("rcp_{:026}", 1).parse().unwrap();
                let leaf = seal::seal(state, Some(contract), &id, self.now).unwrap();
                assert!(!leaf.receipt.key.is_empty());
                Event::Sealed(id)
            }
            (Ask::Nothing, _) => return None,
            (asked, _) => panic!("{asked:?} in `{}`", state.name()),
        })
    }

    /// Key, locks and every limit of the policy.
    pub(crate) fn claim(&self, granted: &Granted, known: &Known) -> Taken {
        claim::decide(granted, known, &self.budget(granted), self.now).unwrap()
    }

    /// A store that has seen one such refund on each account today.
    pub(crate) fn known(&self, granted: &Granted) -> Known {
        let mut known = Known::default();
        for (account, within) in self.budget(granted).questions() {
            let once = Sum::one(granted.proposal().money());
            known.spent.add(&account, within, TOOL, &once);
        }
        known
    }

    fn budget(&self, granted: &Granted) -> Budget {
        let (proposal, votes) = (granted.proposal(), granted.votes());
        Budget::of(proposal, votes, self.tool(TOOL), self.write(), &self.policy)
    }

    fn propose(&self) -> Proposal {
        let (step, contract) = admit(&self.plan, &self.catalog).unwrap().write.unwrap();
        let arguments = resolve(step, contract, &self.subject, &self.evidence, self.now).unwrap();
        let fresh = Fresh {
            proposal: format!("prp_{:026}", 1).parse().unwrap(),
            action: format!("act_{:026}", 1).parse().unwrap(),
        };
        let draft = draft(&self.facts(&arguments), fresh).unwrap();
        draft.finish(&Spent::default()).unwrap()
    }

    fn signers(&self) -> Signers<'_> {
        Signers { frontends: &self.frontends, policy: &self.policy, origin: "" }
    }

    fn asked(&self) -> Asked {
        Asked {
            channel: String::new(),
            caller: "spiffe://demo.countersign.internal/planner".into(),
            subject: self.subject.clone(),
            conversation: CONVERSATION.into(),
            external_ref: "T-1".into(),
            messages: self.evidence.messages.values().cloned().collect(),
            confidence: self.plan.confidence.clone(),
            model: self.plan.model.clone(),
            after_receipt: None,
            trace: String::new(),
        }
    }

    fn answered(&self) -> AttemptResult {
        let sent = Sent::Answered {
            status: 200,
            retry_after: None,
            replayed: false,
            body: self.answer(TOOL).to_string().into_bytes(),
        };
        let verdict = answer::judge(self.tool(TOOL), &sent);
        assert!(matches!(verdict, Verdict::Accepted { .. }), "{verdict:?}");
        AttemptResult { at: self.now, status: Some(200), verdict, raw: String::new() }
    }

    /// The refund is found by the id that the answer gave.
    fn look(&self, dispatch: &Dispatch) -> Look {
        let contract = self.tool("shopify.order_effects");
        let Body::Read(read) = &contract.body else { panic!("a read") };
        let last = self.answer("shopify.order_effects").as_array().unwrap().last().unwrap();
        let looked = observe::project(contract, read, last).unwrap();
        let scope = dispatch.cleared().scope().with("response", dispatch.response());
        Look { at: self.now, sight: verify::judge(self.write(), scope, &looked), looked }
    }

    /// The frontend's signature over the card. The card is the same each time.
    fn confirm(&mut self) {
        let secret = SigningKey::from_bytes(&[7; 32]);
        let public = secret.verifying_key().to_public_key_pem(LineEnding::LF).unwrap();
        let key = Key::ed25519_pem(public.as_bytes()).unwrap();
        self.frontends.add(Voice {
            issuer: "demo-frontend".into(),
            audience: AUDIENCE.into(),
            tenant: TENANT.into(),
            keys: BTreeMap::from([("dev".to_owned(), key)]),
        });
        let proposal = self.propose();
        let claims = ConfirmationClaims {
            typ: ConfirmationType::Confirmation,
            iss: "demo-frontend".into(),
            aud: AUDIENCE.into(),
            sub: self.subject.id.clone(),
            conv: CONVERSATION.into(),
            proposal: proposal.id().to_string(),
            card: proposal.card_digest(),
            iat: self.now.as_second(),
            exp: self.now.as_second() + 600,
        };
        let header = Header { kid: Some("dev".to_owned()), ..Header::new(Algorithm::EdDSA) };
        let pem = secret.to_pkcs8_pem(LineEnding::LF).unwrap();
        let key = EncodingKey::from_ed_pem(pem.as_bytes()).unwrap();
        self.yes = jsonwebtoken::encode(&header, &claims, &key).unwrap();
    }

    /// The order as the planner was shown it, and the customer's words.
    fn seen(&self, order: &countersign_core::value::Value) -> Evidence {
        let contract = self.tool("shopify.get_order");
        let Body::Read(read) = &contract.body else { panic!("a read") };
        let seen = Observation {
            id: format!("obs_{:026}", 1).parse().unwrap(),
            tool: contract.tool.clone(),
            value: order.to_json(),
            labels: read.output.labels(order),
            at: self.now,
        };
        let said = Message {
            id: "m1".into(),
            text: "please refund both tea towels of order 7001".into(),
            frontend: "demo-frontend".into(),
            signed_at: self.now,
        };
        Evidence {
            messages: BTreeMap::from([(said.id.clone(), said)]),
            observations: BTreeMap::from([(seen.id.clone(), seen)]),
            receipts: BTreeMap::new(),
        }
    }

    fn answer(&self, tool: &str) -> &Json {
        &self.case["answers"][tool]
    }

    fn tool(&self, name: &str) -> &Contract {
        &self.catalog.tools[name]
    }

    fn write(&self) -> &WriteBody {
        let Body::Write(write) = &self.tool(TOOL).body else { panic!("{TOOL} is a write") };
        write
    }
}

fn subject(case: &Json, now: Timestamp) -> Subject {
    let mut claims: BTreeMap<String, String> =
        serde_json::from_value(case["subject"].clone()).unwrap();
    Subject {
        tenant: TENANT.into(),
        issuer: "https://shop.test.invalid".into(),
        signs_as: claims["id"].clone(),
        id: claims.remove("id").unwrap(),
        claims,
        kind: countersign_core::subject::Kind::Customer,
        scopes: std::collections::BTreeSet::new(),
        segment: String::new(),
        strength: countersign_core::subject::Strength::SignedIn,
        verified_at: now,
    }
}

fn shipped_policy() -> Policy {
    let files = packs::files(&packs::packs().with_file_name("policy"));
    policy::load::policy(&files, None).policy.expect("the policy loads")
}

fn plan() -> Plan {
    let seen = |pointer: &str| Source::Observation {
        id: format!("obs_{:026}", 1).parse().unwrap(),
        pointer: pointer.into(),
    };
    let line = BTreeMap::from([
        ("line_id".to_owned(), seen("/lines/1/id")),
        ("quantity".to_owned(), Source::Model(2.into())),
    ]);
    let arguments = BTreeMap::from([
        ("order_id".to_owned(), seen("/id")),
        ("lines".to_owned(), Source::List(vec![Source::Fields(line)])),
    ]);
    Plan {
        conversation: CONVERSATION.into(),
        external_ref: "T-1".into(),
        steps: vec![Step { id: "refund".into(), tool: TOOL.into(), arguments }],
        confidence: Confidence { score: 0.97, ..Confidence::default() },
        model: ModelUse { model: "offline".into(), ..ModelUse::default() },
        after_receipt: None,
    }
}
