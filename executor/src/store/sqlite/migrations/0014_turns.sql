-- What planners told of their turns, as ciphertext under the person's key. Nothing is
-- decided by it.
CREATE TABLE turns (
    turn_id      TEXT PRIMARY KEY,   -- sorts by its time
    tenant       TEXT NOT NULL,
    person       TEXT NOT NULL,
    conversation TEXT NOT NULL,
    external_ref TEXT NOT NULL,
    body         BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX turns_by_person ON turns (person, turn_id);
CREATE INDEX turns_by_conversation ON turns (conversation, turn_id);
CREATE INDEX turns_by_ref ON turns (external_ref, turn_id) WHERE external_ref <> '';

-- Who a complaint is from: keyed digests of the address in the token, and of the person.
CREATE TABLE persons_by_email (
    email  TEXT NOT NULL,
    person TEXT NOT NULL,
    PRIMARY KEY (email, person)
) STRICT, WITHOUT ROWID;
CREATE INDEX persons_by_email_person ON persons_by_email (person);

-- The subject's digest holds its tenant and issuer.
DROP INDEX leaves_by_subject;
CREATE INDEX leaves_by_subject ON leaves (subject, idx);
CREATE INDEX leaves_by_person ON leaves (person, idx);
