-- Everything that executors share. Only what any PostgreSQL-compatible server runs: row
-- locks and unique constraints, no triggers, no procedures, no advisory locks.
-- Text sorts by its bytes, whatever the database was made with: ids sort by their time.

-- Running executors, a row each. The generation fences: who has none writes nothing.
CREATE TABLE executors (
    generation BIGSERIAL PRIMARY KEY,
    name       TEXT COLLATE "C" NOT NULL,        -- of its state folder
    expires_at TIMESTAMPTZ NOT NULL, -- unless renewed
    quiet_ms   BIGINT NOT NULL,      -- its longest request
    probed_at  TIMESTAMPTZ           -- last write that was only to see whether writes hold
);

-- Keys that are taken and not yet in the journal.
CREATE TABLE claims (
    action_id TEXT COLLATE "C" PRIMARY KEY,
    intent    TEXT COLLATE "C" NOT NULL UNIQUE,
    holder    BIGINT NOT NULL
);
CREATE INDEX claims_by_holder ON claims (holder);

-- Rows to lock while the sums on these accounts are read and added to.
CREATE TABLE accounts (account TEXT COLLATE "C" PRIMARY KEY);

-- Actions by id, with what claims and searches ask for. The journal is the truth; these
-- columns follow from it and change in the same commit.
CREATE TABLE actions (
    action_id    TEXT COLLATE "C" PRIMARY KEY,
    proposal_id  TEXT COLLATE "C" NOT NULL UNIQUE,
    tenant       TEXT COLLATE "C" NOT NULL,
    issuer       TEXT COLLATE "C" NOT NULL,
    subject      TEXT COLLATE "C" NOT NULL,
    tool         TEXT COLLATE "C" NOT NULL,
    intent       TEXT COLLATE "C" NOT NULL,
    caller       TEXT COLLATE "C" NOT NULL,
    at           BIGINT NOT NULL,  -- proposed, seconds since 1970
    occasion     BIGINT,           -- null until claimed
    state        TEXT COLLATE "C" NOT NULL,
    outcome      TEXT COLLATE "C",
    receipt_id   TEXT COLLATE "C",
    holder       BIGINT             -- the generation that carries it; null before and after
);
CREATE INDEX actions_by_holder ON actions (holder) WHERE holder IS NOT NULL;
CREATE UNIQUE INDEX actions_by_key ON actions (intent, occasion) WHERE occasion IS NOT NULL;
CREATE INDEX actions_unfinished ON actions (state) WHERE state NOT IN ('proposed', 'waiting', 'sealed');
CREATE INDEX actions_open ON actions (tenant, issuer, subject, at)
    WHERE state IN ('proposed', 'waiting');
CREATE INDEX actions_open_by_caller ON actions (caller, at) WHERE state IN ('proposed', 'waiting');
CREATE INDEX actions_waiting ON actions (at) WHERE state = 'waiting';
CREATE INDEX actions_waiting_by_intent ON actions (intent) WHERE state = 'waiting';
CREATE INDEX actions_proposed ON actions (action_id) WHERE state = 'proposed';

CREATE TABLE journal (
    action_id TEXT COLLATE "C" NOT NULL,
    seq       BIGINT NOT NULL,
    event     TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (action_id, seq)
);

-- Taken with the claim; they outlive the process and go when the outcome is known.
CREATE TABLE locks (
    object    TEXT COLLATE "C" PRIMARY KEY,
    action_id TEXT COLLATE "C" NOT NULL
);
CREATE INDEX locks_by_action ON locks (action_id);

-- What limits add up. Written with the claim; gone again where nothing came of it.
CREATE TABLE spending (
    account   TEXT COLLATE "C" NOT NULL,
    at        BIGINT NOT NULL,     -- claimed, milliseconds since 1970
    action_id TEXT COLLATE "C" NOT NULL,
    tool      TEXT COLLATE "C" NOT NULL,
    currency  TEXT COLLATE "C" NOT NULL,        -- empty where no money moves
    minor     BIGINT NOT NULL,
    PRIMARY KEY (account, at, action_id)
);
CREATE INDEX spending_by_action ON spending (action_id);

-- What operators switched off.
CREATE TABLE switches (
    reach TEXT COLLATE "C" PRIMARY KEY,
    off   TEXT COLLATE "C" NOT NULL
);

-- What the executor may run with.
CREATE TABLE activated (
    part   TEXT COLLATE "C" PRIMARY KEY,
    digest TEXT COLLATE "C" NOT NULL,
    at     TEXT COLLATE "C" NOT NULL,
    bundle TEXT COLLATE "C"                     -- the policy's files
);

CREATE TABLE observations (
    observation_id TEXT COLLATE "C" PRIMARY KEY,
    tenant         TEXT COLLATE "C" NOT NULL,
    issuer         TEXT COLLATE "C" NOT NULL,
    subject        TEXT COLLATE "C" NOT NULL,
    conversation   TEXT COLLATE "C" NOT NULL,
    body           TEXT COLLATE "C" NOT NULL
);

-- Tries to match order number and e-mail, by keyless digest; kept for a day.
CREATE TABLE match_tries (
    what TEXT COLLATE "C" NOT NULL,
    slot BIGINT NOT NULL,          -- one of as many as are allowed
    at   BIGINT NOT NULL,          -- seconds since 1970
    PRIMARY KEY (what, slot)
);
CREATE INDEX match_tries_by_age ON match_tries (at);

-- Asserted subjects that were matched, per conversation; kept for an hour.
CREATE TABLE matches (
    tenant       TEXT COLLATE "C" NOT NULL,
    issuer       TEXT COLLATE "C" NOT NULL,
    subject      TEXT COLLATE "C" NOT NULL,
    conversation TEXT COLLATE "C" NOT NULL,
    at           BIGINT NOT NULL, -- seconds since 1970
    body         TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant, issuer, subject, conversation)
);

-- The log: leaves, and the tree's complete nodes.
CREATE TABLE leaves (
    idx          BIGINT PRIMARY KEY,
    receipt_id   TEXT COLLATE "C" NOT NULL UNIQUE,
    tenant       TEXT COLLATE "C" NOT NULL,
    issuer       TEXT COLLATE "C" NOT NULL,
    subject      TEXT COLLATE "C" NOT NULL,
    tool         TEXT COLLATE "C" NOT NULL,
    external_ref TEXT COLLATE "C" NOT NULL,
    body         BYTEA NOT NULL
);
CREATE INDEX leaves_by_subject ON leaves (tenant, issuer, subject, idx);
CREATE INDEX leaves_by_ref ON leaves (external_ref, idx) WHERE external_ref <> '';
CREATE TABLE nodes (
    level SMALLINT NOT NULL,
    idx   BIGINT NOT NULL,
    hash  BYTEA NOT NULL,
    PRIMARY KEY (level, idx)
);

-- The sequencer's seat: whoever seals locks this row.
CREATE TABLE tree (
    one  INT PRIMARY KEY CHECK (one = 1),
    size BIGINT NOT NULL,
    edge BYTEA NOT NULL,            -- hashes of the complete subtrees, the largest first
    root BYTEA NOT NULL,
    note TEXT COLLATE "C" NOT NULL              -- the signed checkpoint; empty for an empty log
);
INSERT INTO tree (one, size, edge, root, note) VALUES (1, 0, '',
    '\xe3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855', '');

-- What waits for a person. A receipt opens a row and a receipt closes it, each in its
-- own commit; one open row for one matter.
CREATE TABLE escalations (
    escalation_id TEXT COLLATE "C" PRIMARY KEY,
    matter        TEXT COLLATE "C" NOT NULL,
    tenant        TEXT COLLATE "C" NOT NULL,
    taken_by      TEXT COLLATE "C",             -- null while nobody is at it
    closed_by     TEXT COLLATE "C",             -- the receipt that ended it; null until then
    body          TEXT COLLATE "C" NOT NULL,
    seen          TEXT COLLATE "C" NOT NULL     -- the reads that it rests on, as they were then
);
CREATE UNIQUE INDEX escalations_open ON escalations (matter) WHERE closed_by IS NULL;
