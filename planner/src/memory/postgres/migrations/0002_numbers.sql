-- A number of a thread is one turn's: of two that are begun at once at two planners, the second
-- reads the thread again and knows of the first. Threads in which two turns have the same number
-- from before are numbered anew, in their order, from the lowest number that they had. All others
-- stay as they are: a planner from before may be in the middle of them.
UPDATE turns SET number = apart.number
FROM (
    SELECT thread, place,
        min(number) OVER (PARTITION BY thread) - 1
            + row_number() OVER (PARTITION BY thread ORDER BY number, place) AS number
    FROM turns
    WHERE thread IN (SELECT thread FROM turns GROUP BY thread, number HAVING count(*) > 1)
) AS apart
WHERE turns.thread = apart.thread AND turns.place = apart.place;
CREATE UNIQUE INDEX turns_by_number ON turns (thread, number);
