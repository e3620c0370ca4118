//! What the executor runs with takes effect by its digest, and by the signatures that
//! the active policy asks for (NO ONE HOLDS THE WHOLE PEN).

use std::fs;

use countersign::pki::Role;
use countersign_proto::v1::{ListReceiptsRequest, Outcome};
use countersign_shared::receipt::{Change, opened};

use super::support::pair::{DOMAIN, Pair};
use super::support::people::Signer;
use super::support::plans::{Desk, refusal};

const OPERATORS: [(&str, u8); 3] = [("ann", 31), ("ben", 32), ("eve", 33)];

/// An executor whose policy names Ann and Ben; two sign for the policy, one for the rest.
pub async fn house() -> Pair {
    let mut pair = Pair::executor_only().await;
    name(&pair, &["ann", "ben"]);
    for (name, seed) in OPERATORS {
        fs::write(pair.path(&format!("{name}.key")), Signer::new(seed).secret_pem()).unwrap();
    }
    pair.begin_anew();
    pair
}

/// From the next start on, these are the operators.
fn name(pair: &Pair, who: &[&str]) {
    let person = |id: &&str| {
        format!(
            "  - {{ id: {id}, issuer: d, name: {id}, roles: [operator], \
             keys: [{{ kid: {id}-1, file: keys/{id}.pem }}] }}\n"
        )
    };
    let people = format!("people:\n{}", who.iter().map(person).collect::<String>());
    let keys = OPERATORS.map(|(name, seed)| (name, Signer::new(seed)));
    let keys: Vec<_> = keys.iter().map(|(name, key)| (*name, key)).collect();
    let edit = |name: &str, text| if name == "people.yaml" { people.clone() } else { text };
    pair.change_policy(edit, &keys);
}

pub fn sign(pair: &Pair, part: &str, who: &str) -> (bool, String) {
    let key = format!("{who}.key");
    let words = ["activate", "--config", "executor.yaml", "--part", part, "--by", who];
    pair.command(&[&words[..], &["--key", &key, "--reason", "reviewed"]].concat())
}

fn setting(pair: &Pair, from: &str, to: &str) {
    pair.change_policy(|_, text| text.replace(from, to), &[]);
}

/// Changes in the log, newest first.
pub async fn changes(pair: &Pair) -> Vec<Change> {
    let request = ListReceiptsRequest { page_size: 100, ..ListReceiptsRequest::default() };
    let page = pair.audit(Role::Auditor).list_receipts(request).await.unwrap().into_inner();
    let receipts = page.receipts.iter().map(|r| opened(&r.body, &r.openings).unwrap());
    receipts.filter_map(|receipt| receipt.change).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn activations_begin_with_what_is_found_and_a_changed_pack_waits_for_a_signature() {
    let mut pair = house().await;
    let genesis = changes(&pair).await;
    assert_eq!(genesis.len(), 1, "{genesis:?}");
    assert_eq!(genesis[0].what, "genesis");
    for part in ["policy sha256:", "pack/shopify sha256:", "issuers sha256:", "egress sha256:"] {
        assert!(genesis[0].new.contains(part), "{part}: {}", genesis[0].new);
    }
    pair.restart_executor();
    assert_eq!(changes(&pair).await.len(), 1, "the same again is no change");

    pair.change_pack(|_, text| Some(text.replace("within: 5m", "within: 4m")));
    pair.restart_executor();
    let mut desk = Desk::new(&pair, pair.customer(1), "c1");
    assert_eq!(refusal(desk.order("1001").await).code, "NOT_ACTIVATED");
    assert!(pair.sandbox.requests().is_empty(), "nothing is read with it either");
    drop(desk);
    let (done, said) = sign(&pair, "pack/shopify", "ann");
    assert!(done, "{said}");
    pair.restart_executor();
    let mut desk = Desk::new(&pair, pair.customer(1), "c1");
    assert_eq!(desk.cancel("1001").await.unwrap().outcome(), Outcome::Applied);
    let change = changes(&pair).await.swap_remove(0);
    assert_eq!((change.what.as_str(), change.by[0].who.as_str()), ("pack/shopify", "ann"));
    assert_eq!(change.by[0].reason, "reviewed");
    assert!(change.old.starts_with("sha256:") && change.old != change.new, "{change:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn activations_of_a_policy_take_two_persons() {
    let mut pair = house().await;
    setting(&pair, "per_subject: 20", "per_subject: 19");
    let said = pair.refused_start();
    for part in ["policy is not what was activated", "0 of 2", "countersign activate", "sha256:"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    // One person twice is one.
    assert!(sign(&pair, "policy", "ann").0);
    fs::copy(only_request(&pair), pair.path("state/activations/again.jws")).unwrap();
    let said = pair.refused_start();
    assert!(said.contains("1 of 2"), "{said}");
    assert!(sign(&pair, "policy", "ben").0);
    pair.restart_executor();
    let change = changes(&pair).await.swap_remove(0);
    let who: Vec<_> = change.by.iter().map(|by| by.who.as_str()).collect();
    assert_eq!((change.what.as_str(), who), ("policy", vec!["ann", "ben"]));
}

fn only_request(pair: &Pair) -> std::path::PathBuf {
    let mut all = fs::read_dir(pair.path("state/activations")).unwrap();
    all.next().unwrap().unwrap().path()
}

#[tokio::test(flavor = "multi_thread")]
async fn activations_are_signed_by_people_of_the_active_policy_only() {
    let mut pair = house().await;
    name(&pair, &["ann", "ben", "eve"]);
    let (done, said) = sign(&pair, "policy", "eve");
    assert!(!done && said.contains("names nobody `eve`"), "{said}");
    // The executor trusts no command line: the same request, made by hand.
    assert!(sign(&pair, "policy", "ann").0);
    let request = fs::read_to_string(only_request(&pair)).unwrap();
    let claims: serde_json::Value = claims(&request);
    let forged = forged(&claims, "eve", 33);
    fs::write(pair.path("state/activations/eve.jws"), forged).unwrap();
    let said = pair.refused_start();
    assert!(said.contains("1 of 2"), "{said}");
}

fn claims(jws: &str) -> serde_json::Value {
    use base64::Engine as _;
    let body = jws.split('.').nth(1).unwrap();
    let body = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(body).unwrap();
    serde_json::from_slice(&body).unwrap()
}

/// Somebody else's claims under their own name and key.
fn forged(claims: &serde_json::Value, who: &str, seed: u8) -> String {
    let mut claims = claims.clone();
    claims["sub"] = who.into();
    let mut header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::EdDSA);
    header.kid = Some(format!("{who}-1"));
    let key = jsonwebtoken::EncodingKey::from_ed_pem(Signer::new(seed).secret_pem().as_bytes());
    jsonwebtoken::encode(&header, &claims, &key.unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn activations_of_long_ago_take_nothing_back() {
    let mut pair = house().await;
    let change = |from: &'static str, to: &'static str| {
        move |_: &str, text: String| Some(text.replace(from, to))
    };
    pair.change_pack(change("within: 5m", "within: 4m"));
    assert!(sign(&pair, "pack/shopify", "ann").0);
    pair.restart_executor();
    // Iat has whole seconds: what is signed from now on is later than what was active.
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    let own = pair.path("packs/shopify");
    rewrite(&own, "within: 4m", "within: 5m");
    assert!(sign(&pair, "pack/shopify", "ben").0);
    pair.restart_executor();
    // The same change as the first; its signature is still there, and does not count.
    rewrite(&own, "within: 5m", "within: 4m");
    pair.restart_executor();
    let mut desk = Desk::new(&pair, pair.customer(1), "c1");
    assert_eq!(refusal(desk.order("1001").await).code, "NOT_ACTIVATED");
}

fn rewrite(folder: &std::path::Path, from: &str, to: &str) {
    for file in fs::read_dir(folder.join("contracts")).unwrap() {
        let path = file.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        fs::write(path, text.replace(from, to)).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn activations_of_issuers_and_egress_keep_it_from_starting() {
    let mut pair = house().await;
    fs::write(pair.path("frontend.pem"), Signer::new(9).public_pem()).unwrap();
    let said = pair.refused_start();
    assert!(said.contains("issuers is not what was activated"), "another key: {said}");
    fs::write(pair.path("frontend.pem"), Signer::new(2).public_pem()).unwrap();
    pair.change_config("account: sandbox-shop", "account: another-shop");
    let said = pair.refused_start();
    assert!(said.contains("egress is not what was activated"), "{said}");
    assert!(sign(&pair, "egress", "ben").0);
    pair.restart_executor();
    assert_eq!(changes(&pair).await[0].what, "egress");
}

/// Whom these authorities vouch for reads what the console shows.
#[tokio::test(flavor = "multi_thread")]
async fn activations_of_who_vouches_at_the_console_wait_for_a_signature() {
    let mut pair = house().await;
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    fs::write(pair.path("page.crt"), made.cert.pem()).unwrap();
    fs::write(pair.path("page.key"), made.signing_key.serialize_pem()).unwrap();
    for file in ["people.crt", "login.crt"] {
        fs::copy(pair.path("pki/ca.crt"), pair.path(file)).unwrap();
    }
    pair.add_config(VOUCHED);
    pair.begin_anew();
    pair.restart_executor();
    countersign::pki::init_ca(&pair.path("elsewhere"), DOMAIN).unwrap();
    for file in ["people.crt", "login.crt"] {
        let ours = fs::read_to_string(pair.path(file)).unwrap();
        let theirs = fs::read_to_string(pair.path("elsewhere/ca.crt")).unwrap();
        // In its place, and beside it.
        for text in [theirs.clone(), format!("{ours}{theirs}")] {
            fs::write(pair.path(file), text).unwrap();
            let said = pair.refused_start();
            assert!(said.contains("issuers is not what was activated"), "{file}: {said}");
        }
        fs::write(pair.path(file), ours).unwrap();
        pair.restart_executor();
    }
    pair.change_config("ca: people.crt", "ca: elsewhere/ca.crt");
    let said = pair.refused_start();
    assert!(said.contains("issuers is not what was activated"), "another file: {said}");
    let (done, said) = sign(&pair, "issuers", "ann");
    assert!(done, "{said}");
    pair.restart_executor();
    let change = changes(&pair).await.swap_remove(0);
    assert_eq!((change.what.as_str(), change.by[0].who.as_str()), ("issuers", "ann"));
}

/// What a start that failed had activated could not be taken back without a signature.
#[tokio::test(flavor = "multi_thread")]
async fn activations_wait_for_a_configuration_that_can_be_served() {
    let mut pair = house().await;
    let before = fs::read_to_string(pair.path("executor.yaml")).unwrap();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    fs::write(pair.path("page.crt"), made.cert.pem()).unwrap();
    fs::write(pair.path("page.key"), made.signing_key.serialize_pem()).unwrap();
    for file in ["people.crt", "login.crt"] {
        fs::copy(pair.path("pki/ca.crt"), pair.path(file)).unwrap();
    }
    pair.add_config(&VOUCHED.replace("ca: login.crt", "ca: login.crt, secret_file: forgotten"));
    assert!(sign(&pair, "issuers", "ann").0);
    let said = pair.refused_start();
    assert!(said.contains("secret_file") && said.contains("forgotten"), "{said}");
    // As it was, it starts.
    let after = fs::read_to_string(pair.path("executor.yaml")).unwrap();
    fs::write(pair.path("executor.yaml"), &before).unwrap();
    pair.restart_executor();
    assert!(
        changes(&pair).await.iter().all(|change| change.what != "issuers" || change.by.is_empty())
    );
    // And with the secret, what was signed takes effect.
    fs::write(pair.path("executor.yaml"), after).unwrap();
    fs::write(pair.path("forgotten"), "found again").unwrap();
    pair.restart_executor();
    assert_eq!(changes(&pair).await[0].by[0].who, "ann");
}

/// A page that people come in to by the house's own sign-in, and by certificate.
const VOUCHED: &str = "
console: { listen: \"127.0.0.1:0\", public_url: \"https://localhost:8443\",
           tls: { cert: page.crt, key: page.key } }
sign_in:
  oidc: { issuer: \"https://login.test.invalid\", client_id: console, ca: login.crt }
  certificates: { ca: people.crt }
";

#[tokio::test(flavor = "multi_thread")]
async fn activations_without_an_operator_follow_the_configuration_and_say_so() {
    let mut pair = Pair::executor_only().await;
    setting(&pair, "per_subject: 20", "per_subject: 19");
    pair.restart_executor();
    let change = changes(&pair).await.swap_remove(0);
    assert!(change.by.is_empty() && change.reason.contains("configuration alone"), "{change:?}");
    // One operator where two have to sign could never change anything again.
    name(&pair, &["ann"]);
    let said = pair.refused_start();
    assert!(said.contains("nobody could change it again"), "{said}");
    // With two the house is closed.
    name(&pair, &["ann", "ben"]);
    pair.restart_executor();
    setting(&pair, "per_subject: 19", "per_subject: 18");
    assert!(pair.refused_start().contains("0 of 2"));
}
