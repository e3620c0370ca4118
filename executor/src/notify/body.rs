//! A notice in the form that each receiver shows.

use serde_json::{Value as Json, json};

use super::Kind;

/// What waits, in words.
#[derive(Debug, Clone)]
pub(super) struct Notice {
    /// Of what, for logs.
    pub(super) about: String,
    pub(super) title: &'static str,
    pub(super) text: String,
    pub(super) facts: Vec<(&'static str, String)>,
    /// Where it is answered; empty where no page is served.
    pub(super) link: String,
    /// Our own fields.
    pub(super) fields: Json,
}

impl Notice {
    /// For logs.
    pub(super) fn about(&self) -> &str {
        &self.about
    }

    /// The body for a receiver of this kind.
    pub(super) fn body(&self, kind: Kind) -> Json {
        match kind {
            Kind::Json => self.fields.clone(),
            Kind::Slack => self.slack(),
            Kind::Teams => self.teams(),
        }
    }

    /// Texts are `plain_text`, so that nothing in a card becomes a link or a mention.
    fn slack(&self) -> Json {
        let plain = |text: &str| json!({ "type": "plain_text", "text": cut(text), "emoji": false });
        let facts = self.facts.iter().map(|(name, value)| plain(&format!("{name}: {value}")));
        let mut blocks = vec![
            json!({ "type": "header", "text": plain(self.title) }),
            json!({ "type": "section", "text": plain(&self.text) }),
            json!({ "type": "section", "fields": facts.collect::<Vec<_>>() }),
        ];
        if !self.link.is_empty() {
            let button =
                json!({ "type": "button", "text": plain("Look and answer"), "url": self.link });
            blocks.push(json!({ "type": "actions", "elements": [button] }));
        }
        json!({ "text": self.title, "blocks": blocks })
    }

    /// A `TextRun` shows its text as it is; a `TextBlock` would read it as Markdown.
    fn teams(&self) -> Json {
        let run = json!({ "type": "TextRun", "text": self.text });
        let facts =
            self.facts.iter().map(|(title, value)| json!({ "title": title, "value": value }));
        let mut card = json!({
            "type": "AdaptiveCard", "version": "1.4",
            "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
            "body": [
                { "type": "TextBlock", "text": self.title, "weight": "Bolder", "wrap": true },
                { "type": "RichTextBlock", "inlines": [run] },
                { "type": "FactSet", "facts": facts.collect::<Vec<_>>() },
            ],
        });
        if !self.link.is_empty() {
            let open =
                json!({ "type": "Action.OpenUrl", "title": "Look and answer", "url": self.link });
            if let Some(card) = card.as_object_mut() {
                card.insert("actions".to_owned(), json!([open]));
            }
        }
        let content = "application/vnd.microsoft.card.adaptive";
        json!({ "type": "message", "attachments": [{ "contentType": content, "content": card }] })
    }
}

/// Slack takes 2000 characters of a field and 3000 of a section.
fn cut(text: &str) -> String {
    text.chars().take(2000).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing, reason = "tests")]

    use super::*;

    fn notice() -> Notice {
        let card = "Refund <!channel> [x](https://evil.example)?";
        Notice {
            about: "prp_1".to_owned(),
            title: "Waiting for an approval",
            text: card.to_owned(),
            facts: vec![("Who", "support_lead".to_owned())],
            link: "https://approve.shop.example/approve/prp_1".to_owned(),
            fields: json!({ "card": card }),
        }
    }

    #[test]
    fn a_card_stays_text_in_every_form() {
        let (slack, teams) = (notice().body(Kind::Slack), notice().body(Kind::Teams));
        let section = &slack["blocks"][1]["text"];
        assert_eq!(section["type"], "plain_text");
        assert_eq!(section["text"], notice().text);
        assert!(!slack.to_string().contains("mrkdwn"));
        let body = &teams["attachments"][0]["content"]["body"];
        assert_eq!(body[1]["type"], "RichTextBlock");
        assert_eq!(body[1]["inlines"][0]["text"], notice().text);
        assert_eq!(notice().body(Kind::Json)["card"], notice().text);
    }

    #[test]
    fn without_a_page_there_is_no_button() {
        let bare = Notice { link: String::new(), ..notice() };
        assert!(!bare.body(Kind::Slack).to_string().contains("button"));
        assert!(!bare.body(Kind::Teams).to_string().contains("OpenUrl"));
        assert!(notice().body(Kind::Teams).to_string().contains("/approve/prp_1"));
    }
}
