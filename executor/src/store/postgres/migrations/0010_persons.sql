-- What is personal is ciphertext under the person's key; subjects, conversations and
-- tickets are keyed digests. No deployment has rows of the older layout.
DROP TABLE journal;
CREATE TABLE journal (
    action_id TEXT COLLATE "C" NOT NULL,
    seq       BIGINT NOT NULL,
    event     BYTEA NOT NULL,
    PRIMARY KEY (action_id, seq)
);

ALTER TABLE actions ADD COLUMN person TEXT COLLATE "C" NOT NULL DEFAULT '';
-- Ids of the observations that it points into, with spaces between them.
ALTER TABLE actions ADD COLUMN rests_on TEXT COLLATE "C" NOT NULL DEFAULT '';
-- True once the journal of what was carried out is gone.
ALTER TABLE actions ADD COLUMN erased BOOLEAN NOT NULL DEFAULT FALSE;
CREATE INDEX actions_by_person ON actions (person, action_id);

DROP TABLE observations;
CREATE TABLE observations (
    observation_id TEXT COLLATE "C" PRIMARY KEY,
    tenant         TEXT COLLATE "C" NOT NULL,
    issuer         TEXT COLLATE "C" NOT NULL,
    subject        TEXT COLLATE "C" NOT NULL,
    conversation   TEXT COLLATE "C" NOT NULL,
    person         TEXT COLLATE "C" NOT NULL,
    body           BYTEA NOT NULL
);
CREATE INDEX observations_by_person ON observations (person);

DROP TABLE matches;
CREATE TABLE matches (
    tenant       TEXT COLLATE "C" NOT NULL,
    issuer       TEXT COLLATE "C" NOT NULL,
    subject      TEXT COLLATE "C" NOT NULL,
    conversation TEXT COLLATE "C" NOT NULL,
    person       TEXT COLLATE "C" NOT NULL,
    at           BIGINT NOT NULL, -- seconds since 1970
    body         BYTEA NOT NULL,
    PRIMARY KEY (tenant, issuer, subject, conversation)
);

DROP TABLE escalations;
CREATE TABLE escalations (
    escalation_id TEXT COLLATE "C" PRIMARY KEY,
    matter        TEXT COLLATE "C" NOT NULL,
    tenant        TEXT COLLATE "C" NOT NULL,
    person        TEXT COLLATE "C" NOT NULL,
    taken_by      TEXT COLLATE "C",             -- null while nobody is at it
    closed_by     TEXT COLLATE "C",             -- the receipt that ended it; null until then
    body          BYTEA NOT NULL,
    seen          BYTEA NOT NULL     -- the reads that it rests on, sealed as they were then
);
CREATE UNIQUE INDEX escalations_open ON escalations (matter) WHERE closed_by IS NULL;
CREATE INDEX escalations_by_person ON escalations (person);

ALTER TABLE leaves ADD COLUMN person TEXT COLLATE "C" NOT NULL DEFAULT '';

-- What opens the commitments of a leaf.
CREATE TABLE openings (
    receipt_id TEXT COLLATE "C" PRIMARY KEY,
    person     TEXT COLLATE "C" NOT NULL,
    body       BYTEA NOT NULL
);
CREATE INDEX openings_by_person ON openings (person);

-- Whose data has to stay for now.
CREATE TABLE holds (person TEXT COLLATE "C" PRIMARY KEY);

-- Keys of persons, wrapped. Leave both tables out of copies that are kept for long: an
-- erasure does not reach into them.
CREATE TABLE person_index_key (
    one INT PRIMARY KEY CHECK (one = 1),
    key BYTEA NOT NULL
);
CREATE TABLE person_keys (
    key_id BYTEA PRIMARY KEY,
    person TEXT COLLATE "C" NOT NULL,
    key    BYTEA,                -- wrapped; null once it is destroyed
    made   BIGINT NOT NULL       -- milliseconds since 1970
);
CREATE UNIQUE INDEX person_keys_current ON person_keys (person) WHERE key IS NOT NULL;
