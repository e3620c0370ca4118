-- How long people were waited for is read from an index alone: with a condition on another
-- column each row was looked up, a third of a second for a year of a million receipts.
DROP INDEX register_by_vote;
CREATE INDEX register_by_vote ON register (at, tenant) WHERE votes <> '';
CREATE INDEX register_by_wait ON register (at, tenant, waited) WHERE waited IS NOT NULL;
