//! Actions that wait for people of the house, by the conditions by which rows are found.
//! They have no receipt and no row: there are few.

use countersign_core::grant::{Parked, Vote};

use super::marks::Marks;
use super::{Mark, Part, Search};

/// Whether a waiting action is among those that are looked for. Nothing that waits has a
/// code, or a reason why a person had to look.
pub(crate) fn waits(search: &Search, parked: &Parked) -> bool {
    let proposal = parked.proposal();
    let part = search.part.is_none_or(|part| match part {
        Part::Answered | Part::Needed => answers(parked).next().is_some(),
        Part::First => true,
        Part::None | Part::Settled | Part::Overrode => false,
    });
    let tenant = &proposal.asked().subject.tenant;
    let marks = marks(parked);
    part && search.tenant.as_ref().is_none_or(|wanted| wanted == tenant)
        && search.of_tool(proposal.tool())
        && search.code.is_none()
        && search.reason.is_none()
        && search.amount.is_none_or(|amount| proposal.money().is_some_and(|it| amount.hold(it)))
        && search.from.is_none_or(|from| proposal.at() >= from)
        && search.to.is_none_or(|to| proposal.at() < to)
        && search.marks.iter().all(|(mark, text)| marks.hold(*mark, text))
}

/// Who of the house has answered already.
fn answers(parked: &Parked) -> impl Iterator<Item = &str> {
    parked.votes().iter().filter_map(|vote| match vote {
        Vote::Confirmed(_) => None,
        Vote::Approved(answer) | Vote::Rejected(answer) => Some(answer.id.as_str()),
    })
}

fn marks(parked: &Parked) -> Marks {
    let (proposal, mut all) = (parked.proposal(), Marks::default());
    let asked = proposal.asked();
    all.add(Mark::Conversation, &asked.conversation);
    all.add(Mark::Ticket, &asked.external_ref);
    let subject = &asked.subject;
    let names = [&subject.id, &subject.signs_as].into_iter().chain(subject.claims.values());
    names.for_each(|name| all.add(Mark::Customer, name));
    answers(parked).for_each(|who| all.add(Mark::Approver, who));
    all.add_values(proposal.arguments().values());
    all.add_values(&proposal.state().to_json());
    all
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use countersign_core::lifecycle::fold;
    use countersign_shared::money::Money;
    use serde_json::json;

    use super::*;
    use crate::register::Amounts;
    use crate::testing::{event, proposed};

    #[test]
    fn what_waits_heeds_each_condition() {
        let mut asked = serde_json::to_value(proposed(1, "i1", "o")).unwrap();
        let proposal = &mut asked["proposed"];
        proposal["arguments"]["values"] = json!({ "order": "gid://shopify/Order/1001" });
        proposal["request"]["subject"]["claims"] = json!({ "email": "Ann@example.com" });
        let usd = "USD".parse().unwrap();
        proposal["money"] = serde_json::to_value(Money::from_minor(5_000, usd)).unwrap();
        let state = fold([event(asked)]).unwrap();
        let parked = state.parked().unwrap();
        let text = |text: &str| Some(text.to_owned());
        let all = Search::default();
        let marked =
            |mark, text: &str| Search { marks: vec![(mark, text.to_owned())], ..Search::default() };
        let amount = |least, most| Some(Amounts { currency: usd, least, most });
        let at = parked.proposal().at();
        let later = Some(at + std::time::Duration::from_secs(1));
        for (search, is) in [
            (all.clone(), true),
            (Search { tenant: text("t"), ..all.clone() }, true),
            (Search { tenant: text("u"), ..all.clone() }, false),
            (Search { tool: text("p.*"), ..all.clone() }, true),
            (Search { tool: text("q.*"), ..all.clone() }, false),
            (Search { code: text("RULE_ERROR"), ..all.clone() }, false),
            (Search { reason: text("in_doubt"), ..all.clone() }, false),
            (Search { amount: amount(5_000, 5_000), ..all.clone() }, true),
            (Search { amount: amount(5_001, 9_000), ..all.clone() }, false),
            (Search { from: Some(at), ..all.clone() }, true),
            (Search { from: later, ..all.clone() }, false),
            (Search { to: Some(at), ..all.clone() }, false),
            (Search { to: later, ..all.clone() }, true),
            (Search { part: Some(Part::Answered), ..all.clone() }, false),
            (Search { part: Some(Part::First), ..all.clone() }, true),
            (marked(Mark::Customer, "ann@EXAMPLE.com"), true),
            (marked(Mark::Customer, "ben@example.com"), false),
            (marked(Mark::Conversation, "c"), true),
            (marked(Mark::Ticket, "T-1"), false),
            (marked(Mark::Value, "gid://shopify/Order/1001"), true),
            (marked(Mark::Value, "1002"), false),
            (marked(Mark::Approver, "anna"), false),
        ] {
            assert_eq!(waits(&search, parked), is, "{search:?}");
        }
    }
}
