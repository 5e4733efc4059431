-- Who may watch. No passwords: only what Digest authentication needs of them (RFC 7616 section 3.4.2, "A1").
CREATE TABLE users (
    name    TEXT NOT NULL PRIMARY KEY,
    realm   TEXT NOT NULL,
    md5     BLOB NOT NULL CHECK (length(md5) = 16),
    sha256  BLOB NOT NULL CHECK (length(sha256) = 32),
    created INTEGER NOT NULL
) STRICT;
