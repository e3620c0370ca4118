//! What is told, in the form that each receiver shows.

use countersign_core::grant::Parked;
use jiff::Timestamp;
use serde_json::{Value as Json, json};

use super::{Kind, Stage};

/// One request that waits, in words.
#[derive(Debug, Clone)]
pub(super) struct Notice {
    event: &'static str,
    proposal: String,
    tenant: String,
    tool: String,
    card: String,
    amount: String,
    roles: Vec<String>,
    expires_at: Timestamp,
    link: String,
}

impl Notice {
    pub(super) fn of(parked: &Parked, stage: Stage, origin: &str) -> Self {
        let proposal = parked.proposal();
        let roles = parked.missing().filter_map(|need| need.role()).map(str::to_owned);
        Self {
            event: match stage {
                Stage::Waits => "approval.requested",
                Stage::Reminder => "approval.reminder",
                Stage::Escalation => "approval.escalation",
            },
            proposal: proposal.id().to_string(),
            tenant: proposal.asked().subject.tenant.clone(),
            tool: proposal.tool().to_owned(),
            card: proposal.card().to_owned(),
            amount: proposal.money().map(|money| money.to_string()).unwrap_or_default(),
            roles: roles.collect(),
            expires_at: proposal.expires_at(),
            link: match origin {
                "" => String::new(),
                origin => format!("{origin}/approve/{}", proposal.id()),
            },
        }
    }

    /// For logs.
    pub(super) fn proposal(&self) -> &str {
        &self.proposal
    }

    /// The body for a receiver of this kind.
    pub(super) fn body(&self, kind: Kind) -> Json {
        match kind {
            Kind::Json => json!({
                "event": self.event, "proposal": self.proposal, "tenant": self.tenant,
                "tool": self.tool, "card": self.card, "amount": self.amount,
                "roles": self.roles, "expires_at": self.expires_at.to_string(),
                "link": self.link,
            }),
            Kind::Slack => self.slack(),
            Kind::Teams => self.teams(),
        }
    }

    fn title(&self) -> &'static str {
        match self.event {
            "approval.reminder" => "Still waiting for an approval",
            "approval.escalation" => "An approval is about to run out",
            _ => "Waiting for an approval",
        }
    }

    fn facts(&self) -> Vec<(&'static str, String)> {
        let until = self.expires_at.strftime("%Y-%m-%d %H:%M UTC").to_string();
        let mut facts = vec![("Who", self.roles.join(", ")), ("Until", until)];
        if !self.amount.is_empty() {
            facts.insert(0, ("Amount", self.amount.clone()));
        }
        facts
    }

    /// Texts are `plain_text`, so that nothing in a card becomes a link or a mention.
    fn slack(&self) -> Json {
        let plain = |text: &str| json!({ "type": "plain_text", "text": cut(text), "emoji": false });
        let facts =
            self.facts().into_iter().map(|(name, value)| plain(&format!("{name}: {value}")));
        let mut blocks = vec![
            json!({ "type": "header", "text": plain(self.title()) }),
            json!({ "type": "section", "text": plain(&self.card) }),
            json!({ "type": "section", "fields": facts.collect::<Vec<_>>() }),
        ];
        if !self.link.is_empty() {
            let button =
                json!({ "type": "button", "text": plain("Look and answer"), "url": self.link });
            blocks.push(json!({ "type": "actions", "elements": [button] }));
        }
        json!({ "text": self.title(), "blocks": blocks })
    }

    /// A `TextRun` shows its text as it is; a `TextBlock` would read it as Markdown.
    fn teams(&self) -> Json {
        let run = json!({ "type": "TextRun", "text": self.card });
        let facts = self
            .facts()
            .into_iter()
            .map(|(title, value)| json!({ "title": title, "value": value }));
        let mut card = json!({
            "type": "AdaptiveCard", "version": "1.4",
            "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
            "body": [
                { "type": "TextBlock", "text": self.title(), "weight": "Bolder", "wrap": true },
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
        Notice {
            event: "approval.requested",
            proposal: "prp_1".to_owned(),
            tenant: "demo-shop".to_owned(),
            tool: "shopify.refund_lines".to_owned(),
            card: "Refund <!channel> [x](https://evil.example)?".to_owned(),
            amount: "USD 24.00".to_owned(),
            roles: vec!["support_lead".to_owned()],
            expires_at: Timestamp::UNIX_EPOCH,
            link: "https://approve.shop.example/approve/prp_1".to_owned(),
        }
    }

    #[test]
    fn a_card_stays_text_in_every_form() {
        let (slack, teams) = (notice().body(Kind::Slack), notice().body(Kind::Teams));
        let section = &slack["blocks"][1]["text"];
        assert_eq!(section["type"], "plain_text");
        assert_eq!(section["text"], notice().card);
        assert!(!slack.to_string().contains("mrkdwn"));
        let body = &teams["attachments"][0]["content"]["body"];
        assert_eq!(body[1]["type"], "RichTextBlock");
        assert_eq!(body[1]["inlines"][0]["text"], notice().card);
        assert_eq!(notice().body(Kind::Json)["card"], notice().card);
    }

    #[test]
    fn without_a_page_there_is_no_button() {
        let bare = Notice { link: String::new(), ..notice() };
        assert!(!bare.body(Kind::Slack).to_string().contains("button"));
        assert!(!bare.body(Kind::Teams).to_string().contains("OpenUrl"));
        assert!(notice().body(Kind::Teams).to_string().contains("/approve/prp_1"));
    }
}
