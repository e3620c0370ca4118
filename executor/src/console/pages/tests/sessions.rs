//! A session is what began it.

use axum::extract::ConnectInfo;
use countersign_shared::mtls::SpiffeId;

use super::*;
use crate::console::certificate::Shown;

/// What the operator's page answers to a cookie, over a connection that shows this.
async fn looked(house: &House, cookie: &str, shown: &str) -> StatusCode {
    let shown = Shown(shown.parse::<SpiffeId>().ok());
    let request = Request::get("/activations").header(COOKIE, cookie);
    let request = request.extension(ConnectInfo(shown)).body(Body::empty()).unwrap();
    house.ask(request).await.0
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
