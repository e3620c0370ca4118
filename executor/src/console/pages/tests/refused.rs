//! Who is not let in fills no log.

use std::fs::File;
use std::time::{Duration, Instant};

use axum::extract::ConnectInfo;
use axum::http::header::ORIGIN as FROM;
use serde_json::json;

use super::*;
use crate::console::certificate::{Shown, sign_in as by_certificate};
use crate::console::sign_in::sign_in as by_passkey;

#[tokio::test(flavor = "multi_thread")]
async fn what_strangers_can_cause_is_one_line_a_minute() {
    let house = house();
    let told = house.folder.path().join("told");
    let lines = Arc::new(File::create(&told).unwrap());
    let subscriber = tracing_subscriber::fmt().with_writer(lines).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let router = Router::new()
        .route("/sign-in", routing::post(by_passkey))
        .route("/sign-in/certificate", routing::post(by_certificate))
        .with_state(house.console.clone());
    let post = async |path: &str, kind: &str, body: String| {
        let until = Instant::now() + Duration::from_secs(300);
        let id = "spiffe://t/stranger".parse().ok();
        let request = Request::post(path).header(FROM, ORIGIN).header(CONTENT_TYPE, kind);
        let request = request.extension(ConnectInfo(Shown { id, until }));
        let answer = router.clone().oneshot(request.body(Body::from(body)).unwrap()).await;
        answer.unwrap().status()
    };
    let nothing = json!({
        "claims": "{}", "credential": "", "authenticator_data": "", "client_data": "",
        "signature": "",
    });
    for _ in 0..3 {
        let answer = post("/sign-in", "application/json", nothing.to_string()).await;
        assert_eq!(answer, StatusCode::UNAUTHORIZED);
        let form = "application/x-www-form-urlencoded";
        let answer = post("/sign-in/certificate", form, "to=/".to_owned()).await;
        assert_eq!(answer, StatusCode::FORBIDDEN);
    }
    let lines = std::fs::read_to_string(told).unwrap();
    for line in ["passkeys did not sign in", "not signed in: nobody in the policy"] {
        assert_eq!(lines.matches(line).count(), 1, "{lines}");
    }
}
