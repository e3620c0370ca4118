//! A session is the passkey's that began it.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_passkey_that_was_taken_away_ends_its_session() {
    let mut house = house();
    let cookie = house.cookie("ops");
    let look = async |house: &House| {
        let request = Request::get("/activations").header(COOKIE, cookie.as_str());
        house.ask(request.body(Body::empty()).unwrap()).await.0
    };
    assert_eq!(look(&house).await, StatusCode::OK);
    // The same people and roles, each with another passkey.
    house.console.desk.pipeline.policy = Arc::new(policy(|own| own + 10));
    assert_eq!(look(&house).await, StatusCode::SEE_OTHER);
}
