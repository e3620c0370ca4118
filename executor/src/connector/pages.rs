//! Reads a list page by page, never more pages than the contract says.

use countersign_core::answer::ReadFailure;
use countersign_core::contract::{Call, Pages, Request};
use countersign_core::request::{WireRequest, pairs};
use countersign_shared::codes::Code;
use serde_json::{Map, Value as Json};

/// Asks once, or as often as there are pages; the answer is the first page with
/// the elements of all of them in its list.
pub(super) async fn read<A>(
    call: &Call,
    request: &WireRequest,
    ask: impl Fn(WireRequest) -> A,
) -> Result<Json, ReadFailure>
where
    A: Future<Output = Result<Json, ReadFailure>>,
{
    let mut first = ask(request.clone()).await?;
    let Some(pages) = paging(call) else {
        return Ok(first);
    };
    let mut cursor = next(pages, &first);
    let mut read = 1;
    while let Some(at) = cursor {
        if read >= pages.max {
            return Err(unreadable(format!("there are more than {} pages", pages.max)));
        }
        read += 1;
        let mut page = ask(with_cursor(request, pages, &at)).await?;
        cursor = next(pages, &page);
        if cursor.as_ref() == Some(&at) {
            return Err(unreadable("a page names itself as the next one".to_owned()));
        }
        let more = list(&mut page, pages)?.split_off(0);
        list(&mut first, pages)?.extend(more);
    }
    Ok(first)
}

fn paging(call: &Call) -> Option<&Pages> {
    match &call.request {
        Request::Http(http) => http.pages.as_ref(),
        Request::GraphQl { .. } => None,
    }
}

/// The next cursor; absent, null, false and empty end the list.
fn next(pages: &Pages, page: &Json) -> Option<Json> {
    match page.pointer(&pages.next)? {
        Json::String(cursor) if cursor.is_empty() => None,
        cursor @ (Json::String(_) | Json::Number(_)) => Some(cursor.clone()),
        Json::Null | Json::Bool(_) | Json::Array(_) | Json::Object(_) => None,
    }
}

fn with_cursor(request: &WireRequest, pages: &Pages, cursor: &Json) -> WireRequest {
    let cursor = pairs(&Map::from_iter([(pages.into.clone(), cursor.clone())]));
    let mut request = request.clone();
    request.query = match request.query.as_str() {
        "" => cursor,
        query => format!("{query}&{cursor}"),
    };
    request
}

fn list<'a>(page: &'a mut Json, pages: &Pages) -> Result<&'a mut Vec<Json>, ReadFailure> {
    page.pointer_mut(&pages.list)
        .and_then(Json::as_array_mut)
        .ok_or_else(|| unreadable(format!("a page has no list at `{}`", pages.list)))
}

fn unreadable(why: String) -> ReadFailure {
    ReadFailure::new(Code::StateUnreadable, why, false)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use std::cell::RefCell;
    use std::collections::BTreeMap;

    use countersign_core::contract::{ErrorRules, HttpBody, HttpRequest};
    use serde_json::json;

    use super::*;

    fn call(max: usize) -> Call {
        let pages = Pages {
            next: "/next".to_owned(),
            into: "cursor".to_owned(),
            list: "/data".to_owned(),
            max,
        };
        Call {
            request: Request::Http(HttpRequest {
                method: "GET".to_owned(),
                path: Vec::new(),
                query: BTreeMap::new(),
                headers: BTreeMap::new(),
                body: HttpBody::Empty,
                accept: vec![200],
                pages: Some(pages),
            }),
            key: None,
            errors: ErrorRules::default(),
            response: None,
        }
    }

    async fn run(max: usize, answers: &[Json]) -> (Result<Json, ReadFailure>, Vec<String>) {
        let asked = RefCell::new(Vec::new());
        let request = WireRequest {
            method: "GET".to_owned(),
            path: "/things".to_owned(),
            query: "limit=2".to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
        };
        let ask = async |request: WireRequest| {
            asked.borrow_mut().push(request.query);
            Ok(answers[asked.borrow().len() - 1].clone())
        };
        (read(&call(max), &request, ask).await, asked.into_inner())
    }

    #[tokio::test]
    async fn all_pages_become_one_list() {
        let (answer, asked) = run(
            5,
            &[
                json!({"data": [1, 2], "next": "a&b", "total": 5}),
                json!({"data": [3, 4], "next": 7}),
                json!({"data": [5], "next": null}),
            ],
        )
        .await;
        assert_eq!(answer.unwrap(), json!({"data": [1, 2, 3, 4, 5], "next": "a&b", "total": 5}));
        assert_eq!(asked, ["limit=2", "limit=2&cursor=a%26b", "limit=2&cursor=7"]);
    }

    #[tokio::test]
    async fn more_pages_than_allowed_refuse_instead_of_dropping_some() {
        let endless = |i: usize| json!({"data": [i], "next": format!("c{i}")});
        let (answer, asked) = run(2, &[endless(1), endless(2), endless(3)]).await;
        assert_eq!(answer.unwrap_err().code, "STATE_UNREADABLE");
        assert_eq!(asked.len(), 2);
    }

    #[tokio::test]
    async fn a_circle_and_a_missing_list_refuse() {
        let same = json!({"data": [1], "next": "c"});
        assert!(run(9, &[same.clone(), same]).await.0.is_err());
        let (answer, _) = run(9, &[json!({"data": [1], "next": "c"}), json!({"next": null})]).await;
        assert!(answer.is_err());
    }
}
