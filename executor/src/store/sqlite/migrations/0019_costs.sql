-- What the models of a turn cost, in clear, as planners told it: added up by day. It goes with
-- its turn. An executor that knows of none of these beside this one leaves them empty.
ALTER TABLE turns ADD COLUMN day INTEGER;      -- counted from 1970-01-01, UTC
ALTER TABLE turns ADD COLUMN currency TEXT;    -- none where nothing was priced
ALTER TABLE turns ADD COLUMN micros INTEGER;   -- millionths of the currency
CREATE INDEX turns_by_cost ON turns (day, tenant, person, conversation, currency, micros)
    WHERE micros IS NOT NULL;
