-- The cluster: what is wanted of each node, layouts that change, and the work that changes them.
-- What is seen of a node (whether it answers, how fast) is each front's own and not kept here.

ALTER TABLE nodes ADD COLUMN intent TEXT NOT NULL DEFAULT 'active' CHECK (intent IN ('active', 'draining', 'removed'));
ALTER TABLE nodes ADD COLUMN read_rate INTEGER;  -- bytes a second, measured or told

-- A number that rises with every layout that is committed, over all objects: who remembers the highest that it
-- has seen, finds the later ones.
ALTER TABLE objects ADD COLUMN moved INTEGER NOT NULL DEFAULT 0;
CREATE INDEX objects_by_move ON objects (moved);

-- An object on its way from one layout to another. While it is copied the old layout holds; once committed the new
-- one does, and what only the old one needs is dropped after a while.
CREATE TABLE moves (
    object     TEXT NOT NULL PRIMARY KEY,
    old_layout TEXT NOT NULL,                   -- JSON
    new_layout TEXT NOT NULL,                   -- JSON
    state      TEXT NOT NULL CHECK (state IN ('copying', 'committed')),
    since      INTEGER NOT NULL                 -- when it got into this state
) STRICT;

-- Work on the cluster. One that runs and whose owner is dead was broken off; the same command goes on with it.
CREATE TABLE jobs (
    id          INTEGER NOT NULL PRIMARY KEY,
    kind        TEXT NOT NULL,
    node        TEXT,                           -- what it is about, where it is about one
    state       TEXT NOT NULL CHECK (state IN ('running', 'done', 'failed')),
    done        INTEGER NOT NULL DEFAULT 0,     -- bytes
    total       INTEGER NOT NULL DEFAULT 0,     -- bytes
    bad         INTEGER NOT NULL DEFAULT 0,     -- units found bad or missing
    repaired    INTEGER NOT NULL DEFAULT 0,     -- of those, written anew
    note        TEXT NOT NULL DEFAULT '',
    begun       INTEGER NOT NULL,
    owner_host  TEXT NOT NULL,
    owner_pid   INTEGER NOT NULL,
    owner_start INTEGER NOT NULL,
    heartbeat   INTEGER NOT NULL
) STRICT;

-- What each front has promised to its viewers, and what it could.
CREATE TABLE fronts (
    name         TEXT NOT NULL PRIMARY KEY,     -- where it listens
    viewers      INTEGER NOT NULL,
    promised_bps INTEGER NOT NULL,              -- bits a second
    possible_bps INTEGER,                       -- bits a second; none where nothing bounds it
    seen         INTEGER NOT NULL
) STRICT;
