-- Tracks may be text, too: SQLite can't change a column's CHECK, so the table is made anew.
CREATE TABLE tracks_of_all_media (
    presentation  INTEGER NOT NULL REFERENCES presentations (id) ON DELETE CASCADE,
    id            INTEGER NOT NULL,
    media         TEXT NOT NULL CHECK (media IN ('audio', 'video', 'text')),
    codec         TEXT NOT NULL,
    language      TEXT,
    clock_hz      INTEGER NOT NULL,
    samples       INTEGER NOT NULL,
    bandwidth_bps INTEGER NOT NULL,
    average_bps   INTEGER NOT NULL,
    PRIMARY KEY (presentation, id)
) STRICT;

INSERT INTO tracks_of_all_media
SELECT presentation, id, media, codec, language, clock_hz, samples, bandwidth_bps, average_bps FROM tracks;

DROP TABLE tracks;

ALTER TABLE tracks_of_all_media RENAME TO tracks;
