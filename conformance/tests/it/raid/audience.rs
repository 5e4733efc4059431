//! Who watches while something happens to the nodes, and must not notice.

use super::world::{Seen, World};
use conformance::{
    compare::{Report, Transport, compare},
    films::Recipe,
};
use std::{
    thread::JoinHandle,
    time::{Duration, Instant},
};

/// No B pictures: timestamps rise as they are sent, so that lateness can be read off them. Of a length of choice.
pub const ONE: Recipe =
    Recipe { file: "one.mpg", length: 36, options: "-c:v mpeg1video -b:v 1500k -minrate 1500k -bf 0 -c:a mp2 -f mpeg" };
/// What the frame-exact viewer watches, from beginning to end.
pub const EXACT: Recipe = Recipe {
    file: "exact.mp4",
    length: 18,
    options: "-c:v libx264 -preset veryfast -bf 2 -g 50 -b:v 1M -minrate 1M -c:a aac -b:a 96k",
};
/// Packets may come so late on a machine that does a lot else.
const LATE_MS: i64 = 500;

/// Six viewers at different places, and one who watches [`EXACT`] and compares each frame.
pub struct Audience {
    begun: Instant,
    time: Duration,
    viewers: Vec<JoinHandle<Seen>>,
    exact: JoinHandle<Report>,
}

impl Audience {
    /// They come now, and watch for `time`: in turns the films of these names, each `apart` seconds further on.
    pub fn begin(world: &World, films: &[&str], apart: u32, time: Duration) -> Self {
        let begun = Instant::now();
        let viewers = (0..6).map(|number| world.watch(films[number % films.len()], apart * number as u32, time));
        let viewers = viewers.collect();
        let (file, url) = (world.folder.join(EXACT.file), world.url("exact"));
        let exact = std::thread::spawn(move || compare(&file, &url, Transport::Tcp, Duration::from_secs(60)).unwrap());
        Self { begun, time, viewers, exact }
    }

    /// Waits until they have watched for so long.
    pub fn until(&self, seconds: u64) {
        std::thread::sleep(Duration::from_secs(seconds).saturating_sub(self.begun.elapsed()));
    }

    /// All that was to happen has, while they watched: waits until they end. They have got everything, and in time.
    pub fn noticed_nothing(self) {
        let passed = self.begun.elapsed();
        assert!(passed < self.time, "the viewers were gone before it was over: {passed:?}");
        for viewer in self.viewers {
            let seen = viewer.join().unwrap();
            let late = seen.p99_late_ms();
            println!("{} packets, {} lost, 99 % at most {late} ms late", seen.packets, seen.lost);
            let nothing = seen.packets > 2_000 && seen.lost == 0 && !seen.bye && late < LATE_MS;
            assert!(nothing, "{late} ms, {} lost", seen.lost);
        }
        let report = self.exact.join().unwrap();
        assert!(report.is_exact(), "{report}");
    }
}
