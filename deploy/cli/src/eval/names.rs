//! Observations have new ids in every run. A script or a recording names them by their tool or
//! their number instead: `{{obs:shopify.find_order}}`, `{{obs:1}}`.

use serde_json::Value as Json;

/// The reads that a request shows, oldest first: id and tool.
fn reads(request: &Json) -> Vec<(String, String)> {
    let messages = request.get("messages").and_then(Json::as_array).into_iter().flatten();
    let text = messages.filter_map(|message| message.get("content")?.as_str());
    let data = text.filter_map(|text| serde_json::from_str::<Json>(text).ok());
    let shown = data.filter_map(|data| data.get("reads")?.as_array().cloned());
    let word = |read: &Json, name: &str| Some(read.get(name)?.as_str()?.to_owned());
    shown.flatten().filter_map(|read| Some((word(&read, "id")?, word(&read, "tool")?))).collect()
}

/// Puts the ids of this request where a text has names. A name that stays is of no read.
pub(super) fn by_number(text: &str, request: &Json) -> Result<String, String> {
    let mut text = text.to_owned();
    for (at, (id, tool)) in reads(request).iter().enumerate().rev() {
        text = text.replace(&format!("{{{{obs:{}}}}}", at + 1), id);
        text = text.replace(&format!("{{{{obs:{tool}}}}}"), id);
    }
    match text.split_once("{{obs:") {
        Some((_, rest)) => {
            let name = rest.split("}}").next().unwrap_or_default();
            Err(format!("an answer names {{{{obs:{name}}}}}, a read that the model was not shown"))
        }
        None => Ok(text),
    }
}

/// Puts numbers where a text has the ids of this request.
pub(super) fn to_number(text: &str, request: &Json) -> String {
    let mut text = text.to_owned();
    for (at, (id, _)) in reads(request).iter().enumerate() {
        text = text.replace(id.as_str(), &format!("{{{{obs:{}}}}}", at + 1));
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use serde_json::json;

    use super::*;

    #[test]
    fn an_id_of_one_run_becomes_that_of_another() {
        let asked = |id: &str| {
            let data = json!({ "reads": [{ "id": id, "tool": "shop.find" }] }).to_string();
            json!({ "messages": [{ "role": "user", "content": data }] })
        };
        let kept = to_number("see obs_1#/orders/0", &asked("obs_1"));
        assert_eq!(kept, "see {{obs:1}}#/orders/0");
        let named = |text: &str, id: &str| by_number(text, &asked(id));
        assert_eq!(named(&kept, "obs_2").as_deref(), Ok("see obs_2#/orders/0"));
        assert_eq!(named("{{obs:shop.find}}", "obs_3").as_deref(), Ok("obs_3"));
        let unknown = named("{{obs:1}} {{obs:2}}#/id", "obs_4").unwrap_err();
        assert!(unknown.contains("{{obs:2}}"), "{unknown}");
    }
}
