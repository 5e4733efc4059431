-- The catalog: what there is to watch, which objects hold it, and on which nodes they lie.
-- Times are seconds since 1970 unless the column says otherwise; sizes are bytes.

CREATE TABLE nodes (
    id    TEXT NOT NULL PRIMARY KEY,    -- 16 hex digits
    url   TEXT NOT NULL,
    added INTEGER NOT NULL
) STRICT;

CREATE TABLE settings (
    key   TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;

-- Every object that may have bytes on a node has its row here before its first byte is written.
CREATE TABLE objects (
    id          TEXT NOT NULL PRIMARY KEY,  -- 32 hex digits
    state       TEXT NOT NULL CHECK (state IN ('writing', 'sealed', 'doomed')),
    layout      TEXT,                       -- JSON, once sealed
    owner_host  TEXT NOT NULL,              -- who writes it
    owner_pid   INTEGER NOT NULL,
    owner_start INTEGER NOT NULL,
    heartbeat   INTEGER NOT NULL,           -- when its writer last said that it lives
    CHECK (state <> 'sealed' OR layout IS NOT NULL)
) STRICT;

CREATE TABLE presentations (
    id           INTEGER NOT NULL PRIMARY KEY,
    name         TEXT NOT NULL UNIQUE,
    title        TEXT NOT NULL,
    duration_ns  INTEGER NOT NULL,
    source_hash  BLOB NOT NULL UNIQUE,      -- BLAKE3
    source_bytes INTEGER NOT NULL,
    created      INTEGER NOT NULL,
    media_object TEXT NOT NULL UNIQUE REFERENCES objects (id),
    index_object TEXT NOT NULL UNIQUE REFERENCES objects (id)
) STRICT;

CREATE INDEX presentations_by_size ON presentations (source_bytes);

CREATE TABLE tracks (
    presentation  INTEGER NOT NULL REFERENCES presentations (id) ON DELETE CASCADE,
    id            INTEGER NOT NULL,
    media         TEXT NOT NULL CHECK (media IN ('audio', 'video')),
    codec         TEXT NOT NULL,
    language      TEXT,
    clock_hz      INTEGER NOT NULL,
    samples       INTEGER NOT NULL,
    bandwidth_bps INTEGER NOT NULL,
    average_bps   INTEGER NOT NULL,
    PRIMARY KEY (presentation, id)
) STRICT;

-- The hash of each file that was read, good while its size and time of change are the same.
CREATE TABLE sources (
    path        BLOB NOT NULL PRIMARY KEY,
    size        INTEGER NOT NULL,
    modified_ns INTEGER NOT NULL,
    hash        BLOB NOT NULL
) STRICT;
