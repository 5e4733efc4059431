//! What several tests do.

use conformance::{
    client::{Client, Response},
    server::{Server, mobidic},
};
use std::time::{Duration, Instant};

/// Runs `mobidic channel` on that server's catalog; it must end well.
pub fn channel(server: &Server, arguments: &[&str]) -> String {
    let data = server.data.to_string_lossy();
    let all = [&["channel"], arguments, &["--data", &data]].concat();
    let (status, out, error) = mobidic(&all).unwrap();
    assert_eq!(status, 0, "{arguments:?}: {error}");
    out
}

/// Asks for a presentation until it is described, on a new connection each time: a channel's feed may take its time.
pub fn described(port: u16, url: &str) -> (Client, Response) {
    let begun = Instant::now();
    loop {
        let mut client = Client::connect(([127, 0, 0, 1], port).into()).unwrap();
        match client.request("DESCRIBE", url, &[]) {
            Ok(answer) if answer.status == 200 => return (client, answer),
            answer => assert!(begun.elapsed() < Duration::from_secs(60), "{url}: {answer:?}"),
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}
