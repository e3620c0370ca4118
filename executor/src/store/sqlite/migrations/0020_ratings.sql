-- How a conversation was rated, as a frontend says: it stands at the first turn of the
-- conversation that is kept, and goes with it.
ALTER TABLE turns ADD COLUMN score INTEGER;   -- 1 to 5
ALTER TABLE turns ADD COLUMN rated INTEGER;   -- the day, counted from 1970-01-01, UTC
CREATE INDEX turns_by_rating ON turns (rated, tenant, score) WHERE score IS NOT NULL;
