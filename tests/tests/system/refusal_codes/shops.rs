//! Tenants whose configuration stands in the way, beside the usual shop.

use std::fs;

use countersign_tests::sandbox::{Fault, FaultSpec};

use super::super::support::pair::Pair;
use super::super::support::plans::{Desk, step};
use super::Answer;
use super::earn::refused;

const TENANTS: [&str; 6] = ["closed", "strange", "gone", "fenced", "unheard", "narrow"];

/// The usual pair, whose executor serves these tenants too.
pub async fn pair() -> Pair {
    let mut pair = Pair::executor_only().await;
    let shop = pair.sandbox.base_url();
    let file = pair.path("executor.yaml");
    let config = fs::read_to_string(&file).unwrap();
    let issuers: String = TENANTS.iter().map(|tenant| issuer(tenant)).collect();
    let config = config.replace("\nfrontends:\n", &format!("\n{issuers}frontends:\n"));
    // No shop's path, a port where nobody listens, and a name that leads into a private network
    // which the connection does not allow.
    let named = shop.replace("127.0.0.1", "localhost");
    let connections = [
        connection("strange", &format!("{shop}/elsewhere"), "127.0.0.1", "127.0.0.0/8"),
        connection("gone", "http://127.0.0.1:1", "127.0.0.1", "127.0.0.0/8"),
        connection("fenced", &named, "localhost", "10.0.0.0/8"),
        connection("narrow", &shop, "127.0.0.1", "127.0.0.0/8") + "    limits: { concurrent: 1 }\n",
    ];
    fs::write(&file, config + &connections.concat()).unwrap();
    pair.restart_executor();
    pair
}

/// The planner is not among those of this tenant.
pub async fn closed(pair: &Pair) -> Answer {
    orders(pair, "closed").await
}

/// What answers is no shop.
pub async fn strange(pair: &Pair) -> Answer {
    orders(pair, "strange").await
}

/// Nobody answers.
pub async fn gone(pair: &Pair) -> Answer {
    orders(pair, "gone").await
}

/// The address that the name leads to is not allowed.
pub async fn fenced(pair: &Pair) -> Answer {
    orders(pair, "fenced").await
}

/// The issuer's keys are not to be had.
pub async fn unheard(pair: &Pair) -> Answer {
    orders(pair, "unheard").await
}

/// One request at a time is allowed, and the one before takes its time.
pub async fn narrow(pair: &Pair) -> Answer {
    let slow = FaultSpec { after_ms: 6000, only: Some("orders".into()), ..Fault::Slow.into() };
    pair.sandbox.fault(slow);
    let (mut first, mut second) = (desk(pair, "narrow"), desk(pair, "narrow"));
    let all = || step("shopify.list_orders", vec![]);
    let (one, other) = tokio::join!(first.read(all()), second.read(all()));
    assert!(one.is_ok() || other.is_ok(), "{one:?} {other:?}");
    refused(if one.is_ok() { other } else { one })
}

async fn orders(pair: &Pair, tenant: &str) -> Answer {
    refused(desk(pair, tenant).read(step("shopify.list_orders", vec![])).await)
}

fn desk<'a>(pair: &'a Pair, tenant: &str) -> Desk<'a> {
    let id = "gid://shopify/Customer/1";
    let who = pair.other_issuer.customer(&name(tenant), "customer1@example.com", id);
    Desk::new(pair, who, "c1")
}

fn name(tenant: &str) -> String {
    format!("https://{tenant}.test.invalid")
}

fn issuer(tenant: &str) -> String {
    let planner = if tenant == "closed" { "another" } else { "planner" };
    let keys = match tenant {
        "unheard" => {
            "jwks: \"http://127.0.0.1:1/keys\"
    plain_http: true
    private_networks: [\"127.0.0.0/8\"]"
        }
        _ => "keys: [{ kid: dev, file: other.pem }]",
    };
    format!(
        r#"  - issuer: "{}"
    audience: countersign
    tenant: {tenant}
    {keys}
    claims: [email, customer_id]
    planners: ["spiffe://test.countersign.internal/{planner}"]
"#,
        name(tenant)
    )
}

fn connection(tenant: &str, base_url: &str, host: &str, network: &str) -> String {
    format!(
        r#"  - tenant: {tenant}
    pack: shopify
    account: sandbox-shop
    base_url: "{base_url}"
    credential: shopify_token
    egress: {{ hosts: ["{host}"], private_networks: ["{network}"], plain_http: true }}
"#
    )
}
