-- A guest who is matched is another person from then on, in the same conversation: their turns
-- have the keyed digest of the name in the guest's token beside the person's, so that the
-- conversation is found as one. An executor that knows of none leaves it empty.
ALTER TABLE turns ADD COLUMN guest TEXT;
CREATE INDEX turns_by_guest ON turns (guest) WHERE guest IS NOT NULL;
DROP INDEX turns_by_conversation;
CREATE INDEX turns_by_conversation ON turns (conversation, turn_id, person, guest, day, currency);
