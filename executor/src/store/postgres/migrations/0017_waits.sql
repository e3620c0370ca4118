-- How long people were waited for is read from an index alone.
DROP INDEX register_by_vote;
CREATE INDEX register_by_vote ON register (at, idx, tenant) WHERE votes <> '';
CREATE INDEX register_by_wait ON register (at, tenant, waited) WHERE waited IS NOT NULL;
