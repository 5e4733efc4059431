//! The port that a transport stream comes to, and the group joined (RFC 3678).

use super::TsAddress;
use crate::net::join_source;
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, Socket, Type};
use std::{
    ffi::CString,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
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
    match (address.address.ip(), address.source, interface) {
        (IpAddr::V4(group), None, _) => {
            let at = match interface {
                Some(Interface::Index(index)) => InterfaceIndexOrAddress::Index(index),
                Some(Interface::Address(ip)) => InterfaceIndexOrAddress::Address(ip),
                None => InterfaceIndexOrAddress::Address(Ipv4Addr::UNSPECIFIED),
            };
            socket.join_multicast_v4_n(&group, &at)
        }
        (IpAddr::V6(group), None, _) => socket.join_multicast_v6(&group, interface.map_or(0, |at| at.index())),
        (IpAddr::V4(group), Some(IpAddr::V4(source)), Some(Interface::Address(ip))) => {
            socket.join_ssm_v4(&source, &group, &ip)
        }
        (group, Some(source), _) => join_source(socket, group, source, interface.map_or(0, |at| at.index())),
    }
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
