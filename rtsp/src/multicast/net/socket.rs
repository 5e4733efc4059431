//! The sockets of a group, and the interfaces that groups leave by.

use crate::{
    multicast::GroupAddress,
    net::udp::{MAX_RTCP, MAX_SEGMENTED_BYTES, MAX_SEGMENTS, UdpPair},
};
use rtp::train::{Segments, Train};
use socket2::{Domain, MsgHdr, Protocol, SockAddr, SockRef, Socket, Type};
use std::{
    ffi::CString,
    io::{self, IoSlice},
    mem,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    ops::Range,
};

/// By what a group's packets leave this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WayOut {
    /// The address that its packets have.
    pub source: IpAddr,
    /// The interface's number; 0 where only the address is known.
    pub index: u32,
}

impl WayOut {
    /// For `group`: from the address `source`, by the interface named so or having that address; what is not given is as
    /// the system routes.
    ///
    /// # Errors
    /// There is no such interface, it has no address of the group's family, or there is no route.
    pub fn find(group: IpAddr, interface: Option<&str>, source: Option<IpAddr>) -> io::Result<Self> {
        let same_family = |address: &IpAddr| address.is_ipv4() == group.is_ipv4();
        let all = webrtc_util::ifaces::ifaces()?;
        let all: Vec<(String, IpAddr)> = all
            .into_iter()
            .filter_map(|one| Some((one.name, one.addr?.ip())))
            .filter(|(_, ip)| same_family(ip))
            .collect();
        let on_interface = |name: &str, ip: IpAddr| match interface.map(|wanted| (wanted, wanted.parse::<IpAddr>())) {
            Some((_, Ok(address))) => ip == address,
            Some((wanted, Err(_))) => name == wanted,
            None => true,
        };
        let link_local = |ip: &IpAddr| matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local());
        let found = match (interface, source) {
            (None, None) => {
                let routed = routed(group)?;
                all.iter().find(|(_, ip)| *ip == routed)
            }
            (_, Some(source)) => all.iter().find(|(name, ip)| *ip == source && on_interface(name, *ip)),
            (Some(_), None) => {
                let mut there: Vec<_> = all.iter().filter(|(name, ip)| on_interface(name, *ip)).collect();
                // Others can answer to a global address rather than to one of the link.
                there.sort_by_key(|(_, ip)| link_local(ip));
                there.first().copied()
            }
        };
        let Some((name, source)) = found else {
            let family = if group.is_ipv4() { "IPv4" } else { "IPv6" };
            let what = match (interface, source) {
                (Some(name), None) => format!("no interface {name} with an {family} address"),
                (_, Some(source)) => format!("{source} is no {family} address of that interface or of this machine"),
                (None, None) => format!("no route to {group}"),
            };
            return Err(io::Error::new(io::ErrorKind::AddrNotAvailable, what));
        };
        Ok(Self { source: *source, index: index_of(name)? })
    }

    /// Lets what a socket sends to groups leave this way.
    pub(super) fn set(&self, socket: &Socket, ttl: u8) -> io::Result<()> {
        match self.source {
            IpAddr::V4(source) => {
                socket.set_multicast_if_v4(&source)?;
                socket.set_multicast_ttl_v4(u32::from(ttl))
            }
            IpAddr::V6(_) => {
                socket.set_multicast_if_v6(self.index)?;
                socket.set_multicast_hops_v6(u32::from(ttl))
            }
        }
    }

    /// A socket that hears what anybody sends to a group's port, as others on this machine do, too.
    pub(super) fn hear(&self, at: SocketAddr) -> io::Result<Socket> {
        let socket = Socket::new(Domain::for_address(at), Type::DGRAM.nonblocking(), Some(Protocol::UDP))?;
        socket.set_reuse_address(true)?;
        socket.bind(&at.into())?;
        match (at.ip(), self.source) {
            (IpAddr::V4(group), IpAddr::V4(source)) => socket.join_multicast_v4(&group, &source)?,
            (IpAddr::V6(group), _) => socket.join_multicast_v6(&group, self.index)?,
            _ => return Err(io::ErrorKind::AddrNotAvailable.into()),
        }
        Ok(socket)
    }
}

/// The address that the system would send from.
fn routed(group: IpAddr) -> io::Result<IpAddr> {
    let any: IpAddr = if group.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0))?;
    // Nothing is sent.
    socket.connect((group, 9))?;
    Ok(socket.local_addr()?.ip())
}

fn index_of(name: &str) -> io::Result<u32> {
    let name = CString::new(name)?;
    // SAFETY: a C string that lives through the call.
    match unsafe { libc::if_nametoindex(name.as_ptr()) } {
        0 => Err(io::Error::last_os_error()),
        index => Ok(index),
    }
}

/// The sockets of one channel's group.
#[derive(Debug)]
pub struct GroupSocket {
    pair: UdpPair,
    address: GroupAddress,
    /// Receivers' reports, which go to the group.
    hearing: Vec<Socket>,
    segmentation: bool,
}

/// What became of packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Packets that the kernel took.
    pub packets: u64,
    /// System calls.
    pub calls: u64,
    /// Packets that were given up.
    pub errors: u64,
}

impl GroupSocket {
    /// Opens them for a channel of so many tracks.
    ///
    /// # Errors
    /// The address isn't this machine's, no pair of ports is free.
    pub fn open(address: GroupAddress, way: &WayOut, tracks: usize) -> io::Result<Self> {
        let pair = UdpPair::bind(way.source, None)?;
        for socket in pair.sockets() {
            way.set(&SockRef::from(&socket), address.ttl)?;
        }
        let mut hearing = Vec::new();
        // Of a source-specific group nobody but the source is heard.
        for track in (0..tracks).filter(|_| !address.source_specific).map_while(|track| address.track(track)) {
            match way.hear(track.rtcp) {
                Ok(socket) => hearing.push(socket),
                // Reports are not needed to send.
                Err(error) => tracing::warn!(at = %track.rtcp, %error, "receivers of this group can't be counted"),
            }
        }
        Ok(Self { pair, address, hearing, segmentation: true })
    }

    /// Where it sends to.
    pub fn address(&self) -> &GroupAddress {
        &self.address
    }

    /// Sends packets of a train to an RTP port: those of equal size in one call each (UDP GSO).
    pub fn send(&mut self, to: SocketAddr, train: &Train, packets: Range<usize>) -> Sent {
        let (to, mut sent) = (SockAddr::from(to), Sent::default());
        let mut at = packets.start;
        while at < packets.end {
            let most = if self.segmentation { (packets.end - at).min(MAX_SEGMENTS) } else { 1 };
            let Some(run) = train.segments(at, most, MAX_SEGMENTED_BYTES) else { break };
            at += run.count;
            sent.calls += 1;
            match self.send_run(&to, train.bytes(), run) {
                Ok(()) => sent.packets += run.count as u64,
                Err(error) if run.count > 1 => {
                    if error.raw_os_error() == Some(libc::EIO) {
                        tracing::warn!(%error, group = %self.address.group, "packets go one by one");
                        self.segmentation = false;
                    }
                    for start in (run.start..run.end).step_by(run.size.max(1)) {
                        let end = (start + run.size).min(run.end);
                        sent.calls += 1;
                        match self.send_run(&to, train.bytes(), Segments { start, end, size: run.size, count: 1 }) {
                            Ok(()) => sent.packets += 1,
                            Err(_) => sent.errors += 1,
                        }
                    }
                }
                Err(_) => sent.errors += 1,
            }
        }
        sent
    }

    fn send_run(&self, to: &SockAddr, bytes: &[u8], run: Segments) -> io::Result<()> {
        let bytes = [IoSlice::new(bytes.get(run.start..run.end).unwrap_or_default())];
        let control = segment_control(u16::try_from(run.size).unwrap_or(u16::MAX));
        let message = MsgHdr::new().with_addr(to).with_buffers(&bytes);
        let message = if run.count > 1 { message.with_control(&control) } else { message };
        let [rtp, _] = self.pair.sockets();
        SockRef::from(&rtp).sendmsg(&message, libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL).map(drop)
    }

    /// Sends a compound to an RTCP port.
    ///
    /// # Errors
    /// The socket's.
    pub fn send_rtcp(&self, to: SocketAddr, packet: &[u8]) -> io::Result<()> {
        self.pair.send_rtcp(&to, packet)
    }

    /// Gives each compound that has come to `handle`, at most `limit` from each socket.
    pub fn receive_rtcp(&self, limit: usize, mut handle: impl FnMut(&[u8])) {
        let mut buffer = [0; MAX_RTCP];
        for socket in &self.hearing {
            for _ in 0..limit {
                let Ok(count) = read(socket, &mut buffer) else { break };
                handle(buffer.get(..count).unwrap_or_default());
            }
        }
        for _ in 0..limit {
            let Some((count, _)) = self.pair.receive_rtcp(&mut buffer) else { break };
            handle(buffer.get(..count).unwrap_or_default());
        }
        self.pair.drain_rtp(limit);
    }
}

fn read(mut socket: &Socket, buffer: &mut [u8]) -> io::Result<usize> {
    io::Read::read(&mut socket, buffer)
}

const WORD: usize = mem::size_of::<usize>();
/// `cmsg_len` of the kernel's width, `cmsg_level`, `cmsg_type`, and two bytes filled up to a word.
const CONTROL: usize = 2 * WORD + 8;

/// The control message by which the kernel cuts what is sent into segments of `size` bytes (`cmsg(3)`, `udp(7)`).
fn segment_control(size: u16) -> [u8; CONTROL] {
    let fields: [&[u8]; 4] = [
        &(WORD + 8 + mem::size_of::<u16>()).to_ne_bytes(),
        &libc::SOL_UDP.to_ne_bytes(),
        &libc::UDP_SEGMENT.to_ne_bytes(),
        &size.to_ne_bytes(),
    ];
    let mut control = [0; CONTROL];
    for (byte, field) in control.iter_mut().zip(fields.into_iter().flatten()) {
        *byte = *field;
    }
    control
}

#[cfg(test)]
mod tests {
    use super::*;
    use rtp::train::Framing;
    use std::time::Duration;

    /// A group's sockets on loopback; `None` where the machine knows no multicast there.
    fn group(source_specific: bool) -> Option<GroupSocket> {
        let group: IpAddr = [239, 255, 77, 1 + u8::from(source_specific)].into();
        let port = 2 * (10_000 + std::process::id() as u16 % 10_000) + 100 * u16::from(source_specific);
        let way = WayOut::find(group, Some("127.0.0.1"), None).unwrap();
        let address = GroupAddress { group, port, ttl: 3, source: way.source, source_specific };
        GroupSocket::open(address, &way, 2).ok()
    }

    #[test]
    fn equal_packets_leave_in_one_call_and_arrive_one_by_one() {
        let Some(mut socket) = group(false) else { return println!("skipped: no multicast on loopback") };
        let to = socket.address().track(1).unwrap();
        let hearing = UdpSocket::bind(to.rtp).unwrap();
        hearing.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let IpAddr::V4(group) = to.rtp.ip() else { panic!("an IPv4 group") };
        hearing.join_multicast_v4(&group, &Ipv4Addr::LOCALHOST).unwrap();
        let mut train = Train::new(Framing::Datagram);
        for (index, size) in [100, 500, 500, 500, 40].into_iter().enumerate() {
            train.begin().extend(vec![index as u8; size]);
            train.finish();
        }
        let sent = socket.send(to.rtp, &train, 0..5);
        assert_eq!((sent.packets, sent.errors), (5, 0));
        assert!(sent.calls == 2 || !socket.segmentation, "{sent:?}");
        for (index, size) in [100, 500, 500, 500, 40].into_iter().enumerate() {
            let mut buffer = [0; 2048];
            let (count, from) = hearing.recv_from(&mut buffer).unwrap();
            assert_eq!(buffer[..count], vec![index as u8; size]);
            assert_eq!(from.ip(), socket.address().source);
        }
        // Reports of receivers come to the group, as ours do.
        socket.send_rtcp(to.rtcp, b"report").unwrap();
        let mut heard = Vec::new();
        for _ in 0..100 {
            socket.receive_rtcp(10, |bytes| heard.push(bytes.to_vec()));
            if !heard.is_empty() {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        assert_eq!(heard, [b"report".to_vec()]);
    }

    #[test]
    fn nobody_is_heard_in_a_source_specific_group() {
        let Some(socket) = group(true) else { return println!("skipped: no multicast on loopback") };
        assert!(socket.hearing.is_empty());
    }

    #[test]
    fn a_way_out_is_found_by_name_address_and_source() {
        let v4: IpAddr = [239, 255, 0, 1].into();
        for (interface, source, good) in [
            (Some("lo"), None, true),
            (Some("127.0.0.1"), None, true),
            (Some("lo"), Some("127.0.0.1"), true),
            (None, Some("127.0.0.1"), true),
            (Some("none0"), None, false),
            (Some("192.0.2.77"), None, false),
            (None, Some("192.0.2.77"), false),
            (None, Some("::1"), false),
        ] {
            let found = WayOut::find(v4, interface, source.map(|source| source.parse().unwrap()));
            assert_eq!(found.is_ok(), good, "{interface:?} {source:?}: {found:?}");
            if let Ok(way) = found {
                assert!(way.source == IpAddr::from([127, 0, 0, 1]) && way.index > 0, "{way:?}");
            }
        }
    }
}
