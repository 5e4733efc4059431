//! What is announced, when, and under which hash (RFC 2974 sections 3 to 5).

use super::sap::SapPacket;
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    net::IpAddr,
    time::{Duration, Instant},
};

/// Announcements of others that are counted: whoever sends more under ever new names only wants us to fall silent.
const MAX_HEARD: usize = 1000;

/// Others' announcements are forgotten after this, or ten times what lies between ours (section 4).
const FORGET: Duration = Duration::from_secs(3600);

/// How often things are announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnnouncerOptions {
    /// Bits per second of all announcements on a group, others' too (section 3.1: 4000).
    pub limit_bps: u32,
    /// Announcements of one session are at least so far apart (section 3.1: 300 s).
    pub least_interval: Duration,
}

impl Default for AnnouncerOptions {
    fn default() -> Self {
        Self { limit_bps: 4000, least_interval: Duration::from_secs(300) }
    }
}

/// What announces a front's groups.
///
/// Call [`Announcer::announce`] and [`Announcer::withdraw`] as groups come, change and go, [`Announcer::handle`] with
/// what is heard, and [`Announcer::poll`] until it gives nothing, each time and at [`Announcer::next`].
#[derive(Debug)]
pub struct Announcer {
    options: AnnouncerOptions,
    random: StdRng,
    own: BTreeMap<String, Own>,
    /// Others', and when they were last heard: SAP group, source, hash.
    heard: HashMap<(IpAddr, IpAddr, u16), Instant>,
    out: VecDeque<Outgoing>,
}

/// A packet for port 9875.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// What it is about.
    pub key: String,
    /// The SAP group.
    pub to: IpAddr,
    /// The packet.
    pub bytes: Vec<u8>,
}

#[derive(Debug)]
struct Own {
    to: IpAddr,
    source: IpAddr,
    hash: u16,
    sdp: String,
    /// When it was sent last; `None`: not yet.
    last: Option<Instant>,
    /// How far within the interval's spread the next one lies: 0 to 1.
    spread: f64,
}

impl Announcer {
    /// Nothing to announce yet. A run is a function of `seed`.
    pub fn new(options: AnnouncerOptions, seed: u64) -> Self {
        let random = StdRng::seed_from_u64(seed);
        Self { options, random, own: BTreeMap::new(), heard: HashMap::new(), out: VecDeque::new() }
    }

    /// Announces a session, named `key` among ours, on the group `to`: at once, as all announcers do, though section 3.1
    /// would have the first one wait, too. One that has changed is deleted in its old version first.
    pub fn announce(&mut self, key: &str, to: IpAddr, source: IpAddr, sdp: &str) {
        if self.own.get(key).is_some_and(|own| own.sdp == sdp && own.to == to && own.source == source) {
            return;
        }
        let before = self.own.get(key).map(|own| own.hash);
        self.withdraw(key);
        let wished = fold(sdp);
        // A changed description must not have the hash that it had, should both fold to the same.
        let wished = if before == Some(wished) { wished.wrapping_add(1) } else { wished };
        let hash = self.free_hash(to, source, wished);
        let spread = self.random.random();
        let own = Own { to, source, hash, sdp: sdp.to_owned(), last: None, spread };
        self.own.insert(key.to_owned(), own);
    }

    /// Whether a session of that name is announced.
    pub fn announces(&self, key: &str) -> bool {
        self.own.contains_key(key)
    }

    /// The session is over: its deletion goes out at once.
    pub fn withdraw(&mut self, key: &str) {
        let Some(own) = self.own.remove(key) else { return };
        if own.last.is_some() {
            self.out.push_back(Outgoing { key: key.to_owned(), to: own.to, bytes: own.deletion() });
        }
    }

    /// A packet was heard on the group `on`: others' count for the interval, and one with our source and hash that is not
    /// ours, as another front on this machine may send it, makes us take another hash. False: it is none.
    pub fn handle(&mut self, on: IpAddr, bytes: &[u8], now: Instant) -> bool {
        let Ok(packet) = SapPacket::parse(bytes) else { return false };
        let same = |own: &Own| own.to == on && own.source == packet.source && own.hash == packet.hash;
        let name = (on, packet.source, packet.hash);
        let ours = self.own.iter().find(|(_, own)| same(own)).map(|(key, own)| (key.clone(), own.is(packet.sdp)));
        match ours {
            Some((_, true)) => {}
            // The deletion of what we have begun to announce anew.
            Some(_) if packet.deletes => {}
            Some((key, false)) => {
                self.hear(name, now);
                if let Some(mut own) = self.own.remove(&key) {
                    // By chance: the other one looks for another, too.
                    let wished = self.random.random();
                    own.hash = self.free_hash(own.to, own.source, wished);
                    own.last = None;
                    self.own.insert(key, own);
                }
            }
            None if packet.deletes => drop(self.heard.remove(&name)),
            None => self.hear(name, now),
        }
        true
    }

    /// The next packet to be sent; `None`: none is due.
    pub fn poll(&mut self, now: Instant) -> Option<Outgoing> {
        if let Some(outgoing) = self.out.pop_front() {
            return Some(outgoing);
        }
        let forget = FORGET.max(10 * self.options.least_interval);
        self.heard.retain(|_, at| now.saturating_duration_since(*at) < forget);
        // Looking at the count only now is the reconsideration of section 3.1: by then it may have grown.
        let due = |own: &Own| self.due(own).is_none_or(|due| due <= now);
        let key = self.own.iter().find(|(_, own)| due(own)).map(|(key, _)| key.clone())?;
        let spread = self.random.random();
        let own = self.own.get_mut(&key)?;
        own.last = Some(now);
        own.spread = spread;
        Some(Outgoing { to: own.to, bytes: own.announcement(), key })
    }

    /// When to poll again at the latest, if nothing happens before; `None`: nothing is announced.
    pub fn next(&self, now: Instant) -> Option<Instant> {
        if !self.out.is_empty() {
            return Some(now);
        }
        self.own.values().map(|own| self.due(own).unwrap_or(now)).min()
    }

    /// When it is to be sent; `None`: at once.
    fn due(&self, own: &Own) -> Option<Instant> {
        let interval = self.interval(own.to, own.announcement_bytes());
        // interval + rand(interval * 2/3) - interval / 3
        Some(own.last? + interval.mul_f64(2.0 / 3.0 + own.spread * 2.0 / 3.0))
    }

    fn interval(&self, to: IpAddr, bytes: usize) -> Duration {
        let ours = self.own.values().filter(|own| own.to == to).count();
        let others = self.heard.keys().filter(|(on, ..)| *on == to).count();
        let bits = 8.0 * (ours + others) as f64 * bytes as f64;
        let by_bandwidth = Duration::from_secs_f64(bits / f64::from(self.options.limit_bps.max(1)));
        by_bandwidth.max(self.options.least_interval)
    }

    fn hear(&mut self, name: (IpAddr, IpAddr, u16), now: Instant) {
        if self.heard.len() < MAX_HEARD || self.heard.contains_key(&name) {
            self.heard.insert(name, now);
        }
    }

    /// The first hash from `wished` on that nobody uses with this source.
    fn free_hash(&self, to: IpAddr, source: IpAddr, wished: u16) -> u16 {
        let mut hash = wished;
        let taken = |hash| {
            let mut own = self.own.values().filter(|own| own.source == source);
            hash == 0 || self.heard.contains_key(&(to, source, hash)) || own.any(|own| own.hash == hash)
        };
        // Fewer are known than there are hashes.
        while taken(hash) {
            hash = hash.wrapping_add(1);
        }
        hash
    }
}

impl Own {
    fn announcement(&self) -> Vec<u8> {
        self.packet(false, self.sdp.as_bytes()).write()
    }

    fn announcement_bytes(&self) -> usize {
        // The packet's own head, and the headers of IP and UDP.
        self.sdp.len() + if self.source.is_ipv6() { 36 + 48 } else { 24 + 28 }
    }

    /// The `o=` line (section 6).
    fn deletion(&self) -> Vec<u8> {
        let origin = self.sdp.lines().find(|line| line.starts_with("o=")).unwrap_or_default();
        self.packet(true, format!("{origin}\r\n").as_bytes()).write()
    }

    fn packet<'a>(&self, deletes: bool, sdp: &'a [u8]) -> SapPacket<'a> {
        SapPacket { deletes, source: self.source, hash: self.hash, sdp: Some(sdp) }
    }

    fn is(&self, sdp: Option<&[u8]>) -> bool {
        sdp == Some(self.sdp.as_bytes())
    }
}

/// FNV-1a, folded to 16 bits.
fn fold(text: &str) -> u16 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325, step);
    (hash ^ hash >> 16 ^ hash >> 32 ^ hash >> 48) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    const TO: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(239, 255, 255, 255));
    const SOURCE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    fn sdp(version: u32) -> String {
        format!("v=0\r\no=- 7 {version} IN IP4 192.0.2.1\r\ns=x\r\n")
    }

    /// All that is due now: whether it deletes, its hash and its payload.
    fn drain(announcer: &mut Announcer, now: Instant) -> Vec<(bool, u16, String)> {
        let mut all = Vec::new();
        while let Some(outgoing) = announcer.poll(now) {
            let packet = SapPacket::parse(&outgoing.bytes).unwrap();
            assert_eq!((outgoing.to, packet.source), (TO, SOURCE));
            all.push((packet.deletes, packet.hash, String::from_utf8(packet.sdp.unwrap().to_vec()).unwrap()));
        }
        all
    }

    #[test]
    fn a_change_deletes_the_old_version_and_has_a_new_hash() {
        let now = Instant::now();
        let mut announcer = Announcer::new(AnnouncerOptions::default(), 1);
        assert_eq!(announcer.next(now), None);
        announcer.announce("news", TO, SOURCE, &sdp(1));
        assert_eq!(announcer.next(now), Some(now));
        let first = drain(&mut announcer, now);
        assert!(first.len() == 1 && !first[0].0 && first[0].1 != 0 && first[0].2 == sdp(1), "{first:?}");
        announcer.announce("news", TO, SOURCE, &sdp(1));
        assert_eq!(drain(&mut announcer, now), []);
        announcer.announce("news", TO, SOURCE, &sdp(2));
        let second = drain(&mut announcer, now);
        assert_eq!(second[0], (true, first[0].1, "o=- 7 1 IN IP4 192.0.2.1\r\n".into()));
        assert!(second.len() == 2 && second[1].1 != first[0].1 && second[1].2 == sdp(2), "{second:?}");
        announcer.withdraw("news");
        let last = drain(&mut announcer, now);
        assert_eq!(last, [(true, second[1].1, "o=- 7 2 IN IP4 192.0.2.1\r\n".into())]);
        announcer.announce("never", TO, SOURCE, &sdp(3));
        announcer.withdraw("never");
        assert_eq!(drain(&mut announcer, now), [], "what was never announced is not deleted");
    }

    #[test]
    fn intervals_spread_by_a_third_around_what_the_bandwidth_leaves() {
        let bytes = sdp(0).len() + 24 + 28;
        // Announcements of others, the limit and the base interval in seconds.
        for (others, limit_bps, base) in [
            (0, 4000, 300.0),
            (999, 1000, 8.0 * 1000.0 * bytes as f64 / 1000.0),
            (5000, 1000, 8.0 * 1001.0 * bytes as f64 / 1000.0),
        ] {
            let start = Instant::now();
            let options = AnnouncerOptions { limit_bps, ..AnnouncerOptions::default() };
            let mut announcer = Announcer::new(options, 7);
            announcer.announce("news", TO, SOURCE, &sdp(0));
            let (mut now, mut seen) = (start, Vec::new());
            for round in 0..300 {
                for other in 0..others.min(if round == 0 { u32::MAX } else { 1000 }) {
                    let source = IpAddr::from((other + 1).to_be_bytes());
                    let packet = SapPacket { deletes: false, source, hash: 9, sdp: Some(b"v=0") };
                    announcer.handle(TO, &packet.write(), now);
                }
                assert_eq!(drain(&mut announcer, now).len(), 1);
                let next = announcer.next(now).unwrap();
                seen.push((next - now).as_secs_f64());
                assert_eq!(drain(&mut announcer, next - Duration::from_millis(1)), []);
                now = next;
            }
            let (least, most) =
                (seen.iter().copied().fold(f64::MAX, f64::min), seen.iter().copied().fold(0.0, f64::max));
            assert!(least >= base * 0.666 && least < base * 0.70, "{others}: {least} of {base}");
            assert!(most <= base * 1.334 && most > base * 1.30, "{others}: {most} of {base}");
        }
    }

    #[test]
    fn others_are_counted_until_they_end_and_a_clash_gives_another_hash() {
        let now = Instant::now();
        let mut announcer = Announcer::new(AnnouncerOptions::default(), 1);
        announcer.announce("news", TO, SOURCE, &sdp(1));
        let hash = drain(&mut announcer, now)[0].1;
        let ours = SapPacket { deletes: false, source: SOURCE, hash, sdp: Some(sdp(1).as_bytes()) }.write();
        assert!(announcer.handle(TO, &ours, now));
        assert_eq!(drain(&mut announcer, now), [], "our own, heard again");
        let clash = SapPacket { deletes: false, source: SOURCE, hash, sdp: Some(b"v=0 another front's") }.write();
        assert!(announcer.handle(TO, &clash, now));
        let again = drain(&mut announcer, now);
        assert!(again.len() == 1 && again[0].1 != hash && !again[0].0, "{again:?}");
        assert_eq!(announcer.heard.len(), 1);
        let gone = SapPacket { deletes: true, source: SOURCE, hash, sdp: Some(b"o=") }.write();
        assert!(announcer.handle(TO, &gone, now));
        assert_eq!(announcer.heard.len(), 0);
        assert!(!announcer.handle(TO, b"nothing", now));
    }
}
