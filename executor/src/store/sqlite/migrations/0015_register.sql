-- One row for each receipt, without a name in it. Follows from the receipt, in its commit;
-- of an erased person only what can be counted is left.
CREATE TABLE register (
    idx          INTEGER PRIMARY KEY,
    receipt_id   TEXT NOT NULL,
    at           INTEGER NOT NULL,     -- sealed, milliseconds since 1970
    tenant       TEXT NOT NULL,
    tool         TEXT NOT NULL,
    outcome      TEXT NOT NULL,
    code         TEXT NOT NULL,
    reason       TEXT NOT NULL,     -- why a person had to look; empty where none had to
    currency     TEXT NOT NULL,     -- empty where no money moves
    minor        INTEGER NOT NULL,
    person       TEXT NOT NULL,     -- keyed digest; empty once they are erased
    channel      TEXT NOT NULL,
    mode         TEXT NOT NULL,
    performed_by TEXT NOT NULL,
    settles      INTEGER NOT NULL,     -- 1 where a person's word settled an earlier receipt
    votes        TEXT NOT NULL,     -- JSON: answers of people of the house; empty for none
    took         INTEGER,              -- from proposal to seal, milliseconds
    waited       INTEGER,              -- from proposal to the last answer, milliseconds
    tokens       INTEGER NOT NULL      -- of the model, read and written
) STRICT;
CREATE INDEX register_by_time ON register (at, outcome);
CREATE INDEX register_by_tenant ON register (tenant, at, tool, outcome, code);
CREATE INDEX register_by_tool ON register (tool, at, outcome, code, tenant);
CREATE INDEX register_by_outcome ON register (outcome, at, tool, tenant);
CREATE INDEX register_by_code ON register (code, at, tenant) WHERE code <> '';
CREATE INDEX register_by_reason ON register (reason, at, tenant) WHERE reason <> '';
CREATE INDEX register_by_money ON register (currency, at, minor, tenant) WHERE currency <> '';
CREATE INDEX register_by_vote ON register (at, tenant, waited) WHERE votes <> '';
CREATE INDEX register_by_person ON register (person) WHERE person <> '';

-- What a row is found by: the first 64 bits of a keyed digest.
CREATE TABLE marks (
    mark INTEGER NOT NULL,
    at   INTEGER NOT NULL,
    idx  INTEGER NOT NULL,
    PRIMARY KEY (mark, at, idx)
) STRICT, WITHOUT ROWID;
CREATE INDEX marks_by_row ON marks (idx);

-- Sums of each day, which erasures leave as they are.
CREATE TABLE days (
    tenant   TEXT NOT NULL,
    day      INTEGER NOT NULL,         -- since 1970-01-01, UTC
    tool     TEXT NOT NULL,
    outcome  TEXT NOT NULL,
    code     TEXT NOT NULL,
    reason   TEXT NOT NULL,
    currency TEXT NOT NULL,
    settles  INTEGER NOT NULL,
    actions   INTEGER NOT NULL,
    minor     INTEGER NOT NULL,
    contained INTEGER NOT NULL,
    approvals INTEGER NOT NULL,
    rejections INTEGER NOT NULL,
    tokens    INTEGER NOT NULL,
    PRIMARY KEY (tenant, day, tool, outcome, code, reason, currency, settles)
) STRICT, WITHOUT ROWID;
CREATE INDEX days_by_day ON days (day);
