-- How far each sink of events is fed, and who feeds it: one executor at a time.
CREATE TABLE sinks (
    sink    TEXT COLLATE "C" PRIMARY KEY,
    holder  BIGINT NOT NULL,          -- the generation that feeds it
    origin  TEXT COLLATE "C" NOT NULL, -- the log that the indexes count in
    next    BIGINT NOT NULL,          -- the first leaf that is not acknowledged
    upto    BIGINT NOT NULL,          -- leaves below were perhaps sent already
    attempt BIGINT NOT NULL           -- how often those between were sent
);
