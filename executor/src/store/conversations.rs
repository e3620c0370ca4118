//! What stands beside the turns, as both stores on disk write and read it: the same SQL, in
//! which values come in the order of their numbers.

use std::ops::Range;

use super::register::Statement;
use crate::conversations::Rating;

/// Adds what a turn cost to the day on which its conversation began, and counts the conversation
/// at its first cost in this currency. A conversation is of whom the token names, a guest also
/// once they are matched. The turn's own row is there.
pub(super) const COST: &str = "
    INSERT INTO cost_days (tenant, day, currency, micros, conversations)
    VALUES ($1, (SELECT day FROM turns
                 WHERE coalesce(guest, person) = $2 AND conversation = $3
                 ORDER BY turn_id LIMIT 1), $4, $5,
            CASE WHEN EXISTS (SELECT 1 FROM turns
                              WHERE coalesce(guest, person) = $2 AND conversation = $3
                                AND currency = $4 AND turn_id <> $6)
                 THEN 0 ELSE 1 END)
    ON CONFLICT (tenant, day, currency) DO UPDATE SET
        micros = cost_days.micros + excluded.micros,
        conversations = cost_days.conversations + excluded.conversations";
/// The first turn that is kept of a conversation, with the score that stands there.
pub(super) const FIRST: &str = "
    SELECT turn_id, score, rated FROM turns
    WHERE coalesce(guest, person) = $1 AND conversation = $2
    ORDER BY turn_id LIMIT 1";
/// Keeps a score and its day.
pub(super) const RATE: &str = "UPDATE turns SET score = $1, rated = $2 WHERE turn_id = $3";
/// Adds a conversation with this score.
const RATED: &str = "
    INSERT INTO rating_days (tenant, day, score, conversations) VALUES ($1, $2, $3, 1)
    ON CONFLICT (tenant, day, score) DO UPDATE SET
        conversations = rating_days.conversations + 1";
/// Takes one away, where one is counted. An executor that knows of no sums kept a score and added
/// nothing: whether this one was counted is not known.
const UNRATED: &str = "
    UPDATE rating_days SET conversations = conversations - 1
    WHERE tenant = $1 AND day = $2 AND score = $3 AND conversations > 0";

/// What a score adds to the sums, and what the earlier one of the conversation takes away; in
/// one order, so that no two that rate wait for each other.
pub(super) fn moved(earlier: Option<Rating>, rating: Rating) -> Vec<(Rating, i64)> {
    let mut all: Vec<_> = earlier.map(|earlier| (earlier, -1)).into_iter().collect();
    all.push((rating, 1));
    all.sort_by_key(|(rating, _)| (rating.day, rating.score));
    all
}

/// What moves a sum by this.
pub(super) const fn moves(count: i64) -> &'static str {
    if count < 0 { UNRATED } else { RATED }
}

impl Statement {
    /// What conversations cost that began on these days.
    pub(super) fn costs(tenant: Option<&String>, days: &Range<i64>) -> Self {
        let sql = "SELECT day, currency, CAST(sum(micros) AS BIGINT), \
                   CAST(sum(conversations) AS BIGINT) FROM cost_days WHERE TRUE";
        let mut query = Self::begin(sql);
        query.of_days(tenant, days);
        query.sql.push_str(" GROUP BY day, currency ORDER BY day, currency");
        query
    }

    /// How conversations were rated on these days.
    pub(super) fn ratings(tenant: Option<&String>, days: &Range<i64>) -> Self {
        let sql = "SELECT day, score, CAST(sum(conversations) AS BIGINT) FROM rating_days \
                   WHERE conversations > 0";
        let mut query = Self::begin(sql);
        query.of_days(tenant, days);
        query.sql.push_str(" GROUP BY day, score ORDER BY day, score");
        query
    }
}
