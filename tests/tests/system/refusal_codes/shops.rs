//! Tenants whose configuration stands in the way, beside the usual shop.

use std::fs;

use super::super::support::pair::Pair;
use super::super::support::plans::{Desk, step};
use super::Answer;
use super::earn::refused;

const TENANTS: [&str; 4] = ["closed", "strange", "gone", "fenced"];

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

async fn orders(pair: &Pair, tenant: &str) -> Answer {
    let id = "gid://shopify/Customer/1";
    let who = pair.other_issuer.customer(&name(tenant), "customer1@example.com", id);
    refused(Desk::new(pair, who, "c1").read(step("shopify.list_orders", vec![])).await)
}

fn name(tenant: &str) -> String {
    format!("https://{tenant}.test.invalid")
}

fn issuer(tenant: &str) -> String {
    let planner = if tenant == "closed" { "another" } else { "planner" };
    format!(
        r#"  - issuer: "{}"
    audience: countersign
    tenant: {tenant}
    keys: [{{ kid: dev, file: other.pem }}]
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
