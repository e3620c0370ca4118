-- How long people were waited for, of one tenant and of all, is read from an index alone.
DROP INDEX register_by_vote;
CREATE INDEX register_by_vote ON register (at, idx, tenant) WHERE votes <> '';
CREATE INDEX register_by_wait ON register (tenant, at, waited) WHERE waited IS NOT NULL;
CREATE INDEX register_by_wait_of_all ON register (at, waited) WHERE waited IS NOT NULL;
