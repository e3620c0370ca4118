-- One row for each receipt, without a name in it. Follows from the receipt, in its commit;
-- of an erased person only what can be counted is left.
CREATE TABLE register (
    idx          BIGINT PRIMARY KEY,
    receipt_id   TEXT COLLATE "C" NOT NULL,
    at           BIGINT NOT NULL,     -- sealed, milliseconds since 1970
    tenant       TEXT COLLATE "C" NOT NULL,
    tool         TEXT COLLATE "C" NOT NULL,
    outcome      TEXT COLLATE "C" NOT NULL,
    code         TEXT COLLATE "C" NOT NULL,
    reason       TEXT COLLATE "C" NOT NULL,     -- why a person had to look; empty where none had to
    currency     TEXT COLLATE "C" NOT NULL,     -- empty where no money moves
    minor        BIGINT NOT NULL,
    person       TEXT COLLATE "C" NOT NULL,     -- keyed digest; empty once they are erased
    channel      TEXT COLLATE "C" NOT NULL,
    mode         TEXT COLLATE "C" NOT NULL,
    performed_by TEXT COLLATE "C" NOT NULL,
    settles      BIGINT NOT NULL,     -- 1 where a person's word settled an earlier receipt
    votes        TEXT COLLATE "C" NOT NULL,     -- JSON: answers of people of the house; empty for none
    took         BIGINT,              -- from proposal to seal, milliseconds
    waited       BIGINT,              -- from proposal to the last answer, milliseconds
    tokens       BIGINT NOT NULL      -- of the model, read and written
);
CREATE INDEX register_by_time ON register (at, idx, outcome);
CREATE INDEX register_by_tenant ON register (tenant, at, idx, tool, outcome, code);
CREATE INDEX register_by_tool ON register (tool, at, idx, outcome, code, tenant);
CREATE INDEX register_by_outcome ON register (outcome, at, idx, tool, tenant);
CREATE INDEX register_by_code ON register (code, at, idx, tenant) WHERE code <> '';
CREATE INDEX register_by_reason ON register (reason, at, idx, tenant) WHERE reason <> '';
CREATE INDEX register_by_money ON register (currency, at, idx, minor, tenant) WHERE currency <> '';
CREATE INDEX register_by_vote ON register (at, idx, tenant, waited) WHERE votes <> '';
CREATE INDEX register_by_person ON register (person) WHERE person <> '';

-- What a row is found by: the first 64 bits of a keyed digest.
CREATE TABLE marks (
    mark BIGINT NOT NULL,
    at   BIGINT NOT NULL,
    idx  BIGINT NOT NULL,
    PRIMARY KEY (mark, at, idx)
);
CREATE INDEX marks_by_row ON marks (idx);

-- Sums of each day, which erasures leave as they are.
CREATE TABLE days (
    tenant   TEXT COLLATE "C" NOT NULL,
    day      BIGINT NOT NULL,         -- since 1970-01-01, UTC
    tool     TEXT COLLATE "C" NOT NULL,
    outcome  TEXT COLLATE "C" NOT NULL,
    code     TEXT COLLATE "C" NOT NULL,
    reason   TEXT COLLATE "C" NOT NULL,
    currency TEXT COLLATE "C" NOT NULL,
    settles  BIGINT NOT NULL,
    actions   BIGINT NOT NULL,
    minor     BIGINT NOT NULL,
    contained BIGINT NOT NULL,
    approvals BIGINT NOT NULL,
    rejections BIGINT NOT NULL,
    tokens    BIGINT NOT NULL,
    PRIMARY KEY (tenant, day, tool, outcome, code, reason, currency, settles)
);
CREATE INDEX days_by_day ON days (day);
