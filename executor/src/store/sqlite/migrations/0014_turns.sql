-- What planners told of their turns. Nothing is decided by it.
CREATE TABLE turns (
    turn_id      TEXT PRIMARY KEY,   -- sorts by its time
    tenant       TEXT NOT NULL,
    issuer       TEXT NOT NULL,
    subject      TEXT NOT NULL,
    conversation TEXT NOT NULL,
    external_ref TEXT NOT NULL,
    trace        TEXT NOT NULL,
    body         TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX turns_by_subject ON turns (tenant, issuer, subject, turn_id);
CREATE INDEX turns_by_conversation ON turns (conversation, turn_id);
CREATE INDEX turns_by_ref ON turns (external_ref, turn_id) WHERE external_ref <> '';

-- Who a complaint is from: a digest of the address in the token, never the address.
CREATE TABLE subjects_by_email (
    email   TEXT NOT NULL,
    tenant  TEXT NOT NULL,
    issuer  TEXT NOT NULL,
    subject TEXT NOT NULL,
    PRIMARY KEY (email, tenant, issuer, subject)
) STRICT, WITHOUT ROWID;
