-- Actions by id, with what claims and searches ask for. The journal is the truth;
-- these columns follow from it and change in the same commit.
CREATE TABLE actions (
    action_id    TEXT PRIMARY KEY,
    proposal_id  TEXT NOT NULL UNIQUE,
    tenant       TEXT NOT NULL,
    issuer       TEXT NOT NULL,
    subject      TEXT NOT NULL,
    tool         TEXT NOT NULL,
    intent       TEXT NOT NULL,
    caller       TEXT NOT NULL,
    at           INTEGER NOT NULL,  -- proposed, seconds since 1970
    occasion     INTEGER,           -- null until claimed
    state        TEXT NOT NULL,
    outcome      TEXT,
    receipt_id   TEXT
) STRICT;
CREATE UNIQUE INDEX actions_by_key ON actions (intent, occasion) WHERE occasion IS NOT NULL;
CREATE INDEX actions_unfinished ON actions (state) WHERE state NOT IN ('proposed', 'waiting', 'sealed');
CREATE INDEX actions_open ON actions (tenant, issuer, subject, at)
    WHERE state IN ('proposed', 'waiting');
CREATE INDEX actions_open_by_caller ON actions (caller, at) WHERE state IN ('proposed', 'waiting');
CREATE INDEX actions_waiting ON actions (at) WHERE state = 'waiting';
CREATE INDEX actions_waiting_by_intent ON actions (intent) WHERE state = 'waiting';
CREATE INDEX actions_proposed ON actions (action_id) WHERE state = 'proposed';

CREATE TABLE journal (
    action_id TEXT NOT NULL,
    seq       INTEGER NOT NULL,
    event     TEXT NOT NULL,
    PRIMARY KEY (action_id, seq)
) STRICT, WITHOUT ROWID;

-- Locks outlive the process; they go when the outcome is known.
CREATE TABLE locks (
    object    TEXT PRIMARY KEY,
    action_id TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX locks_by_action ON locks (action_id);

-- What limits add up. Written with the claim; gone again where nothing came of it.
CREATE TABLE spending (
    account   TEXT NOT NULL,
    at        INTEGER NOT NULL,     -- claimed, milliseconds since 1970
    action_id TEXT NOT NULL,
    tool      TEXT NOT NULL,
    currency  TEXT NOT NULL,        -- empty where no money moves
    minor     INTEGER NOT NULL,
    PRIMARY KEY (account, at, action_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX spending_by_action ON spending (action_id);

-- What operators switched off.
CREATE TABLE switches (
    reach TEXT PRIMARY KEY,
    off   TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- What the executor may run with.
CREATE TABLE activated (
    part   TEXT PRIMARY KEY,
    digest TEXT NOT NULL,
    at     TEXT NOT NULL,
    bundle TEXT                     -- the policy's files
) STRICT, WITHOUT ROWID;

CREATE TABLE observations (
    observation_id TEXT PRIMARY KEY,
    tenant         TEXT NOT NULL,
    issuer         TEXT NOT NULL,
    subject        TEXT NOT NULL,
    conversation   TEXT NOT NULL,
    body           TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Tries to match order number and e-mail, by keyless digest; kept for a day.
CREATE TABLE match_tries (
    what TEXT NOT NULL,
    at   INTEGER NOT NULL          -- seconds since 1970
) STRICT;
CREATE INDEX match_tries_by_what ON match_tries (what);
CREATE INDEX match_tries_by_age ON match_tries (at);

-- Asserted subjects that were matched, per conversation; kept for an hour.
CREATE TABLE matches (
    tenant       TEXT NOT NULL,
    issuer       TEXT NOT NULL,
    subject      TEXT NOT NULL,
    conversation TEXT NOT NULL,
    at           INTEGER NOT NULL, -- seconds since 1970
    body         TEXT NOT NULL,
    PRIMARY KEY (tenant, issuer, subject, conversation)
) STRICT, WITHOUT ROWID;

-- The log: leaves, the tree's complete nodes, the newest checkpoint.
CREATE TABLE leaves (
    idx          INTEGER PRIMARY KEY,
    receipt_id   TEXT NOT NULL UNIQUE,
    tenant       TEXT NOT NULL,
    issuer       TEXT NOT NULL,
    subject      TEXT NOT NULL,
    tool         TEXT NOT NULL,
    external_ref TEXT NOT NULL,
    body         BLOB NOT NULL
) STRICT;
CREATE INDEX leaves_by_subject ON leaves (tenant, issuer, subject, idx);
CREATE INDEX leaves_by_ref ON leaves (external_ref, idx) WHERE external_ref <> '';
CREATE TABLE nodes (
    level INTEGER NOT NULL,
    idx   INTEGER NOT NULL,
    hash  BLOB NOT NULL,
    PRIMARY KEY (level, idx)
) STRICT, WITHOUT ROWID;
CREATE TABLE checkpoint (
    one  INTEGER PRIMARY KEY CHECK (one = 1),
    size INTEGER NOT NULL,
    note TEXT NOT NULL
) STRICT;

-- What waits for a person. A receipt opens a row and a receipt closes it, each in its
-- own commit; one open row for one matter.
CREATE TABLE escalations (
    escalation_id TEXT PRIMARY KEY,
    matter        TEXT NOT NULL,
    tenant        TEXT NOT NULL,
    taken_by      TEXT,             -- null while nobody is at it
    closed_by     TEXT,             -- the receipt that ended it; null until then
    body          TEXT NOT NULL,
    seen          TEXT NOT NULL     -- the reads that it rests on, as they were then
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX escalations_open ON escalations (matter) WHERE closed_by IS NULL;
