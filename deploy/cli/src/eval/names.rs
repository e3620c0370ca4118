//! Observations have new ids in every run. A script or a recording names them by their tool or
//! their number instead: `{{obs:shopify.find_order}}`, `{{obs:1}}`.

use serde_json::Value as Json;

/// The reads that a model was shown in a play, oldest first: id and tool.
#[derive(Debug, Default)]
pub(super) struct Names(Vec<(String, String)>);

impl Names {
    /// Learns the reads that a request shows.
    pub(super) fn see(&mut self, request: &Json) {
        for read in reads(request) {
            if !self.0.contains(&read) {
                self.0.push(read);
            }
        }
    }

    /// Puts ids where a text has names. A name that stays is of no read.
    pub(super) fn by_number(&self, text: &str) -> Result<String, String> {
        let mut text = text.to_owned();
        for (at, (id, tool)) in self.0.iter().enumerate().rev() {
            text = text.replace(&format!("{{{{obs:{}}}}}", at + 1), id);
            text = text.replace(&format!("{{{{obs:{tool}}}}}"), id);
        }
        match text.split_once("{{obs:") {
            Some((_, rest)) => {
                let name = rest.split("}}").next().unwrap_or_default();
                Err(format!(
                    "an answer names {{{{obs:{name}}}}}, a read that the model was not shown"
                ))
            }
            None => Ok(text),
        }
    }

    /// Puts numbers where a text has ids.
    pub(super) fn to_number(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (at, (id, _)) in self.0.iter().enumerate() {
            text = text.replace(id.as_str(), &format!("{{{{obs:{}}}}}", at + 1));
        }
        text
    }
}

fn reads(request: &Json) -> Vec<(String, String)> {
    let messages = request.get("messages").and_then(Json::as_array).into_iter().flatten();
    let text = messages.filter_map(|message| message.get("content")?.as_str());
    let data = text.filter_map(|text| serde_json::from_str::<Json>(text).ok());
    let shown = data.filter_map(|data| data.get("reads")?.as_array().cloned());
    let word = |read: &Json, name: &str| Some(read.get(name)?.as_str()?.to_owned());
    shown.flatten().filter_map(|read| Some((word(&read, "id")?, word(&read, "tool")?))).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use serde_json::json;

    use super::*;

    /// After requests that each showed one read.
    fn shown(ids: &[&str]) -> Names {
        let mut names = Names::default();
        for id in ids {
            let data = json!({ "reads": [{ "id": id, "tool": "shop.find" }] }).to_string();
            names.see(&json!({ "messages": [{ "role": "user", "content": data }] }));
        }
        names
    }

    #[test]
    fn an_id_of_one_run_becomes_that_of_another() {
        let kept = shown(&["obs_1"]).to_number("see obs_1#/orders/0");
        assert_eq!(kept, "see {{obs:1}}#/orders/0");
        let named = |text: &str, id: &str| shown(&[id]).by_number(text);
        assert_eq!(named(&kept, "obs_2").as_deref(), Ok("see obs_2#/orders/0"));
        assert_eq!(named("{{obs:shop.find}}", "obs_3").as_deref(), Ok("obs_3"));
        let unknown = named("{{obs:1}} {{obs:2}}#/id", "obs_4").unwrap_err();
        assert!(unknown.contains("{{obs:2}}"), "{unknown}");
    }

    #[test]
    fn what_was_shown_earlier_keeps_its_number() {
        let names = shown(&["obs_7", "obs_8", "obs_7"]);
        assert_eq!(names.by_number("{{obs:1}} {{obs:2}}").as_deref(), Ok("obs_7 obs_8"));
        assert_eq!(names.by_number("{{obs:shop.find}}").as_deref(), Ok("obs_8"));
    }
}
