-- The console shows what ended last first: found in that order, and not sorted.
CREATE INDEX escalations_ended ON escalations (closed_by, escalation_id)
WHERE closed_by IS NOT NULL;
