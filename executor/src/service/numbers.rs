//! One action step by step, and all of them added up.

use std::collections::BTreeMap;
use std::ops::Range;

use countersign_proto::v1;
use countersign_shared::codes::Code;
use countersign_shared::money::Money;
use countersign_shared::refusal::Refusal;
use jiff::{SignedDuration, Timestamp};
use tonic::Status;

use super::audit::{failed, proof};
use super::search::time;
use crate::analytics::{self, Analytics, Asked, Bucket, Sums, Width};
use crate::conversations::{Rated, Spent, amount, hundredths};
use crate::desk::Desk;
use crate::ports::SealedReceipt;
use crate::register::begin_of;
use crate::review;
use crate::timeline::{self, Moment};

/// Days that are added up where nobody says from when.
const DAYS: i64 = 7;
/// Most days that are added up at once.
const MOST_DAYS: i64 = 3 * 366;

pub(super) async fn timeline(
    desk: &Desk,
    sealed: SealedReceipt,
) -> Result<v1::GetTimelineResponse, Status> {
    let receipt = sealed.open().map_err(|e| failed(&e))?;
    let moments = timeline::of(&receipt, sealed.index);
    Ok(v1::GetTimelineResponse {
        steps: moments.into_iter().map(step).collect(),
        receipt_id: sealed.id.to_string(),
        leaf_index: sealed.index,
        tlog_proof: proof(desk, sealed.index).await?,
    })
}

fn step(moment: Moment) -> v1::TimelineStep {
    let line = |(name, text)| v1::TimelineLine { name, text };
    v1::TimelineStep {
        name: moment.step.name().to_owned(),
        at: moment.at.map_or(0, Timestamp::as_millisecond),
        lines: moment.lines.into_iter().map(line).collect(),
    }
}

pub(super) async fn analytics(
    desk: &Desk,
    asked: v1::AnalyticsRequest,
) -> Result<v1::AnalyticsResponse, Status> {
    let now = desk.pipeline.clock.now();
    let days = days(time(asked.from)?, time(asked.to)?, now);
    if days.is_empty() || days.end.saturating_sub(days.start) > MOST_DAYS {
        let message = format!("name a time of one to {MOST_DAYS} days");
        return Err(Refusal::new(Code::ArgumentInvalid, message).into_status());
    }
    let tenant = Some(asked.tenant).filter(|tenant| !tenant.is_empty());
    let width = if asked.weekly { Width::Week } else { Width::Day };
    let asked = Asked { tenant, days, width };
    let all = analytics::read(&*desk.pipeline.store, &asked).await.map_err(|e| failed(&e))?;
    Ok(shown(&all, asked.days.start))
}

/// Today is one of them where nobody says until when.
fn days(from: Option<Timestamp>, to: Option<Timestamp>, now: Timestamp) -> Range<i64> {
    let to = to.unwrap_or(now);
    let back = SignedDuration::from_hours(24 * (DAYS - 1));
    analytics::days(from.unwrap_or_else(|| to.saturating_sub(back).unwrap_or(to)), to)
}

fn shown(all: &Analytics, begins: i64) -> v1::AnalyticsResponse {
    let count = |(name, count): &(String, i64)| named(name, *count);
    let error = |e: &analytics::Errors| v1::AnalyticsErrors {
        connector: e.connector.clone(),
        unknown: e.unknown,
        not_applied: e.not_applied,
    };
    let moved = |m: &analytics::Moved| v1::AnalyticsMoved {
        tool: m.tool.clone(),
        currency: m.sum.currency().code().to_owned(),
        amount: m.sum.amount().to_string(),
        actions: m.actions,
    };
    v1::AnalyticsResponse {
        total: Some(sums(begins, &all.total, (&all.costs, all.rated))),
        buckets: all.buckets.iter().map(|(day, of)| bucket(*day, of)).collect(),
        reasons: all.reasons.iter().map(count).collect(),
        refusals: all.refusals.iter().map(count).collect(),
        errors: all.errors.iter().map(error).collect(),
        moved: all.moved.iter().map(moved).collect(),
        waited: u64::try_from(all.waits.actions).unwrap_or(u64::MAX),
        wait_median_ms: all.waits.median,
        wait_p90_ms: all.waits.p90,
    }
}

/// What makes a course stands in each bucket.
fn bucket(day: i64, of: &Bucket) -> v1::AnalyticsSums {
    let counts = |all: &BTreeMap<String, i64>| {
        all.iter().map(|(name, count)| named(name, *count)).collect::<Vec<_>>()
    };
    let money = |(currency, minor): (&String, &i64)| {
        let sum = Money::from_minor(*minor, currency.parse().ok()?);
        Some(v1::AnalyticsMoney { currency: currency.clone(), amount: sum.amount().to_string() })
    };
    v1::AnalyticsSums {
        reasons: counts(&of.reasons),
        refusals: counts(&of.refusals),
        moved: of.moved.iter().filter_map(money).collect(),
        waited: u64::try_from(of.waits.actions).unwrap_or(u64::MAX),
        wait_median_ms: of.waits.median,
        wait_p90_ms: of.waits.p90,
        ..sums(day, &of.sums, (&of.costs, of.rated))
    }
}

fn named(name: &str, count: i64) -> v1::AnalyticsCount {
    v1::AnalyticsCount { name: name.to_owned(), count }
}

fn sums(
    day: i64,
    sums: &Sums,
    (costs, rated): (&BTreeMap<String, Spent>, Rated),
) -> v1::AnalyticsSums {
    let cost = |(currency, spent): (&String, &Spent)| v1::AnalyticsCost {
        currency: currency.clone(),
        amount: amount(spent.micros),
        conversations: spent.conversations,
        each: amount(spent.each()),
    };
    v1::AnalyticsSums {
        begins: begin_of(day).as_second(),
        actions: sums.actions,
        contained: sums.contained,
        applied: sums.applied,
        not_applied: sums.not_applied,
        unknown: sums.unknown,
        refused: sums.refused,
        approvals: sums.approvals,
        rejections: sums.rejections,
        by_hand: sums.by_hand,
        tokens: sums.tokens,
        costs: costs.iter().map(cost).collect(),
        ratings: Some(v1::AnalyticsRatings {
            count: rated.count,
            mean: if rated.count == 0 { String::new() } else { hundredths(rated.mean()) },
            high: rated.high,
        }),
        ..v1::AnalyticsSums::default()
    }
}

pub(super) async fn review(
    desk: &Desk,
    asked: v1::ReviewRequest,
) -> Result<v1::ReviewResponse, Status> {
    let week = review::Week::read(&asked.week).ok_or_else(|| {
        let message = "name the week as ISO 8601 does, such as 2026-W47";
        Refusal::new(Code::ArgumentInvalid, message).into_status()
    })?;
    let tenant = Some(asked.tenant).filter(|tenant| !tenant.is_empty());
    let read = review::read(&*desk.pipeline.store, tenant, week).await;
    let review = read.map_err(|e| failed(&e))?;
    Ok(v1::ReviewResponse { markdown: review::markdown(&review, &desk.origin) })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::analytics::Waits;

    #[test]
    fn each_bucket_has_what_its_course_is_drawn_from() {
        let counts = |name: &str, count| BTreeMap::from([(name.to_owned(), count)]);
        let bucket = Bucket {
            reasons: counts("in_doubt", 1),
            refusals: counts("RULE_ERROR", 2),
            moved: counts("USD", 12_350),
            waits: Waits { actions: 2, median: 5, p90: 9 },
            ..Bucket::default()
        };
        let all = Analytics { buckets: vec![(20_773, bucket)], ..Analytics::default() };
        let told = shown(&all, 20_773).buckets.remove(0);
        assert_eq!(told.begins, 20_773 * 24 * 60 * 60);
        assert_eq!(told.reasons, [named("in_doubt", 1)]);
        assert_eq!(told.refusals, [named("RULE_ERROR", 2)]);
        let usd = v1::AnalyticsMoney { currency: "USD".to_owned(), amount: "123.50".to_owned() };
        assert_eq!(told.moved, [usd]);
        assert_eq!((told.waited, told.wait_median_ms, told.wait_p90_ms), (2, 5, 9));
    }

    #[test]
    fn a_week_has_seven_days() {
        let now: Timestamp = "2026-11-22T09:00:00Z".parse().unwrap();
        let week = days(None, None, now);
        assert_eq!(week.end - week.start, 7);
        assert_eq!(begin_of(week.start).to_string(), "2026-11-16T00:00:00Z");
        let until = days(None, Some(begin_of(week.start)), now);
        assert_eq!((until.end - until.start, until.end), (7, week.start + 1));
    }
}
