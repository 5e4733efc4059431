//! RTSP over HTTP as QuickTime tunnels it: which GET a POST belongs to.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::net::unix::OwnedWriteHalf;

/// Bytes of an `x-sessioncookie`: all players' are about twenty (CVE-2018-4013 was a longer one).
const MAX_COOKIE: usize = 128;

/// Where decoded requests go: into the connection that a GET has opened.
pub type Feed = Arc<tokio::sync::Mutex<OwnedWriteHalf>>;

/// The open GETs, by cookie.
#[derive(Debug, Default)]
pub struct Tunnels(Mutex<HashMap<String, (IpAddr, Feed)>>);

/// An open GET; forgotten when dropped.
#[derive(Debug)]
pub struct Open<'a> {
    tunnels: &'a Tunnels,
    cookie: String,
}

impl Tunnels {
    /// A GET has come. `None`: the cookie is no good, or another has it.
    pub fn open(&self, cookie: &str, peer: IpAddr, feed: Feed) -> Option<Open<'_>> {
        let good =
            !cookie.is_empty() && cookie.len() <= MAX_COOKIE && cookie.bytes().all(|byte| byte.is_ascii_graphic());
        let mut tunnels = self.lock();
        if !good || tunnels.contains_key(cookie) {
            return None;
        }
        tunnels.insert(cookie.to_owned(), (peer, feed));
        Some(Open { tunnels: self, cookie: cookie.to_owned() })
    }

    /// A POST has come: into what it feeds. Only from where the GET came: a cookie can be overheard.
    pub fn feed(&self, cookie: &str, peer: IpAddr) -> Option<Feed> {
        self.lock().get(cookie).filter(|(address, _)| *address == peer).map(|(_, feed)| feed.clone())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, (IpAddr, Feed)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.tunnels.lock().remove(&self.cookie);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::UnixStream;

    #[tokio::test]
    async fn a_post_finds_its_get_from_the_same_host_only() {
        let feed = || {
            let (near, _far) = UnixStream::pair().unwrap();
            Arc::new(tokio::sync::Mutex::new(near.into_split().1))
        };
        let tunnels = Tunnels::default();
        let [a, b]: [IpAddr; 2] = [[10, 0, 0, 1].into(), [10, 0, 0, 2].into()];
        let open = tunnels.open("cookie", a, feed()).unwrap();
        assert!(tunnels.feed("cookie", a).is_some() && tunnels.feed("cookie", b).is_none());
        assert!(tunnels.open("cookie", a, feed()).is_none(), "another has it");
        for bad in ["", "a b", &"x".repeat(10_000)] {
            assert!(tunnels.open(bad, a, feed()).is_none());
        }
        drop(open);
        assert!(tunnels.feed("cookie", a).is_none());
    }
}
