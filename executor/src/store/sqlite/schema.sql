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
    occasion     INTEGER,           -- null until claimed
    state        TEXT NOT NULL,
    outcome      TEXT,
    receipt_id   TEXT
) STRICT;
CREATE UNIQUE INDEX actions_by_key ON actions (intent, occasion) WHERE occasion IS NOT NULL;
CREATE INDEX actions_unfinished ON actions (state) WHERE state NOT IN ('proposed', 'sealed');
CREATE INDEX actions_waiting ON actions (action_id) WHERE state = 'proposed';

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

CREATE TABLE observations (
    observation_id TEXT PRIMARY KEY,
    tenant         TEXT NOT NULL,
    issuer         TEXT NOT NULL,
    subject        TEXT NOT NULL,
    conversation   TEXT NOT NULL,
    body           TEXT NOT NULL
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
