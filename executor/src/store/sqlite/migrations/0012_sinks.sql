-- How far each sink of events is fed.
CREATE TABLE sinks (
    sink    TEXT PRIMARY KEY,
    origin  TEXT NOT NULL,    -- the log that the indexes count in
    next    INTEGER NOT NULL, -- the first leaf that is not acknowledged
    upto    INTEGER NOT NULL, -- leaves below were perhaps sent already
    attempt INTEGER NOT NULL  -- how often those between were sent
) STRICT, WITHOUT ROWID;
