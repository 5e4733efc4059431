//! Membership in groups, and what comes there.

use crate::suite::case::{Verdict, skip};
use socket2::{Domain, Protocol, Socket, Type};
use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket},
    os::fd::AsRawFd,
    time::{Duration, Instant},
};

/// A datagram of a group.
pub(super) struct Datagram {
    pub(super) bytes: Vec<u8>,
    pub(super) from: SocketAddr,
    /// Hops that it may still go, where the system tells them.
    pub(super) hops: Option<i32>,
}

/// Joins a group on the interface that the system chooses and on the one of `local`, by which the server is reached.
pub(super) fn member(group: IpAddr, port: u16, local: IpAddr) -> Verdict<UdpSocket> {
    let IpAddr::V4(group) = group else { return Err(skip("an IPv6 group")) };
    let socket = shared(port).map_err(|error| skip(format!("port {port}: {error}")))?;
    let local = match local {
        IpAddr::V4(local) => local,
        IpAddr::V6(_) => Ipv4Addr::UNSPECIFIED,
    };
    let mut joined = [Ipv4Addr::UNSPECIFIED, local].map(|interface| socket.join_multicast_v4(&group, &interface));
    joined.sort_by_key(Result::is_err);
    let [first, _] = joined;
    first.map_err(|error| skip(format!("this machine can't join {group}: {error}")))?;
    Ok(socket)
}

/// A socket on a port that others may listen to, too, as RFC 3550 section 11 has it for groups.
fn shared(port: u16) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_reuse_address(true)?;
    socket.bind(&SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, port).into())?;
    let (on, size) = (1i32, libc::socklen_t::try_from(size_of::<i32>()).map_err(io::Error::other)?);
    // SAFETY: the option's value is a live int of this size for the length of the call.
    unsafe { libc::setsockopt(socket.as_raw_fd(), libc::IPPROTO_IP, libc::IP_RECVTTL, (&raw const on).cast(), size) };
    Ok(socket.into())
}

/// The next datagram.
pub(super) fn received(socket: &UdpSocket, wait: Duration) -> Option<Datagram> {
    let end = Instant::now() + wait;
    loop {
        // Zero would mean for ever.
        let left = end.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        socket.set_read_timeout(Some(left)).ok()?;
        match receive(socket) {
            Ok(datagram) => return Some(datagram),
            Err(_) if Instant::now() >= end => return None,
            Err(_) => {}
        }
    }
}

fn receive(socket: &UdpSocket) -> io::Result<Datagram> {
    let (mut bytes, mut control) = ([0u8; 2048], [0u64; 8]);
    let mut part = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
    // SAFETY: a sockaddr_in and an msghdr of zeroes are valid: no address; no name, no parts and no control data.
    let (mut from, mut message) =
        unsafe { (std::mem::zeroed::<libc::sockaddr_in>(), std::mem::zeroed::<libc::msghdr>()) };
    message.msg_name = (&raw mut from).cast();
    message.msg_namelen = libc::socklen_t::try_from(size_of_val(&from)).map_err(io::Error::other)?;
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = size_of_val(&control);
    // SAFETY: all that the header points to is live and as long as it says.
    let length = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, 0) };
    let length = usize::try_from(length).map_err(|_| io::Error::last_os_error())?;
    let bytes = bytes.get(..length).unwrap_or_default().to_vec();
    // SAFETY: the header was filled in by recvmsg; what it gives lies within `control`, which is aligned for it.
    let first = unsafe { libc::CMSG_FIRSTHDR(&raw const message).as_ref() };
    let told = first.filter(|head| (head.cmsg_level, head.cmsg_type) == (libc::IPPROTO_IP, libc::IP_TTL));
    // SAFETY: control data of this type is an int.
    let hops = told.map(|head| unsafe { libc::CMSG_DATA(head).cast::<i32>().read_unaligned() });
    let host = Ipv4Addr::from(u32::from_be(from.sin_addr.s_addr));
    Ok(Datagram { bytes, from: SocketAddr::from((host, u16::from_be(from.sin_port))), hops })
}
