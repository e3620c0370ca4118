//! The landing page: says that this is a sandbox, lists orders, payments and ledger.

use axum::Router;
use axum::extract::State;
use axum::response::Html;
use axum::routing::get;

use super::serve::Shared;
use super::shopify::PATH;
use super::stripe::PATH as STRIPE_PATH;

pub(super) fn routes() -> Router<Shared> {
    Router::new().route("/", get(landing))
}

async fn landing(State(world): State<Shared>) -> Html<String> {
    let mut world = world.lock();
    world.tick();
    let orders: String = world.shopify.overview().iter().map(|cells| row(cells)).collect();
    let payments: String = world.stripe.overview().iter().map(|cells| row(cells)).collect();
    let effects = world.ledger.effects().iter().map(|effect| {
        let money = [effect.amount.as_deref(), effect.currency.as_deref()];
        let money: Vec<_> = money.into_iter().flatten().collect();
        let cells = [
            effect.seq.to_string(),
            effect.at.to_string(),
            effect.kind.clone(),
            effect.name.clone(),
            money.join(" "),
            effect.by.clone(),
        ];
        row(&cells)
    });
    let effects: String = effects.collect();
    Html(format!(
        "<!doctype html><html lang=en><meta charset=utf-8><title>Sandbox shop</title>\
         <style>body{{font:16px/1.5 system-ui;margin:2rem auto;max-width:60rem;padding:0 1rem}}\
         td,th{{text-align:left;padding:.2rem .8rem .2rem 0}}strong{{background:#fd6;padding:.2rem .6rem}}</style>\
         <h1>Countersign sandbox shop</h1>\
         <p><strong>SANDBOX</strong> No real shop, no real money, no real customer. It stands in for \
         Shopify's Admin GraphQL API at <code>{PATH}</code> and for Stripe's API at <code>{STRIPE_PATH}</code>.</p>\
         <h2>Orders</h2><table><tr><th>Order<th>Customer<th>Total<th>Payment<th>Shipping</tr>{orders}</table>\
         <h2>Payments and subscriptions</h2><table><tr><th>Id<th>Customer<th>Amount<th>State<th>What</tr>{payments}</table>\
         <h2>What happened</h2><table><tr><th>#<th>When<th>What<th>On what<th>Money<th>Through</tr>{effects}</table>\
         <p>Control: <code>/sandbox/faults</code>, <code>/sandbox/ledger</code>, <code>/sandbox/requests</code>, \
         <code>/sandbox/clock</code>, <code>/sandbox/staff</code>, <code>/sandbox/staff/stripe</code>, \
         <code>/sandbox/reset</code>, <code>/sandbox/state/orders/1001</code>, \
         <code>/sandbox/state/stripe/ch_Sandbox1</code>.</p></html>"
    ))
}

fn row(cells: &[String]) -> String {
    let cells: String = cells.iter().map(|cell| format!("<td>{}", escape(cell))).collect();
    format!("<tr>{cells}</tr>")
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
