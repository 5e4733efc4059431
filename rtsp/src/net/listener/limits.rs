//! What one connection, one address and all together may have.

use socket2::{SockRef, TcpKeepalive};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::TcpStream;

/// Limits on connections. Half-open ones, and such that send their first line a letter an hour, cost
/// nothing but a descriptor for a while.
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

/// Who is connected.
#[derive(Debug, Default)]
pub(super) struct Guests(Mutex<(usize, HashMap<IpAddr, usize>)>);

/// One connection's place; free again when dropped.
#[derive(Debug)]
pub(super) struct Guest {
    guests: Arc<Guests>,
    address: IpAddr,
}

impl Guests {
    pub(super) fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0
    }

    pub(super) fn admit(self: Arc<Self>, address: IpAddr, limits: &ListenerLimits) -> Option<Guest> {
        {
            let mut guests = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let (all, of_address) = &mut *guests;
            let here = of_address.get(&address).copied().unwrap_or(0);
            if *all >= limits.connections || here >= limits.connections_of_address {
                return None;
            }
            *all += 1;
            of_address.insert(address, here + 1);
        }
        Some(Guest { guests: self, address })
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let mut guests = self.guests.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (all, of_address) = &mut *guests;
        *all = all.saturating_sub(1);
        if let Some(here) = of_address.get_mut(&self.address) {
            *here -= 1;
            if *here == 0 {
                of_address.remove(&self.address);
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
}
