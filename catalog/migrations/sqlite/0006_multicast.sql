-- Multicast groups in use: over all fronts no two channels have the same. A row holds until its lease runs out; after
-- that it is kept for the channel's next time as long as nobody else wants it.
CREATE TABLE multicast_groups (
    channel TEXT NOT NULL,
    front   TEXT NOT NULL,                      -- who sends
    address TEXT NOT NULL,                      -- of the group
    port    INTEGER NOT NULL,                   -- RTP of the first track
    pairs   INTEGER NOT NULL,                   -- ports: two for each
    until   INTEGER NOT NULL,                   -- seconds since 1970
    PRIMARY KEY (channel, front),
    UNIQUE (address, port)
) STRICT;
