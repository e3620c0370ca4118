-- How the store stands towards its own history; no row while nothing is to say.
CREATE TABLE standing (
    one  INTEGER PRIMARY KEY CHECK (one = 1),
    body TEXT NOT NULL
) STRICT;
