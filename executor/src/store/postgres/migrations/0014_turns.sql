-- What planners told of their turns. Nothing is decided by it.
CREATE TABLE turns (
    turn_id      TEXT COLLATE "C" PRIMARY KEY,   -- sorts by its time
    tenant       TEXT COLLATE "C" NOT NULL,
    issuer       TEXT COLLATE "C" NOT NULL,
    subject      TEXT COLLATE "C" NOT NULL,
    conversation TEXT COLLATE "C" NOT NULL,
    external_ref TEXT COLLATE "C" NOT NULL,
    trace        TEXT COLLATE "C" NOT NULL,
    body         TEXT COLLATE "C" NOT NULL
);
CREATE INDEX turns_by_subject ON turns (tenant, issuer, subject, turn_id);
CREATE INDEX turns_by_conversation ON turns (conversation, turn_id);
CREATE INDEX turns_by_ref ON turns (external_ref, turn_id) WHERE external_ref <> '';

-- Who a complaint is from: a digest of the address in the token, never the address.
CREATE TABLE subjects_by_email (
    email   TEXT COLLATE "C" NOT NULL,
    tenant  TEXT COLLATE "C" NOT NULL,
    issuer  TEXT COLLATE "C" NOT NULL,
    subject TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (email, tenant, issuer, subject)
);
