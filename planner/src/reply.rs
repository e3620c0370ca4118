//! What the customer is told. Only three kinds of sentence exist: the executor's
//! own (`said`, `say`, the card), fixed ones, and questions made of labels. No
//! model writes here: NO CLAIM WITHOUT A RECEIPT.

use countersign_proto::v1::{Action, GrantKind, Observation, Outcome};
use countersign_shared::codes::Code;
use countersign_shared::refusal::Refusal;
use serde_json::Value as Json;

use crate::assemble::Question;
use crate::assemble::label::{filled, shown};
use crate::context::value;
use crate::executor::CallError;
use crate::guards::Guard;
use crate::knowledge::Found;
use crate::tools::{ToolSpec, Toolbox};

/// The executor cannot be reached and nothing was asked of it.
pub const UNREACHABLE: &str =
    "I can't reach our systems right now, so I could not start this. Please try again in a moment.";
/// A read or dry run got no answer; neither has an effect.
pub const NO_ANSWER: &str = "I got no answer from our systems just now, so I have started nothing. Please try again in a moment.";
/// A write that staff alone has to say yes to was proposed, and no answer came: they may have it.
pub const PERHAPS_PASSED_ON: &str = "I got no answer from our systems just now, so I can't tell yet whether this was passed on. Please write it again in a moment.";
/// Another turn of the same conversation does not end.
pub const STILL_AT_IT: &str = "I am still working on what you wrote before, so I have started nothing new. Please try again in a moment.";
/// An action was handed over and its end is not known.
pub const STILL_CHECKED: &str = "This is still being checked. I can't tell you yet whether it went through. Ask me again in a moment.";
/// A no to a yes of before could not be passed on, so that it may count.
pub const NO_NOT_PASSED_ON: &str = "I could not pass on your no yet. This is still being checked, and I can't tell you whether it went through. When you write again, I try once more.";
/// The customer dropped it.
pub const DROPPED: &str = "All right, I leave that.";
/// A yes in words where a signed one is needed.
pub const CONFIRM_ON_CARD: &str =
    "Please confirm it on the card itself; a yes in the chat is not enough.";
/// Beside a signed yes something else was wanted.
pub const ONLY_THE_YES: &str = "From this message I took only your yes to the card. If you want something else as well, please write it again.";
/// Beside a card that cannot be taken back something else was said.
pub const NOT_TAKEN_UP: &str =
    "I have not taken up what else you wrote. If you still want it, please write it again.";
/// A question about the card: it answers.
pub const ON_THE_CARD: &str =
    "Nothing has been done yet. This is what I would do, once you confirm it on the card:";
/// A question that could not be answered, beside a card or a link.
pub const NO_ANSWER_TO_THAT: &str = "I can't answer that.";
/// A look-up that does not say of what, beside a card or a link.
pub const WITH_ITS_NUMBER: &str = "Please ask again with its number, and I look it up.";
/// After these, where it is a card.
pub const THE_CARD_WAITS: &str = " The card still waits for your yes or no.";
/// Order number and e-mail are not enough for it.
pub const SIGN_IN: &str = "For this you have to sign in first. I have started nothing new.";
/// The state moved between card and yes.
pub const CHANGED: &str = "Something changed in the meantime, so nothing has been done.";
/// The yes came after the card's time.
pub const TOO_LATE: &str = "That card was too old by then, so nothing has been done.";
/// Before the card that takes its place.
pub const LOOK_AGAIN: &str = "This is how it looks now:";
/// The executor's link was sent and not used yet.
pub const OPEN_THE_LINK: &str =
    "This waits for your yes. Please open the link that was sent to you.";
/// An edited message asks for something that needs no yes.
pub const SAY_IT_ANEW: &str = "You changed an earlier message. What was done since stays done, and I start nothing from here by myself. If you want this, please write it as a new message.";
/// A person has the conversation.
pub const WITH_A_COLLEAGUE: &str = "A colleague has this conversation now and will get back to you. I start nothing here until they hand it back.";
/// A person has handed the conversation back.
pub const BACK_AGAIN: &str = "A colleague has looked at this and handed it back to me.";
/// No answer in the tools.
const NOT_ANSWERABLE: &str = "I can't answer that from what I can look up here.";
/// Nothing was understood.
const NOT_UNDERSTOOD: &str =
    "I'm not sure what you would like me to do, so I have started nothing new.";
/// The model is less sure than the tool's contract wants.
pub const NOT_SURE_ENOUGH: &str = "I am not sure enough that this is what you want";
/// An answer fits nothing that was asked, more than once.
pub const NOT_ANSWERED: &str = "I still do not know which one you mean";
/// A person is needed.
const FOR_A_COLLEAGUE: &str = "This is one for a colleague, so I have started nothing new.";

/// Words for a refusal: the executor's, else those of the code, else honest ones.
#[must_use]
pub fn refused(refusal: &Refusal) -> String {
    let mut text = if !refusal.say.is_empty() {
        refusal.say.clone()
    } else if let Some(code) = Code::by_name(&refusal.code) {
        code.page().say.to_owned()
    } else {
        format!("That was refused ({}).", refusal.code)
    };
    if let Some(receipt) =
        refusal.receipt_id.as_ref().filter(|id| is_earlier(&refusal.code) && !text.contains(*id))
    {
        text.push_str(&format!(" Receipt {receipt}."));
    }
    if is_earlier(&refusal.code) {
        text.push_str(" If you want it done once more, say \"again\".");
    }
    text
}

/// Whether the code tells of the same thing done before.
#[must_use]
pub fn is_earlier(code: &str) -> bool {
    code == Code::AlreadyDone.name()
}

/// Words for a call without an answer, made before anything could have happened.
#[must_use]
pub fn not_answered(error: &CallError) -> String {
    match error {
        CallError::Refused(refusal) => refused(refusal),
        CallError::Unreachable(_) => UNREACHABLE.to_owned(),
        CallError::Lost(_) => NO_ANSWER.to_owned(),
    }
}

/// The reply with where the receipts of what it tells can be read.
#[must_use]
pub fn with_receipts(reply: String, links: &[String]) -> String {
    links.iter().fold(reply, |reply, link| format!("{reply}\n\nYour receipt: {link}"))
}

/// Words for an action: what its receipt says, else what its outcome allows.
#[must_use]
pub fn acted(action: &Action) -> String {
    if !action.said.is_empty() {
        return action.said.clone();
    }
    if action.needs.contains(&GrantKind::Customer.into()) {
        return OPEN_THE_LINK.to_owned();
    }
    let sealed = crate::executor::is_sealed(action);
    match action.outcome() {
        Outcome::Applied if sealed => format!("Done. Receipt {}.", action.receipt_id),
        Outcome::NotApplied if sealed => "That did not happen. Nothing was changed.".to_owned(),
        Outcome::Refused => {
            let refusal = Refusal { code: action.code.clone(), ..Refusal::default() };
            refused(&refusal)
        }
        Outcome::Unknown if sealed => {
            "I can't tell whether this went through. A colleague has to check it.".to_owned()
        }
        Outcome::Applied | Outcome::NotApplied | Outcome::Unknown | Outcome::Unspecified => {
            STILL_CHECKED.to_owned()
        }
    }
}

/// Words for a link that the executor sent.
#[must_use]
pub fn link_sent(to: &str) -> String {
    format!(
        "A link is on its way to {to}. Please open it and say yes there. Nothing happens until then."
    )
}

/// Words for a read: the contract's, else its results by their label.
#[must_use]
pub fn read(tool: &ToolSpec, observation: &Observation) -> String {
    if !Guard::ReadWords.is_on() {
        return observation.value_json.clone();
    }
    if !observation.said.is_empty() {
        return observation.said.clone();
    }
    let read = value(observation);
    let list = read.as_object().and_then(|fields| fields.values().find_map(Json::as_array));
    let elements = list.cloned().unwrap_or_else(|| vec![read.clone()]);
    let lines: Vec<String> = elements
        .iter()
        .filter_map(|e| filled(&tool.label, e))
        .map(|l| format!("- {}", shown(&l)))
        .collect();
    match lines.as_slice() {
        [] => "I looked it up, but there is nothing I can show you from it.".to_owned(),
        found => format!("This is what I found:\n{}", found.join("\n")),
    }
}

/// Asks what only the customer can say.
#[must_use]
pub fn ask(question: &Question) -> String {
    let about = question.about.trim_end_matches(['.', '?']);
    if question.candidates.is_empty() {
        return format!("I need one more detail: {}.", lowered(about));
    }
    let options: Vec<String> = question
        .candidates
        .iter()
        .enumerate()
        .map(|(at, c)| format!("{}. {}", at + 1, c.label))
        .collect();
    let all = if question.many && question.candidates.len() > 1 {
        "\nYou can also say \"all of them\"."
    } else {
        ""
    };
    match options.as_slice() {
        [only] => format!("Do you mean this one?\n{only}"),
        several if about.starts_with("Which") => format!("{about}?\n{}{all}", several.join("\n")),
        several => format!("{about}: which one do you mean?\n{}{all}", several.join("\n")),
    }
}

fn lowered(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

/// The question is not for these tools.
#[must_use]
pub fn question(toolbox: &Toolbox) -> String {
    format!("{NOT_ANSWERABLE}{}", abilities(toolbox))
}

/// A page of the house, quoted as it stands.
#[must_use]
pub fn page(found: &Found) -> String {
    format!("From our pages, \u{201c}{}\u{201d} ({}):\n\n{}", found.title, found.source, found.text)
}

/// Asks back.
#[must_use]
pub fn clarify(toolbox: &Toolbox) -> String {
    format!("{NOT_UNDERSTOOD}{}", abilities(toolbox))
}

fn abilities(toolbox: &Toolbox) -> String {
    let each: Vec<String> = toolbox
        .asked_for()
        .take(8)
        .map(|t| format!("- {}", t.summary.trim_end_matches('.')))
        .collect();
    if each.is_empty() {
        String::new()
    } else {
        format!("\nHere is what I can help with:\n{}", each.join("\n"))
    }
}

/// For a person, with what was understood. Why it stopped are words of ours, written in advance:
/// a model's own reasons stay in receipts and logs (NO CLAIM WITHOUT A RECEIPT).
#[must_use]
pub fn escalate(understood: Option<&ToolSpec>, why: &'static str) -> String {
    let mut text = FOR_A_COLLEAGUE.to_owned();
    if let Some(tool) = understood {
        text.push_str(&format!(" What I understood: {}.", tool.in_words()));
    }
    if !why.is_empty() {
        text.push_str(&format!(" Why I stopped: {why}."));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use countersign_proto::v1::ActionState;

    /// An action may have run a message earlier: fixed sentences speak of this
    /// message only.
    #[test]
    fn fixed_sentences_deny_nothing_that_may_have_happened() {
        let toolbox = Toolbox::default();
        for text in [
            clarify(&toolbox),
            question(&toolbox),
            escalate(None, ""),
            DROPPED.into(),
            UNREACHABLE.into(),
            NO_ANSWER.into(),
            PERHAPS_PASSED_ON.into(),
        ] {
            for claim in [
                "othing has been done",
                "othing was changed",
                "othing has been changed",
                "not done anything",
            ] {
                assert!(!text.contains(claim), "{text}");
            }
        }
    }

    #[test]
    fn nothing_is_claimed_before_the_receipt() {
        let mut action = Action { outcome: Outcome::Applied.into(), ..Action::default() };
        action.set_state(ActionState::Verifying);
        assert_eq!(acted(&action), STILL_CHECKED);
        action.set_state(ActionState::Sealed);
        action.receipt_id = "rcp_1".to_owned();
        assert_eq!(acted(&action), "Done. Receipt rcp_1.");
    }

    #[test]
    fn each_receipts_link_stands_apart_from_the_words() {
        let link = "https://yes.shop.example/receipt/rcp_1/x".to_owned();
        let said = "It is cancelled. Receipt rcp_1.".to_owned();
        let action = Action { said: said.clone(), receipt_link: link.clone(), ..Action::default() };
        assert_eq!(acted(&action), said);
        assert_eq!(with_receipts(said.clone(), &[]), said);
        let both = with_receipts(said.clone(), &[link.clone(), "other".to_owned()]);
        assert_eq!(both, format!("{said}\n\nYour receipt: {link}\n\nYour receipt: other"));
    }

    #[test]
    fn unknown_is_neither_success_nor_failure() {
        let mut action = Action { outcome: Outcome::Unknown.into(), ..Action::default() };
        action.set_state(ActionState::Sealed);
        let text = acted(&action);
        assert!(!text.contains("Done") && !text.contains("Nothing was changed"), "{text}");
    }

    #[test]
    fn a_refusal_speaks_the_executors_words_first() {
        let mut refusal = Refusal {
            code: "ORDER_FULFILLED".into(),
            say: "It has shipped.".into(),
            ..Refusal::default()
        };
        assert_eq!(refused(&refusal), "It has shipped.");
        refusal.say.clear();
        assert!(refused(&refusal).contains("ORDER_FULFILLED"));
        let earlier =
            Refusal { receipt_id: Some("rcp_9".into()), ..Refusal::new(Code::AlreadyDone, "") };
        assert!(refused(&earlier).contains("Receipt rcp_9."));
    }
}
