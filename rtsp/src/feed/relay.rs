//! Through which fronts a channel comes: so a front sees that what it fetches is its own.
//!
//! Each front that fetches a channel names itself in `Via` of its answers about it, behind those that it comes through
//! (RFC 2326 12.43, RFC 9110 7.6.3): a tree of fronts in which two have each other as a fall-back would else go round in a circle.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

/// Fronts one behind the other; a longer way is a mistake, or somebody who wants to fill the memory.
const MAX_FRONTS: usize = 16;

/// The ways of a front's channels. Clones are the same.
#[derive(Clone, Debug)]
pub struct Relays(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// What we call ourselves: nobody needs to know where we are.
    own: String,
    ways: RwLock<BTreeMap<String, String>>,
}

/// A channel comes through other fronts, or from a server that is none, for as long as this is there.
#[derive(Debug)]
pub struct Relayed {
    relays: Relays,
    channel: String,
}

/// What can't be fetched from where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RelayRefused {
    /// It comes from this front.
    #[error("it comes from this front itself")]
    Circle,
    /// Too many are in between.
    #[error("it comes through more than {MAX_FRONTS} fronts")]
    TooMany,
}

impl Default for Relays {
    fn default() -> Self {
        Self(Arc::new(Inner { own: format!("{:016x}", rand::random::<u64>()), ways: RwLock::default() }))
    }
}

impl Relays {
    /// The channel is fetched from somebody who answers with this `Via` (empty: without).
    ///
    /// # Errors
    /// See [`RelayRefused`].
    pub fn begin(&self, channel: &str, via: &str) -> Result<Relayed, RelayRefused> {
        let relayed = Relayed { relays: self.clone(), channel: channel.to_owned() };
        relayed.comes(via)?;
        Ok(relayed)
    }

    /// What answers about a channel say in `Via`; `None`: it is not fetched.
    pub fn via(&self, channel: &str) -> Option<String> {
        self.0.ways.read().unwrap_or_else(PoisonError::into_inner).get(channel).cloned()
    }
}

impl Relayed {
    /// It comes so from now on.
    ///
    /// # Errors
    /// See [`RelayRefused`].
    pub fn comes(&self, via: &str) -> Result<(), RelayRefused> {
        let Inner { own, ways } = &*self.relays.0;
        // received-protocol received-by [comment]
        let fronts = || via.split(',').filter_map(|hop| hop.split_whitespace().nth(1));
        if fronts().any(|front| front == own) {
            return Err(RelayRefused::Circle);
        }
        if fronts().count() >= MAX_FRONTS {
            return Err(RelayRefused::TooMany);
        }
        let all: Vec<String> = fronts().chain([&own[..]]).map(|front| format!("RTSP/1.0 {front}")).collect();
        ways.write().unwrap_or_else(PoisonError::into_inner).insert(self.channel.clone(), all.join(", "));
        Ok(())
    }
}

impl Drop for Relayed {
    fn drop(&mut self) {
        self.relays.0.ways.write().unwrap_or_else(PoisonError::into_inner).remove(&self.channel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_names_each_front_once() {
        let [a, b, c] = [(); 3].map(|()| Relays::default());
        assert_eq!(a.via("news"), None);
        // a fetches it from a camera, b from a, c from b.
        let at_a = a.begin("news", "").unwrap();
        let at_b = b.begin("its", &a.via("news").unwrap()).unwrap();
        let at_c = c.begin("news", &b.via("its").unwrap()).unwrap();
        let way = c.via("news").unwrap();
        assert_eq!(way.split(", ").count(), 3);
        assert!(way.ends_with(&format!("RTSP/1.0 {}", c.0.own)), "{way}");
        for front in [&a, &b, &c] {
            assert_eq!(front.begin("other", &way).unwrap_err(), RelayRefused::Circle);
        }
        // Its camera gone, a would have it from c; what it said before stays until it is over.
        assert_eq!(at_a.comes(&way), Err(RelayRefused::Circle));
        drop(at_b);
        assert_eq!(b.via("its"), None);
        // A proxy that is no front of ours, with a comment.
        at_c.comes("1.0 fred, RTSP/1.0 x (y)").unwrap();
        assert_eq!(c.via("news").unwrap(), format!("RTSP/1.0 fred, RTSP/1.0 x, RTSP/1.0 {}", c.0.own));
        let many = vec!["RTSP/1.0 x"; MAX_FRONTS].join(",");
        assert_eq!(at_c.comes(&many), Err(RelayRefused::TooMany));
    }
}
