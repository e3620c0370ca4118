//! What a hostile planner tries: each attempt is rightful but for one thing, so that
//! one gate has to stop it.

mod evidence;
mod guests;
mod identity;
mod rules;
mod yeses;

use countersign_core::gates::Gate;
use serde_json::{Value as Json, json};

use super::keys::ABROAD;
use super::oracle::Person;
use super::scene::Scene;

const YEAR: i64 = 365 * 86_400;

impl Scene<'_> {
    fn cast(&self, at: usize) -> Person {
        self.people[at].clone()
    }

    /// Tries to get past one gate.
    pub async fn attempt(&mut self, gate: Gate) {
        match gate {
            Gate::Caller => self.look_at_what_waits().await,
            Gate::Signature => self.forged().await,
            Gate::ForThisExecutor => self.with_another_statement(for_a_newsletter).await,
            Gate::SignedInTime => self.with_an_old_token().await,
            Gate::FrontendTenant => self.with_words_of(2).await,
            Gate::TokenKind => self.with_another_statement(of_a_logout).await,
            Gate::TokenEnds => self.with_another_statement(without_an_end).await,
            Gate::PlannerTenant => self.for_a_tenant_of_others().await,
            Gate::Strength => self.hardly_known().await,
            Gate::Audience => self.read_another_ones_order("shop.look_up").await,
            Gate::SubjectAge => self.long_after_the_sign_in().await,
            Gate::MatchWords => self.matched_by_made_up_words().await,
            Gate::MatchEmail => self.matched_by_another_email().await,
            Gate::MatchTries => self.matched_by_guessing().await,
            Gate::MatchPerson => self.matched_as_somebody_else().await,
            Gate::MatchConversation => self.matched_in_another_conversation().await,
            Gate::MatchLives => self.matched_long_ago().await,
            Gate::WordsText => self.with_altered_words().await,
            Gate::WordsPerson => self.with_words_of(1).await,
            Gate::WordsConversation => self.with_words_of_another_conversation().await,
            Gate::WordsFresh => self.with_old_words().await,
            Gate::PlainWords => self.with_hidden_words().await,
            Gate::Listed => self.name_an_unlisted_tool().await,
            Gate::Source => self.with_a_typed_day().await,
            Gate::Schema => self.with_no_day_at_all().await,
            Gate::EvidencePerson => self.with_another_ones_evidence().await,
            Gate::EvidenceConversation => self.with_a_locker_of_another_conversation().await,
            Gate::JournalPerson => self.with_another_ones_proposal().await,
            Gate::ReceiptPerson => self.read_another_ones_receipts().await,
            Gate::ReadOwner => self.read_another_ones_order("shop.get_order").await,
            Gate::WriteOwner => self.write_another_ones_order().await,
            Gate::Amount => self.for_less_than_nothing().await,
            Gate::Require => self.on_a_cancelled_order().await,
            Gate::Confidence => self.unsure().await,
            Gate::Open => self.with_a_flood_of_cards().await,
            Gate::Activated => self.with_a_pack_that_nobody_activated().await,
            Gate::Switch => self.what_is_switched_off().await,
            Gate::PolicyRead => self.read_what_the_policy_forbids().await,
            Gate::PolicyPropose => self.in_the_south("shop.track").await,
            Gate::PolicyConfirm => self.with_a_yes_to_too_much().await,
            Gate::PolicyApprove => self.approved(6, &[("trainee", "support_lead")], 0).await,
            Gate::PolicyExecute => self.in_the_south("shop.refund").await,
            Gate::Shadow => self.what_only_rehearses().await,
            Gate::Mode => self.after_the_mode_became_stricter().await,
            Gate::Contract => self.after_the_contract_changed().await,
            Gate::Unchanged => self.after_the_price_changed().await,
            Gate::Alive => self.with_a_void_card().await,
            Gate::YesPerson => self.with_another_ones_yes().await,
            Gate::YesConversation => self.with_a_yes_of_another_conversation().await,
            Gate::YesCard => self.with_a_yes_to_another_card().await,
            Gate::Needs => self.without_a_yes().await,
            Gate::ApprovalCard => self.with_an_approval_of_another_card().await,
            Gate::ApproverRole => self.approved(6, &[("clerk", "support_lead")], 0).await,
            Gate::ApproverTenant => self.approved(6, &[(ABROAD, "support_lead")], 0).await,
            Gate::OwnRequest => self.approved(6, &[("boss", "support_lead")], 4).await,
            Gate::OneVote => {
                self.approved(16, &[("fin1", "finance"), ("fin1", "finance")], 0).await
            }
            Gate::StillCounts => self.after_an_approver_left().await,
            Gate::Occasion => self.twice().await,
            Gate::Lock => self.on_an_order_in_doubt().await,
            Gate::Limits => self.more_than_is_allowed().await,
            Gate::Thresholds => self.approved(6, &[], 0).await,
            Gate::Recount => self.small_ones_one_after_the_other().await,
        }
    }
}

fn for_a_newsletter(claims: &mut Json) {
    claims["aud"] = json!("newsletter");
}

fn of_a_logout(claims: &mut Json) {
    claims["typ"] = json!("Logout");
}

/// Of last year, and good for ever.
fn without_an_end(claims: &mut Json) {
    let issued = claims["iat"].as_i64().unwrap();
    claims["iat"] = json!(issued - YEAR);
    claims.as_object_mut().unwrap().remove("exp");
}
