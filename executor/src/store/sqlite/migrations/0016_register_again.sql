-- The rows beside the receipts are written again, by rules that count each answer, token and
-- refusal once, and name a tool only where a contract does. They follow from the receipts,
-- and are filled in at the next start. No row has a customer's name in it; votes hold the
-- ids of people of the house in clear.
DELETE FROM register;
DELETE FROM marks;
DELETE FROM days;
