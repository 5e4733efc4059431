-- Channels: live presentations. Their names and those of films are one set: either's insert looks at the other.
CREATE TABLE channels (
    name       TEXT NOT NULL PRIMARY KEY,
    title      TEXT NOT NULL,
    feed       TEXT NOT NULL,                -- JSON
    on_demand  INTEGER NOT NULL,             -- 1: fed only while somebody watches
    takes_over INTEGER NOT NULL,             -- 1: a second feed takes the first one's place
    grace_s    INTEGER NOT NULL,             -- how long a feed that has gone is waited for
    multicast  TEXT,                         -- JSON; none: unicast only
    window_s   INTEGER NOT NULL,             -- how much is kept for time shift; 0: nothing
    created    INTEGER NOT NULL
) STRICT;

-- How each front finds its own feed of a channel.
CREATE TABLE channel_states (
    channel TEXT NOT NULL REFERENCES channels (name) ON DELETE CASCADE,
    front   TEXT NOT NULL,                   -- as in fronts
    state   TEXT NOT NULL CHECK (state IN ('fed', 'waiting', 'idle')),
    since   INTEGER NOT NULL,                -- when it got into this state
    packets INTEGER NOT NULL,
    lost    INTEGER NOT NULL,
    note    TEXT NOT NULL,                   -- what is wrong, if anything is
    seen    INTEGER NOT NULL,
    PRIMARY KEY (channel, front)
) STRICT;
