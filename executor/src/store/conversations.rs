//! What stands beside the turns, as both stores on disk write and read it: the same SQL, in
//! which values come in the order of their numbers.

/// What conversations cost: from a day on, until another, of one tenant or (empty) of all. A
/// conversation, which is one person's, counts on the first of its days.
pub(super) const COSTS: &str = "
    SELECT day, currency, CAST(sum(micros) AS BIGINT), count(*)
    FROM (SELECT min(day) AS day, currency, CAST(sum(micros) AS BIGINT) AS micros
          FROM turns
          WHERE micros IS NOT NULL AND day >= $1 AND day < $2 AND ($3 = '' OR tenant = $3)
          GROUP BY tenant, person, conversation, currency) AS told
    GROUP BY day, currency ORDER BY day, currency";
/// Keeps a score and its day, of a person and a conversation.
pub(super) const RATE: &str = "
    UPDATE turns SET score = $1, rated = $2 WHERE turn_id = (
        SELECT min(turn_id) FROM turns WHERE person = $3 AND conversation = $4)";
/// How conversations were rated: from a day on, until another, of one tenant or (empty) of all.
pub(super) const RATINGS: &str = "
    SELECT rated, score, count(*) FROM turns
    WHERE score IS NOT NULL AND rated >= $1 AND rated < $2 AND ($3 = '' OR tenant = $3)
    GROUP BY rated, score ORDER BY rated, score";
