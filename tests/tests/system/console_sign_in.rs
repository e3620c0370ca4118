//! Signing in to the console by the house's own sign-in, and by certificate: who is let
//! in, what for, and everybody who is not.

mod visitor;

use countersign::pki::Role;
use reqwest::{Certificate, Identity, StatusCode};
use serde_json::{Value, json};
use std::sync::Arc;
use url::Url;

use super::stale_approval::House;
use super::stale_approval::page::Page;
use super::support::browser;
use super::support::idp::{Idp, SECRET};
use super::support::pair::DOMAIN;
use visitor::Visitor;

/// A house with a sign-in of its own, which has Alice as `00u-alice` and Erin as `00u-erin`.
async fn opened() -> (House, Arc<Idp>) {
    let mut house = House::staffed("[support_lead]", "Alice Example").await;
    let idp = Idp::start().await;
    let issuer = idp.issuer.clone();
    let subject = move |who: &str, text: String| {
        let of = format!("id: {who}, ");
        let named = format!("{of}subjects: [{{ issuer: \"{issuer}\", id: 00u-{who} }}], ");
        text.replace(&of, &named)
    };
    house.pair.change_policy(
        |name, text| match name {
            "people.yaml" => subject("erin", subject("alice", text)),
            _ => text,
        },
        &[],
    );
    std::fs::write(house.pair.path("idp.secret"), SECRET).unwrap();
    house.pair.add_config(&format!("sign_in: {{ {} }}\n", idp.config()));
    house.pair.begin_anew();
    (house, idp)
}

/// From the house's sign-in back to the console, as the address in the browser has it.
async fn asked(visitor: &mut Visitor, to: &str) -> String {
    let there = visitor.leads_to(&format!("/sign-in/oidc?to={to}")).await;
    visitor.leads_to(&there).await
}

/// The address with another value for this name; without it where there is none.
fn with(address: &str, name: &str, value: Option<&str>) -> String {
    let mut url = Url::parse(address).unwrap();
    let all = url.query_pairs().into_owned().filter(|(known, _)| known != name);
    let all: Vec<_> = all.chain(value.map(|value| (name.to_owned(), value.to_owned()))).collect();
    url.query_pairs_mut().clear().extend_pairs(all);
    url.to_string()
}

fn value(address: &str, name: &str) -> String {
    let url = Url::parse(address).unwrap();
    let mut pairs = url.query_pairs();
    pairs.find(|(known, _)| known == name).unwrap().1.into_owned()
}

/// From the link over the house's sign-in, which is another site, back to the same page;
/// and the passkey's signature is asked for all the same.
#[tokio::test(flavor = "multi_thread")]
async fn console_sign_in_leads_from_a_link_over_the_house_back_to_it() {
    let (house, idp) = opened().await;
    let id = house.refund(&mut house.desk()).await;
    idp.signs_in("00u-alice");
    let steps = json!([
        { "beyond": idp.issuer },
        { "open": format!("{}/approve/{id}", house.origin) },
        { "wait": "h1", "text": "Sign in" },
        { "axe": "sign-in with the house's" },
        { "shot": "console-sign-in" },
        { "click": "a[href^='/sign-in/oidc']" },
        { "wait": "h1", "text": "Waits for a yes or no" },
        { "read": "header" },
        { "at": true },
        { "click": "#answer .yes" },
        { "wait": "h1", "text": "Done" },
        { "click": "form[action='/sign-out'] button" },
        { "wait": "h1", "text": "Sign in" },
    ]);
    if let Some(read) = browser::play(&house.pair, Some(house.alice.for_browser()), steps).await {
        assert!(read[0].contains("Alice Example"), "{read:?}");
        assert_eq!(read[1], format!("{}/approve/{id}", house.origin), "no code is left there");
        assert_eq!(house.refunds(), 1, "{:?}", house.pair.effects());
    }
    // Whom only the house's sign-in knows is told what to do, in a page that reads well.
    idp.signs_in("00u-mallory");
    let steps = json!([
        { "beyond": idp.issuer },
        { "open": format!("{}/approvals", house.origin) },
        { "click": "a[href^='/sign-in/oidc']" },
        { "wait": "h1", "text": "Not known here" },
        { "axe": "not known here" },
        { "read": "pre" },
        { "click": "main a.button" },
        { "wait": "h1", "text": "Sign in" },
    ]);
    if let Some(read) = browser::play(&house.pair, None, steps).await {
        assert!(read[0].contains("00u-mallory") && read[0].contains(&idp.issuer), "{read:?}");
    }
}

/// Every way to get somebody else in, or in as somebody else, ends on a page.
#[tokio::test(flavor = "multi_thread")]
async fn console_sign_in_by_the_house_is_one_browsers_one_answer() {
    let (house, idp) = opened().await;
    idp.signs_in("00u-erin");
    let mut erin = Visitor::new(&house.origin);
    assert_eq!(erin.leads_to("/actions").await, "/sign-in?to=/actions");
    assert!(erin.read("/sign-in?to=/actions").await.1.contains("/sign-in/oidc?to=%2Factions"));
    let there = erin.leads_to("/sign-in/oidc?to=/actions").await;
    let told: Vec<_> = Url::parse(&there).unwrap().query_pairs().into_owned().collect();
    assert!(told.contains(&("code_challenge_method".to_owned(), "S256".to_owned())), "{told:?}");
    assert!(!there.contains("actions"), "the house's sign-in hears nothing of where to: {there}");
    let back = erin.leads_to(&there).await;
    let before = erin.clone();
    let (status, page) = erin.read(&back).await;
    assert!(status == StatusCode::OK && page.contains("data-to=\"/actions\""), "{page}");
    assert_eq!(erin.cookies.len(), 1, "that of the way there is gone");
    assert_eq!(erin.read("/actions").await.0, StatusCode::OK);
    // The token's own words about roles are nobody's.
    assert_eq!(erin.read("/switches").await.1.matches("Turn a switch").count(), 0);
    let turn = json!({ "reach": "all", "turn": "off", "reason": "x" });
    assert_eq!(erin.post("/switches/claims", &turn).await.status(), StatusCode::FORBIDDEN);

    let refused = async |mut who: Visitor, address: &str, status: StatusCode, why: &str| {
        let (found, page) = who.read(address).await;
        assert_eq!(found, status, "{why}: {page}");
        assert!(page.contains("Back to the sign-in") && !who.has_session(), "{why}: {page}");
        page
    };
    let (stale, no) = (StatusCode::BAD_REQUEST, StatusCode::UNAUTHORIZED);
    refused(before, &back, stale, "the same answer again").await;
    // Log-in CSRF: an answer that another browser asked for.
    let mut mallory = Visitor::new(&house.origin);
    let theirs = asked(&mut mallory, "/actions").await;
    refused(Visitor::new(&house.origin), &theirs, stale, "a browser that asked nothing").await;
    let mut victim = Visitor::new(&house.origin);
    let own = asked(&mut victim, "/actions").await;
    refused(victim.clone(), &theirs, stale, "a browser that asked something else").await;
    // A code that was not given for this question: PKCE.
    let injected = with(&own, "code", Some(&value(&theirs, "code")));
    refused(victim.clone(), &injected, no, "another's code").await;
    refused(victim, &own, stale, "one question for one sign-in that was begun").await;
    let mut again = Visitor::new(&house.origin);
    let fresh = asked(&mut again, "/").await;
    refused(again, &with(&fresh, "code", Some(&value(&back, "code"))), no, "a used code").await;
    // Mix-up (RFC 9207).
    for iss in [None, Some("https://other.example")] {
        let mut browser = Visitor::new(&house.origin);
        let address = with(&asked(&mut browser, "/").await, "iss", iss);
        refused(browser, &address, no, "an answer of another issuer").await;
    }
    // What is asked twice is asked wrongly, and so is what was never asked.
    for odd in ["", "?state=a&state=b", "?state=%00&code=x", "?code=x", "?error=access_denied"] {
        let path = format!("/sign-in/oidc/back{odd}");
        refused(Visitor::new(&house.origin), &path, stale, odd).await;
    }
    let mut browser = Visitor::new(&house.origin);
    let denied = with(&asked(&mut browser, "/").await, "code", None) + "&error=access_denied";
    refused(browser, &denied, no, "the house said no").await;
    // Open redirect.
    for to in ["//evil.example", "https://evil.example", "/\\evil.example"] {
        let mut browser = Visitor::new(&house.origin);
        let back = asked(&mut browser, to).await;
        let (_, page) = browser.read(&back).await;
        assert!(page.contains("data-to=\"/\"") && !page.contains("evil"), "{to}: {page}");
    }
    // Known there and not here: the lines for people.yaml.
    idp.signs_in("00u-\"<b>");
    let mut browser = Visitor::new(&house.origin);
    let address = asked(&mut browser, "/").await;
    let page = refused(browser, &address, StatusCode::FORBIDDEN, "nobody here").await;
    assert!(page.contains("subjects:") && !page.contains("<b>"), "{page}");
}

/// What an ID token has to be, and what a clock may be wrong by.
#[tokio::test(flavor = "multi_thread")]
async fn console_sign_in_by_the_house_needs_a_token_that_holds() {
    let (house, idp) = opened().await;
    idp.signs_in("00u-alice");
    let ends = async || {
        let mut browser = Visitor::new(&house.origin);
        let address = asked(&mut browser, "/").await;
        let (status, _) = browser.read(&address).await;
        assert_eq!(status.is_success(), browser.has_session());
        status
    };
    let later = |name: &'static str, by: i64| {
        move |claims: &mut Value| claims[name] = json!(claims[name].as_i64().unwrap() + by)
    };
    let set = |name: &'static str, to: Value| move |claims: &mut Value| claims[name] = to.clone();
    idp.bends(later("iat", 45));
    assert_eq!(ends().await, StatusCode::OK, "clocks differ by less than a minute");
    idp.bends(later("iat", 300));
    assert_eq!(ends().await, StatusCode::UNAUTHORIZED, "from the future");
    idp.bends(later("exp", -301));
    assert_eq!(ends().await, StatusCode::UNAUTHORIZED, "expired");
    for (name, to) in [
        ("iss", json!("https://other.example")),
        ("aud", json!("another-client")),
        ("aud", json!(["console", "another-client"])),
        ("azp", json!("another-client")),
        ("nonce", json!("another")),
        ("sub", json!(7)),
        ("exp", Value::Null),
        ("typ", json!("Bearer")),
        ("other_key", json!(true)),
    ] {
        idp.bends(set(name, to.clone()));
        assert_eq!(ends().await, StatusCode::UNAUTHORIZED, "{name}: {to}");
    }
    idp.bends_nothing();
    idp.goes_away(true);
    assert_eq!(ends().await, StatusCode::SERVICE_UNAVAILABLE);
    idp.goes_away(false);
    assert_eq!(ends().await, StatusCode::OK);
    // A session alone says no yes, however it was begun.
    let id = house.refund(&mut house.desk()).await;
    let mut alice = Visitor::new(&house.origin);
    let address = asked(&mut alice, "/").await;
    alice.read(&address).await;
    let bob = Page::signed_in(&house.origin, &house.bob).await;
    let claims: Value = bob.claims(&id, "approve", "").await.json().await.unwrap();
    let mut own: Value = serde_json::from_str(claims["claims"].as_str().unwrap()).unwrap();
    own["sub"] = json!("alice");
    let unsigned = json!({ "claims": own.to_string(), "credential": house.alice.id(),
        "authenticator_data": "", "client_data": "", "signature": "" });
    for assertion in [house.bob.answer(&claims, &house.origin), unsigned] {
        let answered = alice.post(&format!("/approve/{id}/answer"), &assertion).await;
        assert!(answered.status().is_client_error(), "{answered:?}");
    }
    assert_eq!(house.refunds(), 0);
}

/// An auditor by certificate: over the connection that shows it, and no other.
#[tokio::test(flavor = "multi_thread")]
async fn console_sign_in_by_certificate_is_for_who_shows_it() {
    let mut house = House::staffed("[support_lead]", "Alice Example").await;
    let own = house.speaks_tls();
    let origin = house.origin.clone();
    house.pair.change_policy(
        |name, text| match name {
            "people.yaml" => text.replace(
                "id: erin, ",
                &format!("id: erin, certificates: [\"spiffe://{DOMAIN}/auditor\"], "),
            ),
            _ => text,
        },
        &[],
    );
    house.pair.add_config("sign_in: { certificates: { ca: pki/ca.crt } }\n");
    house.pair.begin_anew();
    let own = Certificate::from_pem(own.as_bytes()).unwrap();
    let pem = |path: String| std::fs::read(house.pair.path(&path)).unwrap();
    let showing = |dir: &str| {
        let both = [pem(format!("{dir}/tls.crt")), pem(format!("{dir}/tls.key"))].concat();
        let shown = Identity::from_pem(&both).unwrap();
        Visitor::over(&origin, |client| {
            client.tls_certs_only([own.clone()]).identity(shown.clone())
        })
    };
    let mut nobody = Visitor::over(&origin, |client| client.tls_certs_only([own.clone()]));
    assert!(!nobody.read("/sign-in").await.1.contains("Sign in as"));
    let refused = nobody.form("/sign-in/certificate", &[("to", "/actions")]).await;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    assert!(refused.text().await.unwrap().contains("has shown no certificate"));

    let mut erin = showing("pki/auditor");
    assert!(erin.read("/sign-in?to=/actions").await.1.contains("/auditor"));
    let entered = erin.form("/sign-in/certificate", &[("to", "/actions")]).await;
    assert_eq!(entered.headers()["location"], "/actions");
    assert_eq!(erin.read("/actions").await.0, StatusCode::OK);
    let turn = json!({ "reach": "all", "turn": "off", "reason": "x" });
    assert_eq!(erin.post("/switches/claims", &turn).await.status(), StatusCode::FORBIDDEN);
    // Her cookie over a connection that shows nothing, or another's certificate.
    nobody.cookies = erin.cookies.clone();
    assert_eq!(nobody.leads_to("/actions").await, "/sign-in?to=/actions");
    let mut olga = showing("pki/operator");
    olga.cookies = erin.cookies.clone();
    assert_eq!(olga.leads_to("/actions").await, "/sign-in?to=/actions");
    // Of the same authority, and nobody's in the policy.
    let unknown = olga.form("/sign-in/certificate", &[("to", "/")]).await;
    assert_eq!(unknown.status(), StatusCode::FORBIDDEN);
    let page = unknown.text().await.unwrap();
    assert!(page.contains("certificates:") && page.contains("/operator"), "{page}");
    // Of another authority, with the same name in it.
    let elsewhere = house.pair.path("elsewhere");
    countersign::pki::init_ca(&elsewhere, DOMAIN).unwrap();
    countersign::pki::issue(&elsewhere, Role::Auditor, &elsewhere).unwrap();
    let both = ["tls.crt", "tls.key"].map(|name| pem(format!("elsewhere/auditor/{name}"))).concat();
    let shown = Identity::from_pem(&both).unwrap();
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([own]).identity(shown);
    let answer = client.build().unwrap().get(format!("{origin}/sign-in")).send().await;
    assert!(answer.is_err(), "the handshake ends: {answer:?}");
}
