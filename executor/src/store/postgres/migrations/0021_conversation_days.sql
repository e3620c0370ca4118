-- What conversations cost and how they were rated, as sums of each day: a year of turns is too
-- many to be added up at each look. They are written with the turn and with the score, and no
-- row says whose they are, so erasures leave them. A conversation counts on the day on which it
-- began, with all that it cost. An executor that knows of none of these beside this one adds
-- nothing to them.
CREATE TABLE cost_days (
    tenant        TEXT COLLATE "C" NOT NULL,
    day           BIGINT NOT NULL,    -- on which they began, counted from 1970-01-01, UTC
    currency      TEXT COLLATE "C" NOT NULL,
    micros        BIGINT NOT NULL,    -- millionths of the currency
    conversations BIGINT NOT NULL,
    PRIMARY KEY (tenant, day, currency)
);
CREATE INDEX cost_days_by_day ON cost_days (day);
CREATE TABLE rating_days (
    tenant        TEXT COLLATE "C" NOT NULL,
    day           BIGINT NOT NULL,    -- on which they were rated
    score         BIGINT NOT NULL,    -- 1 to 5
    conversations BIGINT NOT NULL,
    PRIMARY KEY (tenant, day, score)
);
CREATE INDEX rating_days_by_day ON rating_days (day);
INSERT INTO cost_days (tenant, day, currency, micros, conversations)
SELECT tenant, began, currency, sum(micros), count(*)
FROM (SELECT tenant, currency, sum(micros) AS micros,
             (SELECT min(day) FROM turns AS each
              WHERE each.person = told.person AND each.conversation = told.conversation) AS began
      FROM turns AS told
      WHERE micros IS NOT NULL
      GROUP BY tenant, person, conversation, currency) AS conversations
GROUP BY tenant, began, currency;
INSERT INTO rating_days (tenant, day, score, conversations)
SELECT tenant, rated, score, count(*) FROM turns WHERE score IS NOT NULL
GROUP BY tenant, rated, score;
DROP INDEX turns_by_cost;
DROP INDEX turns_by_rating;
