//! A rating over HTTP: a score of one's own conversation, and nothing else.

use super::*;

impl Face {
    /// A rating of conversation `c1`.
    fn rate(&self, key: Option<&str>, body: &str) -> RequestBuilder {
        let url = format!("{}/v1/conversations/c1/rating", self.url);
        let request = self.http.post(url).header("X-Subject-Token", "e30.e30.x");
        let request = request.body(body.to_owned());
        match key {
            Some(key) => request.bearer_auth(key),
            None => request,
        }
    }
}

async fn refused(request: RequestBuilder) -> (u16, String, String) {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let body: Json = response.json().await.unwrap();
    let (code, param) = error(&body);
    (status, code.to_owned(), param.to_owned())
}

#[tokio::test]
async fn a_rating_reaches_the_executor_each_time() {
    let face = Face::open().await;
    for score in [1, 5] {
        let body = json!({ "score": score }).to_string();
        let answer = face.rate(Some(KEY), &body).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    }
    let shop = face.executor.shop.lock();
    let told: Vec<_> = shop.rated.iter().map(|r| (r.conversation_id.as_str(), r.score)).collect();
    assert_eq!(told, [("c1", 1), ("c1", 5)]);
}

#[tokio::test]
async fn what_is_no_score_is_refused_and_told_to_nobody() {
    let face = Face::open().await;
    let is = |status, code: &str, param: &str| (status, code.to_owned(), param.to_owned());
    for wrong in [
        r#"{"score":0}"#,
        r#"{"score":6}"#,
        r#"{"score":-1}"#,
        r#"{"score":4.5}"#,
        r#"{"score":"5"}"#,
        r#"{"score":5,"comment":"x"}"#,
        "{}",
        "5",
        "good",
        "",
    ] {
        let answer = refused(face.rate(Some(KEY), wrong)).await;
        assert_eq!(answer, is(400, "invalid_value", "score"), "{wrong}");
    }
    let good = r#"{"score":5}"#;
    for key in [None, Some("another-key-that-nobody-has")] {
        assert_eq!(refused(face.rate(key, good)).await, is(401, "invalid_api_key", ""));
    }
    let url = format!("{}/v1/conversations/a%20b/rating", face.url);
    let unfit = face.http.post(url).header("X-Subject-Token", "t").bearer_auth(KEY).body(good);
    assert_eq!(refused(unfit).await, is(400, "invalid_value", "x-chat"));
    let url = format!("{}/v1/conversations/c1/rating", face.url);
    let nobody = face.http.post(url).bearer_auth(KEY).body(good);
    assert_eq!(refused(nobody).await, is(400, "invalid_value", "X-Subject-Token"));
    let no = |code| CallError::Refused(Box::new(Refusal::new(code, "no")));
    face.executor.shop.lock().list_script.push_back(no(Code::SubjectUnverified));
    assert_eq!(refused(face.rate(Some(KEY), good)).await, is(401, "subject_refused", ""));
    assert!(face.executor.shop.lock().rated.is_empty());
    // Somebody else's, or none.
    face.executor.shop.lock().rate_script.push_back(no(Code::NotFound));
    let foreign = refused(face.rate(Some(KEY), good)).await;
    assert_eq!(foreign, is(404, "conversation_not_found", "conversation"));
}
