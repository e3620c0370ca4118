-- How a conversation began and what it cost so far is read at each turn with a cost: by its owner
-- too, since one name may be that of many conversations. An executor that knows of none of these
-- finds what it asks for as before.
DROP INDEX turns_by_conversation;
CREATE INDEX turns_by_conversation ON turns (conversation, turn_id);
CREATE INDEX turns_by_owner ON turns (conversation, (coalesce(guest, person)), turn_id);
CREATE INDEX turns_by_currency ON turns (conversation, (coalesce(guest, person)), currency)
WHERE currency IS NOT NULL;
