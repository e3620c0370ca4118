//! What people and their frontends sign and the executor verifies: the claims of an
//! attested message, of a customer's confirmation and of an approver's answer. Each is
//! a compact JWS with `alg` EdDSA and a `kid`; signing and verifying live with
//! whoever holds the keys.
//!
//! A message is signed and verified over its bytes as they were sent, and spans are
//! byte offsets into those same bytes: nothing is taken out in between that could
//! move them. Instead a span is only words where a person sees all that is in it:
//! [`plain_words`] is the rule.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Audience of messages and confirmations.
pub const AUDIENCE: &str = "countersign";

/// Claims of an attested message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MessageClaims {
    /// Always `message`, so that no other token passes for one.
    pub typ: MessageType,
    /// The frontend's id.
    pub iss: String,
    /// [`AUDIENCE`].
    pub aud: String,
    /// The subject who wrote it.
    pub sub: String,
    /// The conversation.
    pub conv: String,
    /// The message's id.
    pub mid: String,
    /// Hex SHA-256 of the text's UTF-8 bytes.
    pub sha256: String,
    /// When it was signed, seconds since 1970.
    pub iat: i64,
}

/// Claims of a customer's yes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfirmationClaims {
    /// Always `confirmation`.
    pub typ: ConfirmationType,
    /// The frontend's id.
    pub iss: String,
    /// [`AUDIENCE`].
    pub aud: String,
    /// The subject who saw the card.
    pub sub: String,
    /// The conversation.
    pub conv: String,
    /// The proposal.
    pub proposal: String,
    /// [`card_digest`] of what was shown.
    pub card: String,
    /// When it was signed, seconds since 1970.
    pub iat: i64,
    /// Until when it counts, seconds since 1970.
    pub exp: i64,
}

/// Claims of an approver's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApprovalClaims {
    /// Always `approval`.
    pub typ: ApprovalType,
    /// The directory that names the approver.
    pub iss: String,
    /// [`AUDIENCE`].
    pub aud: String,
    /// The approver.
    pub sub: String,
    /// The proposal.
    pub proposal: String,
    /// [`card_digest`] of what was shown.
    pub card: String,
    /// Yes or no.
    pub decision: Decision,
    /// In which role.
    pub role: String,
    /// Why; may be empty.
    #[serde(default)]
    pub reason: String,
    /// When it was signed, seconds since 1970.
    pub iat: i64,
    /// Until when it counts, seconds since 1970.
    pub exp: i64,
}

/// What an operator signs so that a changed part of the executor takes effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActivationClaims {
    /// Always `activation`.
    pub typ: ActivationType,
    /// The directory that names the person.
    pub iss: String,
    /// [`AUDIENCE`].
    pub aud: String,
    /// The person.
    pub sub: String,
    /// `policy`, `pack/NAME`, `issuers`, `egress`; of a recovery `log/epoch`, `log/gap`.
    pub part: String,
    /// The active digest; empty for a part that is new.
    pub old: String,
    /// The digest that is to be active.
    pub new: String,
    /// Why; may be empty.
    pub reason: String,
    /// When it was signed, seconds since 1970.
    pub iat: i64,
}

/// The type of an activation request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ActivationType {
    /// The only one.
    #[serde(rename = "activation")]
    Activation,
}

/// An approver's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Yes.
    Approve,
    /// No.
    Reject,
}

/// Claims of a person who worked in the backend's own pages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FinishClaims {
    /// Always `finish`.
    pub typ: FinishType,
    /// The directory that names the person.
    pub iss: String,
    /// [`AUDIENCE`].
    pub aud: String,
    /// The person.
    pub sub: String,
    /// The action, or the escalation where there is no action.
    pub action: String,
    /// Whether what was asked for is done now.
    pub done: bool,
    /// What they did; may be empty.
    #[serde(default)]
    pub note: String,
    /// When it was signed, seconds since 1970.
    pub iat: i64,
    /// Until when it counts, seconds since 1970.
    pub exp: i64,
}

/// What an operator signs to turn a switch by passkey.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SwitchClaims {
    /// Always `switch`.
    pub typ: SwitchType,
    /// The directory that names the person.
    pub iss: String,
    /// [`AUDIENCE`].
    pub aud: String,
    /// The person.
    pub sub: String,
    /// `all`, `tenant/NAME`, `pack/NAME` or `tool/NAME`.
    pub reach: String,
    /// Off, or on again.
    pub off: bool,
    /// Why.
    pub reason: String,
    /// When it was signed, seconds since 1970.
    pub iat: i64,
    /// Until when it counts, seconds since 1970.
    pub exp: i64,
}

/// The type of an operator's word on a switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SwitchType {
    /// The only one.
    #[serde(rename = "switch")]
    Switch,
}

/// The type of a person's statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum FinishType {
    /// The only one.
    #[serde(rename = "finish")]
    Finish,
}

/// The type of an approver's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ApprovalType {
    /// The only one.
    #[serde(rename = "approval")]
    Approval,
}

/// The type of an attested message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum MessageType {
    /// The only one.
    #[serde(rename = "message")]
    Message,
}

/// The type of a confirmation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ConfirmationType {
    /// The only one.
    #[serde(rename = "confirmation")]
    Confirmation,
}

/// Hex SHA-256 of a message's text.
#[must_use]
pub fn text_digest(text: &str) -> String {
    hex::encode(Sha256::digest(text.as_bytes()))
}

/// The words of a span, if what a person sees there is what is there. They are not
/// where the span holds or touches a character that nobody sees (control, zero
/// width), or where a bidirectional control on its line may show it in another
/// order. `None` also where the span lies outside the text or cuts a character.
#[must_use]
pub fn plain_words(text: &str, start: usize, end: usize) -> Option<String> {
    let words = text.get(start..end)?.replace("\r\n", "\n");
    let (before, after) = (text.get(..start)?, text.get(end..)?);
    let touching = before.chars().next_back().into_iter().chain(after.chars().next());
    if words.chars().chain(touching.filter(|c| *c != '\r')).any(is_hidden) {
        return None;
    }
    let line = before.rsplit('\n').next()?.chars().chain(after.split('\n').next()?.chars());
    let trimmed = words.trim();
    (!line.clone().any(is_bidirectional) && !trimmed.is_empty()).then(|| trimmed.to_owned())
}

/// A text without what nobody sees in it, for people to read.
#[must_use]
pub fn cleaned(text: &str) -> String {
    text.chars().filter(|c| !is_hidden(*c)).collect()
}

/// A text for a page that shows what was written as it was written: what could turn its
/// order round stands there by its number, and what nobody sees is left out.
#[must_use]
pub fn marked(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mark = |mut all: String, c: char| {
        if is_bidirectional(c) {
            all.push_str(&format!("⟨U+{:04X}⟩", u32::from(c)));
        } else if !is_hidden(c) {
            all.push(c);
        }
        all
    };
    Cow::Owned(text.chars().fold(String::new(), mark))
}

/// Control characters other than newline and tab, and what takes no room.
fn is_hidden(c: char) -> bool {
    let control = c.is_control() && c != '\n' && c != '\t';
    control || is_bidirectional(c) || HIDDEN.iter().any(|(from, to)| (*from..=*to).contains(&c))
}

const fn is_bidirectional(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Unicode's Default_Ignorable_Code_Point, and the line and paragraph separators
/// and annotation marks, which show as nothing just as often.
const HIDDEN: &[(char, char)] = &[
    ('\u{ad}', '\u{ad}'),
    ('\u{34f}', '\u{34f}'),
    ('\u{115f}', '\u{1160}'),
    ('\u{17b4}', '\u{17b5}'),
    ('\u{180b}', '\u{180f}'),
    ('\u{200b}', '\u{200f}'),
    ('\u{2028}', '\u{202e}'),
    ('\u{2060}', '\u{206f}'),
    ('\u{3164}', '\u{3164}'),
    ('\u{fe00}', '\u{fe0f}'),
    ('\u{feff}', '\u{feff}'),
    ('\u{ffa0}', '\u{ffa0}'),
    ('\u{fff0}', '\u{fffb}'),
    ('\u{1bca0}', '\u{1bca3}'),
    ('\u{1d173}', '\u{1d17a}'),
    ('\u{e0000}', '\u{e0fff}'),
];

/// Hex digest that a yes is signed over: what was shown, and what it stands for.
/// A frontend computes it over the text it showed, so that a card altered on the
/// way earns a yes to nothing (A YES IS SHOWN AND SIGNED).
#[must_use]
pub fn card_digest(proposal_id: &str, commitment: &str, text: &str) -> String {
    let mut hash = Sha256::new();
    for part in ["countersign card v1", proposal_id, commitment] {
        hash.update(part.as_bytes());
        hash.update(b"\n");
    }
    hash.update(text.as_bytes());
    hex::encode(hash.finalize())
}

/// What a passkey is asked to sign for an approver's answer: a digest of the exact
/// JSON of the claims.
#[must_use]
pub fn approval_challenge(claims: &str) -> [u8; 32] {
    challenge("countersign approval v1\n", claims)
}

/// What a passkey is asked to sign for a statement of how a matter ended.
#[must_use]
pub fn finish_challenge(claims: &str) -> [u8; 32] {
    challenge("countersign finish v1\n", claims)
}

/// What a passkey is asked to sign to turn a switch.
#[must_use]
pub fn switch_challenge(claims: &str) -> [u8; 32] {
    challenge("countersign switch v1\n", claims)
}

/// A prefix for each kind keeps what was signed as one from ever being another.
fn challenge(prefix: &str, claims: &str) -> [u8; 32] {
    let mut hash = Sha256::new_with_prefix(prefix.as_bytes());
    hash.update(claims.as_bytes());
    hash.finalize().into()
}

/// What a passkey is asked to sign for answers to several cards at once: a digest of the
/// list of their [`answer_digest`]s. Its prefix keeps a list from being one answer.
#[must_use]
pub fn answers_challenge(digests: &[String]) -> [u8; 32] {
    let mut hash = Sha256::new_with_prefix(b"countersign approvals v1\n");
    for digest in digests {
        hash.update(digest.as_bytes());
        hash.update(b"\n");
    }
    hash.finalize().into()
}

/// One answer in a list that is signed at once: hex of [`approval_challenge`].
#[must_use]
pub fn answer_digest(claims: &str) -> String {
    hex::encode(approval_challenge(claims))
}

/// What a passkey is asked to sign for signing in: a digest of the executor's own
/// question. Its prefix keeps it from ever being an answer to a card.
#[must_use]
pub fn sign_in_challenge(question: &str) -> [u8; 32] {
    challenge("countersign sign-in v1\n", question)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_page_names_what_would_turn_the_order_round() {
        assert_eq!(marked("pay 9 EUR\nnow"), "pay 9 EUR\nnow");
        assert_eq!(marked("to \u{202e}evil\u{202c}"), "to ⟨U+202E⟩evil⟨U+202C⟩");
        assert_eq!(marked("9\u{200b}9\u{7}"), "99");
    }

    fn span(text: &str, words: &str) -> Option<String> {
        let start = text.find(words).unwrap();
        plain_words(text, start, start + words.len())
    }

    #[test]
    fn a_span_is_what_a_person_sees_there() {
        assert_eq!(span("cancel #1001 please", "#1001").as_deref(), Some("#1001"));
        assert_eq!(
            span("to: Bahnhofstraße 5\r\nBerlin", "Bahnhofstraße 5").as_deref(),
            Some("Bahnhofstraße 5")
        );
        assert_eq!(span("a\r\nb", "a\r\nb").as_deref(), Some("a\nb"), "a line's end is one");
        // The whole number reads #1001; a part of it is not what was said.
        assert_eq!(span("#10\u{200b}01", "#10"), None, "touches");
        assert_eq!(span("#10\u{200b}01", "01"), None, "touches");
        assert_eq!(span("#10\u{200b}01", "#10\u{200b}01"), None, "holds");
        assert_eq!(span("pay 9\u{ad}9 now", "pay"), Some("pay".to_owned()), "elsewhere");
        assert_eq!(
            span("order \u{202e}1001# ok", "ok"),
            None,
            "the line is shown in another order"
        );
        assert_eq!(
            span("\u{202e}x\u{202c}\norder 7", "order 7").as_deref(),
            Some("order 7"),
            "another line"
        );
        for hidden in
            ['\0', '\u{1b}', '\u{7f}', '\u{feff}', '\u{2066}', '\u{e0041}', '\u{fe0f}', '\u{2028}']
        {
            assert_eq!(span(&format!("a{hidden}b"), &format!("a{hidden}b")), None, "{hidden:?}");
            assert_eq!(cleaned(&format!("a{hidden}b\n\tc")), "ab\n\tc");
        }
        assert_eq!(plain_words("ä", 0, 1), None, "cuts a character");
        assert_eq!(plain_words("abc", 2, 9), None, "outside");
        assert_eq!(plain_words("abc", 2, 1), None, "backwards");
        assert_eq!(plain_words("a  b", 1, 3), None, "empty");
    }

    #[test]
    fn signing_in_is_never_an_answer() {
        assert_ne!(sign_in_challenge("{}"), approval_challenge("{}"));
    }

    #[test]
    fn a_list_is_signed_in_its_order_and_is_never_one_answer() {
        let [a, b] = ["{\"a\":1}", "{\"b\":1}"].map(answer_digest);
        let both = answers_challenge(&[a.clone(), b.clone()]);
        assert_ne!(both, answers_challenge(&[b, a.clone()]));
        assert_ne!(both, answers_challenge(std::slice::from_ref(&a)));
        assert_ne!(answers_challenge(&[a]), approval_challenge("{\"a\":1}"));
    }

    #[test]
    fn a_card_altered_on_the_way_has_another_digest() {
        let shown = card_digest("prp_1", "ab", "Refund USD 5.00?");
        assert_ne!(shown, card_digest("prp_1", "ab", "Refund USD 50.0?"));
        assert_ne!(shown, card_digest("prp_1", "ac", "Refund USD 5.00?"));
        assert_ne!(shown, card_digest("prp_2", "ab", "Refund USD 5.00?"));
    }
}
