-- Every policy and pack that was ever found at a start, by its digest.
CREATE TABLE bundles (
    digest TEXT COLLATE "C" PRIMARY KEY,
    files  TEXT COLLATE "C" NOT NULL
);
