-- What planners told of their turns, as ciphertext under the person's key. Nothing is
-- decided by it.
CREATE TABLE turns (
    turn_id      TEXT COLLATE "C" PRIMARY KEY,   -- sorts by its time
    tenant       TEXT COLLATE "C" NOT NULL,
    person       TEXT COLLATE "C" NOT NULL,
    conversation TEXT COLLATE "C" NOT NULL,
    external_ref TEXT COLLATE "C" NOT NULL,
    body         BYTEA NOT NULL
);
CREATE INDEX turns_by_person ON turns (person, turn_id);
CREATE INDEX turns_by_conversation ON turns (conversation, turn_id);
CREATE INDEX turns_by_ref ON turns (external_ref, turn_id) WHERE external_ref <> '';

-- Who a complaint is from: keyed digests of the address in the token, and of the person.
CREATE TABLE persons_by_email (
    email  TEXT COLLATE "C" NOT NULL,
    person TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (email, person)
);
CREATE INDEX persons_by_email_person ON persons_by_email (person);

-- The subject's digest holds its tenant and issuer.
DROP INDEX leaves_by_subject;
CREATE INDEX leaves_by_subject ON leaves (subject, idx);
CREATE INDEX leaves_by_person ON leaves (person, idx);
