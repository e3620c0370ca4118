//! What may never happen, said once more and apart from the gates: from the backends'
//! ledger, and from what people really said, saw and signed.

use std::collections::{BTreeMap, BTreeSet};

use super::bank::{Bank, Effect, email};
use super::keys::TENANTS;

const DAY: i64 = 86_400;
/// Cards of one person that may wait at once.
pub const MOST_CARDS: usize = 12;
/// What a reader does not see: a space of no width, and letters that run backwards.
pub const HIDDEN: [char; 2] = ['\u{200b}', '\u{202e}'];

/// Somebody real.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    pub tenant: usize,
    pub sub: String,
    pub customer: String,
    pub orders: Vec<String>,
    pub cancelled: String,
    pub locker: String,
    /// Known to the backend only.
    pub secret: String,
}

impl Person {
    pub fn email(&self) -> String {
        email(&self.customer)
    }
}

/// What a request really was: who was there, if anybody.
#[derive(Clone, Debug)]
pub struct Ask {
    pub who: Option<Person>,
    pub conv: String,
    pub score: f64,
    pub at: i64,
}

/// Words that somebody really said.
#[derive(Clone)]
pub struct Said {
    pub tenant: usize,
    pub sub: String,
    pub conv: String,
    pub text: String,
    pub at: i64,
}

/// A card that somebody really saw and said yes to.
#[derive(Clone)]
pub struct Yes {
    pub by: String,
    pub tenant: usize,
    pub conv: String,
    pub text: String,
    pub proposal: String,
}

/// The people's side of the truth.
#[derive(Default)]
pub struct Oracle {
    pub said: Vec<Said>,
    pub yeses: Vec<Yes>,
    /// Who approved which card, in which role they really hold.
    pub approvals: Vec<(String, &'static [&'static str], String)>,
    /// Lockers that were read, and in which conversation.
    pub seen: BTreeSet<(usize, String, String, String)>,
    /// What each proposal really was asked as.
    pub asks: BTreeMap<String, Ask>,
    /// Seconds for which somebody who signed in counts as there.
    pub sign_in: i64,
    /// An operator switched off what is asked for.
    pub off: bool,
    /// The house has come to look at every tracking, and fin1 has left finance.
    pub stricter: bool,
    spent: Vec<Yes>,
    done: Vec<(Effect, String, i64)>,
}

impl Oracle {
    pub fn new(sign_in: i64) -> Self {
        Self { sign_in, ..Self::default() }
    }

    /// What is wrong with an effect; `by` set it off, `proposal` where there was one.
    pub fn judge(
        &mut self,
        bank: &Bank,
        effect: &Effect,
        ask: &Ask,
        proposal: &str,
        now: i64,
    ) -> Result<(), String> {
        let who = ask.who.as_ref().ok_or("nobody asked for it")?;
        let tenant = TENANTS[who.tenant];
        let is = |ok: bool, why: &str| if ok { Ok(()) } else { Err(format!("{why}: {effect:?}")) };
        is(effect.tenant == tenant && tenant != "west", "another tenant's")?;
        is(effect.owner.as_ref() == Some(&who.customer), "another's order")?;
        is(!self.off, "switched off")?;
        is(effect.status == "paid", "the order is closed")?;
        is(!effect.after_dark, "on an order in doubt")?;
        is(effect.tool != "shop.close", "a tool that only rehearses")?;
        let held = effect.tool == "shop.hold";
        is(held || tenant == "north", "in the south orders are held, and nothing else")?;
        is(effect.minor >= 0, "less than nothing")?;
        let much = effect.tool == "shop.pay_out" && effect.minor > 30_000;
        is(!much, "more than a yes in a chat is good for")?;
        is(!effect.name.contains(HIDDEN), "words that nobody saw")?;
        let done = bank.owner_of(&effect.name);
        is(done.is_none_or(|owner| owner == who.customer), "what came of another's action")?;
        let seen = || self.approvers("support_lead", who, proposal) > 0;
        let strict = self.stricter && effect.tool == "shop.track";
        is(!strict || seen(), "the house has not looked at it")?;
        let floor = if effect.tool == "shop.pay_out" { 0.9 } else { 0.8 };
        is(ask.score >= floor, "not sure enough")?;
        if held {
            self.own_words(bank, effect, ask, who)?;
        } else {
            self.confirmed(effect, ask, who, now)?;
        }
        self.once(effect, who)?;
        self.within(effect, who, proposal, now)
    }

    /// Without a yes, every part is the person's own.
    fn own_words(
        &self,
        bank: &Bank,
        effect: &Effect,
        ask: &Ask,
        who: &Person,
    ) -> Result<(), String> {
        let shape = effect.day.len() == 10 && effect.day.starts_with("2026-");
        let said = self.said.iter().any(|s| {
            s.tenant == who.tenant
                && s.sub == who.sub
                && s.conv == ask.conv
                && (ask.at - s.at).abs() <= 30 * 60
                && s.text.contains(&effect.day)
        });
        let seen = (who.tenant, who.sub.clone(), ask.conv.clone(), effect.locker.clone());
        if !shape || !said {
            return Err(format!("a day that they did not say here and now: {effect:?}"));
        }
        if !bank.rents(TENANTS[who.tenant], &who.customer, &effect.locker) {
            return Err(format!("another's locker: {effect:?}"));
        }
        if !self.seen.contains(&seen) {
            return Err(format!("a locker that was not read in this conversation: {effect:?}"));
        }
        Ok(())
    }

    /// The owner said yes, in this conversation and in time, to a card that shows it all.
    fn confirmed(
        &mut self,
        effect: &Effect,
        ask: &Ask,
        who: &Person,
        now: i64,
    ) -> Result<(), String> {
        let money = format!("{}.{:02}", effect.minor / 100, effect.minor % 100);
        let order = &effect.order;
        let card = match effect.tool.as_str() {
            "shop.refund" => {
                let pieces = effect.minor / effect.price.max(1);
                format!("Refund USD {money} for {pieces} pieces of order {order}?")
            }
            "shop.pay_out" => format!("Pay {money} of order {order} to account {}?", effect.to),
            _ => format!("Track your parcel of order {order}?"),
        };
        let at = self.yeses.iter().position(|yes| {
            yes.by == who.sub
                && yes.tenant == who.tenant
                && yes.conv == ask.conv
                && (yes.text == card || yes.text.starts_with(&format!("{card}\n")))
        });
        let Some(at) = at else { return Err(format!("no yes to `{card}`: {effect:?}")) };
        self.spent.push(self.yeses.remove(at));
        if now - ask.at > DAY.min(self.sign_in) {
            Err(format!("the card was void: {effect:?}"))
        } else {
            Ok(())
        }
    }

    /// The same wish, once more only where the card said so.
    fn once(&self, effect: &Effect, who: &Person) -> Result<(), String> {
        let same = |e: &Effect| {
            (&e.tool, &e.order, e.minor, &e.to, &e.locker, &e.day)
                == (
                    &effect.tool,
                    &effect.order,
                    effect.minor,
                    &effect.to,
                    &effect.locker,
                    &effect.day,
                )
        };
        let before = self.done.iter().any(|(e, sub, _)| *sub == who.sub && same(e));
        let again = self.spent.last().is_some_and(|yes| yes.text.contains("done before"));
        if before && !again { Err(format!("done twice: {effect:?}")) } else { Ok(()) }
    }

    /// The policy's sums and the approvals that the amount calls for.
    fn within(
        &mut self,
        effect: &Effect,
        who: &Person,
        proposal: &str,
        now: i64,
    ) -> Result<(), String> {
        self.done.push((effect.clone(), who.sub.clone(), now));
        let own = |within: i64| {
            let mine = self.done.iter().filter(move |(e, sub, at)| {
                *sub == who.sub && e.tenant == effect.tenant && now - at < within
            });
            mine.map(|(e, ..)| e.minor).collect::<Vec<_>>()
        };
        if own(DAY).iter().sum::<i64>() > 40_000 || own(3600).len() > 8 {
            return Err(format!("more than the limits allow: {effect:?}"));
        }
        let sum: i64 = own(30 * DAY).iter().sum();
        if effect.tool != "shop.refund" || sum <= 5_000 {
            return Ok(());
        }
        let (role, most) = if sum > 15_000 { ("finance", 2) } else { ("support_lead", 1) };
        if self.approvers(role, who, proposal) >= most {
            Ok(())
        } else {
            Err(format!("unapproved: {effect:?}"))
        }
    }

    /// How many persons in this role, who may, really said yes to this card.
    fn approvers(&self, role: &str, who: &Person, proposal: &str) -> usize {
        let in_role = |roles: &[&str]| roles.contains(&role);
        let of_this =
            self.approvals.iter().filter(|(_, roles, on)| in_role(roles) && on == proposal);
        let may = |id: &&String| match id.as_str() {
            "boss" => who.sub != "boss@example.com",
            "fin1" => !self.stricter,
            name => name != "trainee",
        };
        of_this.map(|(id, ..)| id).filter(may).collect::<BTreeSet<_>>().len()
    }

    /// What is wrong with one more card of this person.
    pub fn one_more_card(&self, ask: &Ask) -> Result<(), String> {
        let theirs = |other: &&Ask| other.who == ask.who && ask.at - other.at < DAY;
        let waiting = self.asks.values().filter(theirs).count();
        if waiting < MOST_CARDS { Ok(()) } else { Err(format!("{waiting} cards wait: {ask:?}")) }
    }

    /// What is wrong with answering this person about a proposal.
    pub fn may_touch(&self, who: Option<&Person>, proposal: &str) -> Result<(), String> {
        let asked = self.asks.get(proposal).and_then(|ask| ask.who.as_ref());
        let theirs = asked.is_some() && asked == who;
        if theirs { Ok(()) } else { Err(format!("{proposal} of {asked:?} is shown to {who:?}")) }
    }

    /// What is wrong with showing what this tool read to this person.
    pub fn may_see(&self, who: Option<&Person>, tool: &str) -> Result<(), String> {
        let south = who.is_some_and(|who| TENANTS[who.tenant] == "south");
        let forbidden = tool == "shop.delivery" && south;
        if forbidden { Err(format!("{tool} is shown in the south")) } else { Ok(()) }
    }
}
