//! What stands beside the turns, as both stores on disk read it: the same SQL.

/// What conversations cost: from a day on, until another, of one tenant or (empty) of all. A
/// conversation counts on the first of its days.
pub(super) const COSTS: &str = "
    SELECT day, currency, CAST(sum(micros) AS BIGINT), count(*)
    FROM (SELECT min(day) AS day, currency, CAST(sum(micros) AS BIGINT) AS micros
          FROM turns
          WHERE micros IS NOT NULL AND day >= $1 AND day < $2 AND ($3 = '' OR tenant = $3)
          GROUP BY tenant, conversation, currency) AS told
    GROUP BY day, currency ORDER BY day, currency";
