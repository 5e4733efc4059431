//! Source-specific multicast groups (RFC 4607).

use socket2::Socket;
use std::{
    io, mem,
    net::{IpAddr, SocketAddr},
    os::fd::AsRawFd,
};

/// Joins a group for one source, of either family (RFC 3678 section 5.1.2); interface 0: as the system routes.
///
/// # Errors
/// The system's.
pub(crate) fn join_source(socket: &Socket, group: IpAddr, source: IpAddr, interface: u32) -> io::Result<()> {
    // SAFETY: a plain C structure for which zero bytes are a valid value.
    let mut request: libc::group_source_req = unsafe { mem::zeroed() };
    request.gsr_interface = interface;
    request.gsr_group = storage(group);
    request.gsr_source = storage(source);
    let level = if group.is_ipv4() { libc::IPPROTO_IP } else { libc::IPPROTO_IPV6 };
    let len = mem::size_of::<libc::group_source_req>() as libc::socklen_t;
    // SAFETY: the pointer is to a structure that lives through the call, and its size is given.
    let result = unsafe {
        libc::setsockopt(socket.as_raw_fd(), level, MCAST_JOIN_SOURCE_GROUP, (&raw const request).cast(), len)
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// `MCAST_JOIN_SOURCE_GROUP` of Linux.
const MCAST_JOIN_SOURCE_GROUP: libc::c_int = 46;

fn storage(ip: IpAddr) -> libc::sockaddr_storage {
    let address = socket2::SockAddr::from(SocketAddr::new(ip, 0));
    // SAFETY: a plain C structure for which zero bytes are a valid value.
    let mut storage: libc::sockaddr_storage = unsafe { mem::zeroed() };
    // SAFETY: `address` has `len()` bytes of a socket address, which is never more than `storage` has.
    unsafe {
        std::ptr::copy_nonoverlapping(
            address.as_ptr().cast::<u8>(),
            (&raw mut storage).cast::<u8>(),
            address.len() as usize,
        );
    }
    storage
}

#[cfg(test)]
mod tests {
    use super::*;
    use socket2::{Domain, Protocol, Type};
    use std::{net::UdpSocket, time::Duration};

    #[test]
    fn a_group_of_ipv6_comes_from_its_source_alone() {
        let group: IpAddr = "ff32::8000:7777".parse().unwrap();
        // SAFETY: a string that ends with zero.
        let lo = unsafe { libc::if_nametoindex(c"lo".as_ptr()) };
        for (source, comes) in [("::1", true), ("2001:db8::9", false)] {
            let socket = Socket::new(Domain::IPV6, Type::DGRAM, Some(Protocol::UDP)).unwrap();
            let any = SocketAddr::new("::".parse().unwrap(), 0);
            if socket.bind(&any.into()).is_err() {
                return println!("skipped: no IPv6");
            }
            if let Err(error) = join_source(&socket, group, source.parse().unwrap(), lo) {
                return println!("skipped: no multicast of IPv6 here: {error}");
            }
            let receiver = UdpSocket::from(socket);
            let Ok(sender) = UdpSocket::bind("[::1]:0") else { return println!("skipped: no IPv6") };
            let outgoing = Socket::from(sender.try_clone().unwrap());
            outgoing.set_multicast_if_v6(lo).unwrap();
            let to = SocketAddr::new(group, receiver.local_addr().unwrap().port());
            if let Err(error) = sender.send_to(b"hello", to) {
                return println!("skipped: no multicast of IPv6 here: {error}");
            }
            receiver.set_read_timeout(Some(Duration::from_millis(if comes { 5_000 } else { 100 }))).unwrap();
            assert_eq!(receiver.recv(&mut [0; 10]).is_ok(), comes, "{source}");
        }
    }
}
