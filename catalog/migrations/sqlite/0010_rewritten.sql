-- Objects that were written anew as other ones, for rows of fewer nodes, with the same bytes: whoever still reads one
-- by its old name reads the other.
CREATE TABLE rewritten (
    old    TEXT NOT NULL PRIMARY KEY,
    object TEXT NOT NULL REFERENCES objects (id) ON DELETE CASCADE
) STRICT;

CREATE INDEX rewritten_by_object ON rewritten (object);

-- The highest number that objects.moved ever had, in its one row. An object that is removed takes its own number with
-- it, and whoever has seen that would not hear of a later layout with the same one.
CREATE TABLE last_moved (
    number INTEGER NOT NULL
) STRICT;

INSERT INTO last_moved SELECT COALESCE(MAX(moved), 0) FROM objects;
