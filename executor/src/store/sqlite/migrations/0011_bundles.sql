-- Every policy and pack that was ever found at a start, by its digest.
CREATE TABLE bundles (
    digest TEXT PRIMARY KEY,
    files  TEXT NOT NULL
) STRICT;
