//! What one connection, one address and all together may have.

use socket2::{SockRef, TcpKeepalive};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::TcpStream;

/// Limits on connections. Half-open ones, and such that send their first line a letter an hour, cost
/// nothing but a descriptor for a while. One that is carried within another (HTTP, WebSocket, TLS) takes three, and counts
/// so: else a third of the connections would use up all descriptors, and nobody be let in.
#[derive(Clone, Copy, Debug)]
pub struct ListenerLimits {
    /// All together.
    pub connections: usize,
    /// From one address: a whole house may sit behind one.
    pub connections_of_address: usize,
    /// For a message that has begun to become whole.
    pub message: Duration,
    /// Without a request and without a living session.
    pub idle: Duration,
    /// Bytes of media that wait for a viewer who doesn't read.
    pub outbox: usize,
}

impl Default for ListenerLimits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            connections_of_address: 5_000,
            message: Duration::from_secs(20),
            idle: Duration::from_secs(60),
            outbox: crate::net::outbox::DEFAULT_LIMIT,
        }
    }
}

impl ListenerLimits {
    /// Keeps within the descriptors of the process: an eighth of them stays free for nodes, files and feeds, and no
    /// address gets more than three quarters of the rest.
    pub fn fit(&mut self, descriptors: usize) {
        let most = descriptors - descriptors / 8;
        if most < self.connections {
            tracing::warn!(most, "fewer connections than front.max_connections: see ulimit -Hn");
        }
        self.connections = self.connections.min(most);
        self.connections_of_address = self.connections_of_address.min(self.connections - self.connections / 4);
    }
}

/// What a connection within another takes beside its own: a local pair of sockets.
const PAIR: usize = 2;

/// Who is connected.
#[derive(Debug, Default)]
pub(super) struct Guests(Mutex<Taken>);

/// What is taken: by whom, in descriptors.
#[derive(Debug, Default)]
struct Taken {
    connections: usize,
    places: usize,
    of_address: HashMap<IpAddr, usize>,
}

/// Places of one connection; free again when dropped.
#[derive(Debug)]
pub(super) struct Guest {
    guests: Arc<Guests>,
    address: IpAddr,
    places: usize,
    connections: usize,
}

impl Guests {
    pub(super) fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).connections
    }

    /// Lets a connection in.
    pub(super) fn admit(self: Arc<Self>, address: IpAddr, limits: &ListenerLimits) -> Option<Guest> {
        self.take(address, 1, 1, limits)
    }

    /// Lets a connection carry another.
    pub(super) fn admit_carried(self: Arc<Self>, address: IpAddr, limits: &ListenerLimits) -> Option<Guest> {
        self.take(address, PAIR, 0, limits)
    }

    fn take(
        self: Arc<Self>,
        address: IpAddr,
        places: usize,
        connections: usize,
        limits: &ListenerLimits,
    ) -> Option<Guest> {
        {
            let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let here = taken.of_address.get(&address).copied().unwrap_or(0) + places;
            if taken.places + places > limits.connections || here > limits.connections_of_address {
                return None;
            }
            taken.places += places;
            taken.connections += connections;
            taken.of_address.insert(address, here);
        }
        Some(Guest { guests: self, address, places, connections })
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let mut taken = self.guests.0.lock().unwrap_or_else(PoisonError::into_inner);
        taken.connections = taken.connections.saturating_sub(self.connections);
        taken.places = taken.places.saturating_sub(self.places);
        if let Some(here) = taken.of_address.get_mut(&self.address) {
            *here = here.saturating_sub(self.places);
            if *here == 0 {
                taken.of_address.remove(&self.address);
            }
        }
    }
}

/// A viewer that paused over TCP says nothing for as long as it likes: whether it is still there, only the
/// kernel can ask. It is missed after two minutes.
pub(super) fn keep_alive(stream: &TcpStream) {
    let every = TcpKeepalive::new().with_time(Duration::from_secs(60)).with_interval(Duration::from_secs(15));
    if let Err(error) = SockRef::from(stream).set_tcp_keepalive(&every.with_retries(4)) {
        tracing::debug!(%error, "no TCP keep-alive");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_free_again_when_its_guest_has_left() {
        let limits = ListenerLimits { connections: 3, connections_of_address: 2, ..ListenerLimits::default() };
        let guests = Arc::new(Guests::default());
        let [a, b]: [IpAddr; 2] = [[10, 0, 0, 1].into(), [10, 0, 0, 2].into()];
        let first = guests.clone().admit(a, &limits).expect("a place");
        let _second = guests.clone().admit(a, &limits).expect("a place");
        assert!(guests.clone().admit(a, &limits).is_none());
        let _third = guests.clone().admit(b, &limits).expect("a place");
        assert!(guests.clone().admit(b, &limits).is_none());
        drop(first);
        assert_eq!(guests.len(), 2);
        assert!(guests.clone().admit(a, &limits).is_some());
    }

    #[test]
    fn there_are_no_more_connections_than_descriptors() {
        let limits = ListenerLimits { connections: 100, connections_of_address: 50, ..ListenerLimits::default() };
        for (descriptors, fits) in [(1000, (100, 50)), (80, (70, 50)), (40, (35, 27)), (0, (0, 0))] {
            let mut limits = limits;
            limits.fit(descriptors);
            assert_eq!((limits.connections, limits.connections_of_address), fits, "{descriptors}");
        }
    }

    #[test]
    fn who_carries_another_connection_takes_three_places() {
        let limits = ListenerLimits { connections: 7, connections_of_address: 5, ..ListenerLimits::default() };
        let guests = Arc::new(Guests::default());
        let [a, b]: [IpAddr; 2] = [[10, 0, 0, 1].into(), [10, 0, 0, 2].into()];
        let outer = guests.clone().admit(a, &limits).expect("a place");
        let inner = guests.clone().admit_carried(a, &limits).expect("two more");
        assert_eq!(guests.len(), 1);
        let _other = guests.clone().admit(a, &limits).expect("a place");
        // Four of five are taken.
        assert!(guests.clone().admit_carried(a, &limits).is_none());
        let _third = guests.clone().admit(b, &limits).expect("a place");
        let _fourth = guests.clone().admit_carried(b, &limits).expect("two more");
        assert!(guests.clone().admit(b, &limits).is_none());
        drop((outer, inner));
        assert!(guests.clone().admit_carried(b, &limits).is_some());
    }
}
