-- Everything that planners share. Only what any PostgreSQL-compatible server runs: row locks and
-- unique constraints, no triggers, no procedures, no advisory locks.

-- Running planners, a row each. Whose row has expired, or is gone, holds nothing that others
-- have to wait for.
CREATE TABLE planners (
    generation BIGSERIAL PRIMARY KEY,
    expires_at TIMESTAMPTZ NOT NULL     -- unless renewed
);

-- Names are digests. Who writes shows that the conversation is still held for that turn.
CREATE TABLE conversations (
    name    BYTEA PRIMARY KEY,
    touched BIGINT NOT NULL,            -- seconds since 1970
    holder  BIGINT,                     -- the planner in whose turn it is; null for nobody's
    turn    BIGINT NOT NULL,            -- which turn of that planner
    body    TEXT                        -- null until a turn of it has ended
);
CREATE INDEX conversations_by_age ON conversations (touched);

CREATE TABLE turns (
    thread  BYTEA NOT NULL,
    place   BYTEA NOT NULL,
    number  BIGINT NOT NULL,
    touched BIGINT NOT NULL,            -- seconds since 1970
    holder  BIGINT,                     -- the planner that takes it; null for nobody
    turn    BIGINT NOT NULL,            -- which turn of that planner
    ended   BOOLEAN NOT NULL,
    body    TEXT NOT NULL,
    PRIMARY KEY (thread, place)
);
CREATE INDEX turns_by_age ON turns (touched);

CREATE TABLE spent (
    account BYTEA PRIMARY KEY,
    touched BIGINT NOT NULL,            -- seconds since 1970
    calls   BIGINT NOT NULL,
    tokens  BIGINT NOT NULL,
    micros  BIGINT NOT NULL             -- millionths of the prices' currency
);
CREATE INDEX spent_by_age ON spent (touched);

-- Whose each of them is, as the executor names the key of a person.
CREATE TABLE belongs (
    kept_under TEXT COLLATE "C" NOT NULL,
    name       BYTEA NOT NULL,
    touched    BIGINT NOT NULL,         -- seconds since 1970
    PRIMARY KEY (kept_under, name)
);
CREATE INDEX belongs_by_name ON belongs (name);
CREATE INDEX belongs_by_age ON belongs (touched);

-- The newest checkpoint of each log that a planner has verified.
CREATE TABLE checkpoints (
    origin TEXT COLLATE "C" PRIMARY KEY,
    size   BIGINT NOT NULL,
    note   BYTEA NOT NULL
);
