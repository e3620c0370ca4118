-- What is personal is ciphertext under the person's key; subjects, conversations and
-- tickets are keyed digests. No deployment has rows of the older layout.
DROP TABLE journal;
CREATE TABLE journal (
    action_id TEXT NOT NULL,
    seq       INTEGER NOT NULL,
    event     BLOB NOT NULL,
    PRIMARY KEY (action_id, seq)
) STRICT, WITHOUT ROWID;

ALTER TABLE actions ADD COLUMN person TEXT NOT NULL DEFAULT '';
-- Ids of the observations that it points into, with spaces between them.
ALTER TABLE actions ADD COLUMN rests_on TEXT NOT NULL DEFAULT '';
-- 1 once the journal of what was carried out is gone.
ALTER TABLE actions ADD COLUMN erased INTEGER NOT NULL DEFAULT 0;
CREATE INDEX actions_by_person ON actions (person, action_id);

DROP TABLE observations;
CREATE TABLE observations (
    observation_id TEXT PRIMARY KEY,
    tenant         TEXT NOT NULL,
    issuer         TEXT NOT NULL,
    subject        TEXT NOT NULL,
    conversation   TEXT NOT NULL,
    person         TEXT NOT NULL,
    body           BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX observations_by_person ON observations (person);

DROP TABLE matches;
CREATE TABLE matches (
    tenant       TEXT NOT NULL,
    issuer       TEXT NOT NULL,
    subject      TEXT NOT NULL,
    conversation TEXT NOT NULL,
    person       TEXT NOT NULL,
    at           INTEGER NOT NULL, -- seconds since 1970
    body         BLOB NOT NULL,
    PRIMARY KEY (tenant, issuer, subject, conversation)
) STRICT, WITHOUT ROWID;

DROP TABLE escalations;
CREATE TABLE escalations (
    escalation_id TEXT PRIMARY KEY,
    matter        TEXT NOT NULL,
    tenant        TEXT NOT NULL,
    person        TEXT NOT NULL,
    taken_by      TEXT,             -- null while nobody is at it
    closed_by     TEXT,             -- the receipt that ended it; null until then
    body          BLOB NOT NULL,
    seen          BLOB NOT NULL     -- the reads that it rests on, sealed as they were then
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX escalations_open ON escalations (matter) WHERE closed_by IS NULL;
CREATE INDEX escalations_by_person ON escalations (person);

ALTER TABLE leaves ADD COLUMN person TEXT NOT NULL DEFAULT '';

-- What opens the commitments of a leaf.
CREATE TABLE openings (
    receipt_id TEXT PRIMARY KEY,
    person     TEXT NOT NULL,
    body       BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX openings_by_person ON openings (person);

-- Whose data has to stay for now.
CREATE TABLE holds (person TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;

-- Who was erased, and when: done again at each start, whatever keys were brought back.
CREATE TABLE erasures (
    person TEXT PRIMARY KEY,
    at     INTEGER NOT NULL         -- milliseconds since 1970
) STRICT, WITHOUT ROWID;
