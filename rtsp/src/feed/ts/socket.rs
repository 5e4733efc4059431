//! The port that a transport stream comes to, and the group joined (RFC 3678).

use super::TsAddress;
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, Socket, Type};
use std::{
    ffi::CString,
    io, mem,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    os::fd::AsRawFd,
};
use tokio::net::UdpSocket;

/// Bytes that the kernel keeps while we are busy: a second of 30 Mbit/s.
const RECEIVE_BUFFER: usize = 4 << 20;

/// Opens it; several fronts of one machine may each have a multicast group's port.
pub(super) fn open(address: &TsAddress) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address.address), Type::DGRAM, Some(Protocol::UDP))?;
    let group = address.address.ip();
    if group.is_multicast() {
        socket.set_reuse_address(true)?;
    }
    // As much as the system allows.
    let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER);
    // Bound to the group, not to any address: only what is sent to it comes here.
    socket.bind(&address.address.into())?;
    if group.is_multicast() {
        join(&socket, address)?;
    }
    socket.set_nonblocking(true)?;
    UdpSocket::from_std(socket.into())
}

fn join(socket: &Socket, address: &TsAddress) -> io::Result<()> {
    let interface = address.interface.as_deref().map(Interface::find).transpose()?;
    match (address.address.ip(), address.source) {
        (IpAddr::V4(group), None) => {
            let at = match interface {
                Some(Interface::Index(index)) => InterfaceIndexOrAddress::Index(index),
                Some(Interface::Address(ip)) => InterfaceIndexOrAddress::Address(ip),
                None => InterfaceIndexOrAddress::Address(Ipv4Addr::UNSPECIFIED),
            };
            socket.join_multicast_v4_n(&group, &at)
        }
        (IpAddr::V6(group), None) => socket.join_multicast_v6(&group, interface.map_or(0, |at| at.index())),
        (IpAddr::V4(group), Some(IpAddr::V4(source))) if matches!(interface, None | Some(Interface::Address(_))) => {
            let at = if let Some(Interface::Address(ip)) = interface { ip } else { Ipv4Addr::UNSPECIFIED };
            socket.join_ssm_v4(&source, &group, &at)
        }
        (group, Some(source)) => join_source(socket, group, source, interface.map_or(0, |at| at.index())),
    }
}

/// Joins a group for one source, of either family (RFC 3678 section 5.1.2).
fn join_source(socket: &Socket, group: IpAddr, source: IpAddr, interface: u32) -> io::Result<()> {
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

/// An interface of this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Interface {
    Index(u32),
    Address(Ipv4Addr),
}

impl Interface {
    /// By name, by IPv4 address, or by the IPv6 address of one.
    fn find(text: &str) -> io::Result<Self> {
        if let Ok(ip) = text.parse::<Ipv4Addr>() {
            return Ok(Interface::Address(ip));
        }
        let name = match text.parse::<Ipv6Addr>() {
            Ok(ip) => {
                let all = webrtc_util::ifaces::ifaces().unwrap_or_default();
                let found = all.into_iter().find(|at| at.addr.is_some_and(|addr| addr.ip() == IpAddr::V6(ip)));
                found.map(|interface| interface.name)
            }
            Err(_) => Some(text.to_owned()),
        };
        let unknown = || io::Error::new(io::ErrorKind::NotFound, format!("no interface {text:?}"));
        let name = CString::new(name.ok_or_else(unknown)?).map_err(|_| unknown())?;
        // SAFETY: a string that ends with zero and lives through the call.
        match unsafe { libc::if_nametoindex(name.as_ptr()) } {
            0 => Err(unknown()),
            index => Ok(Interface::Index(index)),
        }
    }

    fn index(self) -> u32 {
        if let Interface::Index(index) = self { index } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test]
    async fn what_is_sent_to_the_address_comes() {
        let sender = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        sender.set_multicast_loop_v4(true).unwrap();
        let outgoing = Socket::from(sender.try_clone().unwrap());
        outgoing.set_multicast_if_v4(&Ipv4Addr::LOCALHOST).unwrap();
        // A port that is free now.
        let port = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        for (url, comes) in [
            (format!("udp://127.0.0.1:{port}"), true),
            (format!("udp://239.255.77.1:{port}?interface=127.0.0.1"), true),
            (format!("udp://239.255.77.1:{port}?interface=lo"), true),
            (format!("udp://232.77.7.7:{port}?interface=lo&source=127.0.0.1"), true),
            (format!("udp://232.77.7.7:{port}?interface=127.0.0.1&source=127.0.0.1"), true),
            (format!("udp://232.77.7.7:{port}?interface=lo&source=127.0.0.9"), false),
        ] {
            let address: TsAddress = url.parse().unwrap();
            let socket = open(&address).unwrap();
            sender.send_to(b"hello", address.address).unwrap();
            let mut buffer = [0; 10];
            let wait = Duration::from_millis(if comes { 5_000 } else { 100 });
            let received = tokio::time::timeout(wait, socket.recv_from(&mut buffer)).await;
            assert_eq!(received.is_ok(), comes, "{url}");
        }
        for (url, words) in [
            ("udp://239.255.77.1:5000?interface=none0", "no interface \"none0\""),
            ("udp://203.0.113.9:5000", "assign"),
        ] {
            let error = open(&url.parse().unwrap()).unwrap_err().to_string();
            assert!(error.contains(words), "{url}: {error}");
        }
    }
}
