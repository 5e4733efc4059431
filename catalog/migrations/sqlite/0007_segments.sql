-- What channels keep of themselves: each segment is one sealed object, a stretch of a channel's time.
CREATE TABLE segments (
    object   TEXT NOT NULL PRIMARY KEY REFERENCES objects (id),
    channel  TEXT NOT NULL,
    line_ns  INTEGER NOT NULL,  -- names its timeline: when that began, nanoseconds since 1970
    start_ns INTEGER NOT NULL,  -- on that timeline
    end_ns   INTEGER NOT NULL,
    begun_ns INTEGER NOT NULL,  -- start_ns by the wall clock, nanoseconds since 1970
    index_at INTEGER NOT NULL   -- its byte where the samples end and the tables begin
) STRICT;

CREATE INDEX segments_by_time ON segments (channel, begun_ns);
