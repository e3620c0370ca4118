-- How the store stands towards its own history; no row while nothing is to say.
CREATE TABLE standing (
    one  BIGINT PRIMARY KEY,
    body TEXT COLLATE "C" NOT NULL
);
