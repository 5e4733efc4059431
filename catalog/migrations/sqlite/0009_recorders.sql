-- Who keeps a channel's past: one front at a time, for as long as its lease runs. The row names the channel's timeline,
-- which all fronts share and which goes on over their restarts.
CREATE TABLE recorders (
    channel TEXT NOT NULL PRIMARY KEY,
    line_ns INTEGER NOT NULL,        -- when the timeline began, nanoseconds since 1970
    front   TEXT NOT NULL,           -- who records, or did last; empty: nobody has yet
    until   INTEGER NOT NULL,        -- seconds since 1970: then the lease runs out
    close   INTEGER NOT NULL         -- when a viewer of another front was last close to the end, seconds since 1970
) STRICT;

-- Who may publish. Those who are there could before, so they still may.
ALTER TABLE users ADD COLUMN publishes INTEGER NOT NULL DEFAULT 1;

-- What fronts say of channels of their own configuration is kept, too: a channel need not be in the catalog.
CREATE TABLE channel_reports (
    channel TEXT NOT NULL,
    front   TEXT NOT NULL,                   -- as in fronts
    state   TEXT NOT NULL CHECK (state IN ('fed', 'waiting', 'idle')),
    since   INTEGER NOT NULL,                -- when it got into this state
    packets INTEGER NOT NULL,
    lost    INTEGER NOT NULL,
    note    TEXT NOT NULL,                   -- what is wrong, if anything is
    seen    INTEGER NOT NULL,
    PRIMARY KEY (channel, front)
) STRICT;
INSERT INTO channel_reports SELECT channel, front, state, since, packets, lost, note, seen FROM channel_states;
DROP TABLE channel_states;
