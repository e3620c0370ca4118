-- A number of a thread is one turn's: of two that are begun at once at two planners, the second
-- reads the thread again and knows of the first. Numbers that two have from before are told apart,
-- in their order.
UPDATE turns SET number = apart.number
FROM (
    SELECT thread, place, row_number() OVER (PARTITION BY thread ORDER BY number, place) AS number
    FROM turns
) AS apart
WHERE turns.thread = apart.thread AND turns.place = apart.place;
CREATE UNIQUE INDEX turns_by_number ON turns (thread, number);
