//! What several tests do.

use conformance::server::{Server, mobidic};

/// Runs `mobidic channel` on that server's catalog; it must end well.
pub fn channel(server: &Server, arguments: &[&str]) -> String {
    let data = server.data.to_string_lossy();
    let all = [&["channel"], arguments, &["--data", &data]].concat();
    let (status, out, error) = mobidic(&all).unwrap();
    assert_eq!(status, 0, "{arguments:?}: {error}");
    out
}
