//! A session is what began it.

use std::time::{Duration, Instant};

use axum::extract::ConnectInfo;
use axum::http::header::CONNECTION;
use countersign_shared::mtls::SpiffeId;

use super::*;
use crate::console::certificate::Shown;

/// A connection that shows this, and whose proof counts so much longer.
fn shown(id: &str, counts: Duration) -> ConnectInfo<Shown> {
    ConnectInfo(Shown { id: id.parse::<SpiffeId>().ok(), until: Instant::now() + counts })
}

fn over(cookie: &str, connection: ConnectInfo<Shown>) -> Request<Body> {
    let request = Request::get("/activations").header(COOKIE, cookie);
    request.extension(connection).body(Body::empty()).unwrap()
}

/// What the operator's page answers to a cookie, over a fresh connection that shows this.
async fn looked(house: &House, cookie: &str, id: &str) -> StatusCode {
    house.ask(over(cookie, shown(id, Duration::from_secs(300)))).await.0
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_counts_for_minutes_and_then_is_shown_anew() {
    let house = house();
    let own: SpiffeId = "spiffe://t/5".parse().unwrap();
    let cookie = house.begun("ops", Proof::Certificate(own));
    let ask = async |id: &str, counts: u64| {
        let request = over(&cookie, shown(id, Duration::from_secs(counts)));
        let router = crate::console::pages::routes().with_state(house.console.clone());
        let router = router.layer(axum::middleware::from_fn(crate::console::certificate::renew));
        let answer = router.oneshot(request).await.unwrap();
        (answer.status(), answer.headers().contains_key(CONNECTION))
    };
    assert_eq!(ask("spiffe://t/5", 300).await, (StatusCode::OK, false));
    assert_eq!(ask("spiffe://t/5", 50).await, (StatusCode::OK, true), "it ends soon");
    assert_eq!(ask("spiffe://t/5", 0).await, (StatusCode::SEE_OTHER, true), "it is over");
    assert_eq!(ask("", 0).await, (StatusCode::SEE_OTHER, false), "nothing was shown");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_taken_away_ends_the_sessions_that_it_began() {
    let mut house = house();
    let own: SpiffeId = "spiffe://t/5".parse().unwrap();
    let subject = Proof::Subject { issuer: "i".to_owned(), id: "s5".to_owned() };
    let sessions = [Proof::Passkey(passkey(5)), subject, Proof::Certificate(own)];
    let cookies = sessions.map(|proof| house.begun("ops", proof));
    for cookie in &cookies {
        assert_eq!(looked(&house, cookie, "spiffe://t/5").await, StatusCode::OK);
    }
    let [_, _, certificate] = &cookies;
    for other in ["", "spiffe://t/6"] {
        assert_eq!(looked(&house, certificate, other).await, StatusCode::SEE_OTHER, "{other}");
    }
    // The same people and roles, each with other passkeys, names and certificates.
    house.console.desk.pipeline.policy = Arc::new(policy(|own| own + 10));
    for cookie in &cookies {
        assert_eq!(looked(&house, cookie, "spiffe://t/5").await, StatusCode::SEE_OTHER);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobodys_name_elsewhere_begins_a_session() {
    let people = policy(|own| own);
    let people = people.people();
    assert_eq!(people.named("i", "s5").unwrap().id, "ops");
    assert_eq!(people.of_certificate("spiffe://t/5").unwrap().id, "ops");
    // Her name in the directory, or of another issuer, is not what signs her in.
    for (issuer, id) in [("d", "ops"), ("j", "s5"), ("i", "s55"), ("i", ""), ("", "")] {
        assert!(people.named(issuer, id).is_none(), "{issuer} {id}");
    }
    assert!(people.of_certificate("spiffe://t/55").is_none());
    assert!(people.of_certificate("").is_none());
}
