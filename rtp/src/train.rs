//! A contiguous run of finished packets, ready to be sent.

/// How packets lie in a [`Train`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// Packet after packet, for UDP.
    Datagram,
    /// Each packet behind its four bytes `$`, channel, length (RFC 2326 section 10.12).
    Interleaved {
        /// The channel of the track's RTP packets.
        channel: u8,
    },
}

/// A run of packets of one track, laid down once.
///
/// Write a packet with [`Train::begin`], any number of `extend` calls on the buffer that it gives,
/// and [`Train::finish`].
#[derive(Clone, Debug)]
pub struct Train {
    framing: Framing,
    bytes: Vec<u8>,
    ends: Vec<u32>,
    /// Some packets were filled up.
    padded: bool,
    /// Used by [`Train::fill_up`] alone; kept for its memory.
    sizes: Vec<u32>,
}

/// Packets of one train that can leave in one segmented send (UDP GSO): all as long as the first, but
/// for the last, which may be shorter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segments {
    /// Where the run's bytes start in [`Train::bytes`].
    pub start: usize,
    /// Where they end.
    pub end: usize,
    /// Bytes of each packet but perhaps the last.
    pub size: usize,
    /// How many packets.
    pub count: usize,
}

/// `$`, channel, 16-bit length.
const FRAME_HEADER: usize = 4;

/// The bit of an RTP packet's first byte that says that its last byte counts padding, and the most that it can count
/// (RFC 3550 section 5.1).
const PADDING: u8 = 0x20;
const MAX_PADDING: usize = 255;

impl Train {
    /// An empty train.
    pub fn new(framing: Framing) -> Self {
        Self { framing, bytes: Vec::new(), ends: Vec::new(), padded: false, sizes: Vec::new() }
    }

    /// Empties it for another track, keeping its memory.
    pub fn clear(&mut self, framing: Framing) {
        self.framing = framing;
        self.bytes.clear();
        self.ends.clear();
        self.padded = false;
    }

    /// Starts a packet; what is then pushed to the buffer is its bytes, RTP header first.
    pub fn begin(&mut self) -> &mut Vec<u8> {
        if let Framing::Interleaved { channel } = self.framing {
            self.bytes.extend_from_slice(&[b'$', channel, 0, 0]);
        }
        &mut self.bytes
    }

    /// The buffer of the packet that was begun and not yet finished.
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Ends the packet begun last.
    pub fn finish(&mut self) {
        let start = self.end(self.ends.len());
        if let Framing::Interleaved { .. } = self.framing {
            let length = self.bytes.len() - start - FRAME_HEADER;
            debug_assert!(length <= usize::from(u16::MAX));
            self.bytes[start + 2..start + 4].copy_from_slice(&(length as u16).to_be_bytes());
        }
        self.ends.push(self.bytes.len() as u32);
    }

    /// Keeps the first `packets` packets and drops what was written after them, finished or not.
    pub fn truncate(&mut self, packets: usize) {
        self.ends.truncate(packets);
        self.bytes.truncate(self.end(self.ends.len()));
    }

    /// How many packets are finished.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether no packet is finished.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The whole run as it goes to the wire, `$` frames and all where interleaved.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Where packet `index` starts in [`Train::bytes`], frame header included; `len()` gives the end of the run.
    pub fn end(&self, index: usize) -> usize {
        if index == 0 { 0 } else { self.ends[index - 1] as usize }
    }

    /// The RTP packet `index`, without frame header.
    pub fn packet(&self, index: usize) -> &[u8] {
        let header = if let Framing::Interleaved { .. } = self.framing { FRAME_HEADER } else { 0 };
        &self.bytes[self.end(index) + header..self.end(index + 1)]
    }

    /// Gives the packets from `from` on another SSRC.
    pub fn rename(&mut self, from: usize, ssrc: u32) {
        const SSRC: std::ops::Range<usize> = 8..12;
        let header = if let Framing::Interleaved { .. } = self.framing { FRAME_HEADER } else { 0 };
        for index in from..self.len() {
            let start = self.end(index) + header;
            if let Some(field) = self.bytes.get_mut(start + SSRC.start..start + SSRC.end) {
                field.copy_from_slice(&ssrc.to_be_bytes());
            }
        }
    }

    /// Adds another train's packets, framed as here and without the padding that they were given there.
    pub fn append(&mut self, other: &Train) {
        for packet in (0..other.len()).map(|index| other.packet(index)) {
            let filled = other.padded && packet[0] & PADDING != 0;
            let padding = if filled { usize::from(packet[packet.len() - 1]) } else { 0 };
            let start = self.begin().len();
            self.bytes.extend_from_slice(&packet[..packet.len() - padding]);
            if filled {
                self.bytes[start] &= !PADDING;
            }
            self.finish();
        }
    }

    /// Fills packets up by RTP padding where they can then leave in fewer segmented sends: all packets of a send must be
    /// equal but for a shorter last one, and where a payload format forbids an equal cut (whole slices, say) this is what
    /// makes them so. What is padded costs the wire at most 255 bytes a packet, a send of its own costs the sender as much
    /// as dozens of packets. `at_once` packets leave together at most, from the first on. Interleaved packets stay as
    /// they are. Answers the bytes added.
    pub fn fill_up(&mut self, at_once: usize) -> usize {
        let most = at_once.max(1);
        if self.framing != Framing::Datagram || (self.len() <= most && self.is_one_send()) {
            return 0;
        }
        self.sizes.clear();
        let mut start = 0;
        self.sizes.extend(self.ends.iter().map(|end| end - std::mem::replace(&mut start, *end)));
        let mut added = 0;
        for chunk in self.sizes.chunks_mut(most) {
            let mut rest = chunk;
            while !rest.is_empty() {
                let (count, size) = fillable(rest);
                let (run, after) = rest.split_at_mut(count);
                for packet in &mut run[..count - 1] {
                    added += (size - *packet) as usize;
                    *packet = size;
                }
                rest = after;
            }
        }
        if added > 0 {
            self.padded = true;
            self.widen(added);
        }
        added
    }

    /// Whether all packets can leave in one send as they are.
    fn is_one_send(&self) -> bool {
        self.segments(0, self.len(), usize::MAX).is_none_or(|run| run.count == self.len())
    }

    /// Moves the packets apart to the lengths in `sizes`, together `added` more than now, and pads them.
    fn widen(&mut self, added: usize) {
        let mut new_end = self.bytes.len() + added;
        self.bytes.resize(new_end, 0);
        for index in (0..self.len()).rev() {
            let (start, end) = (self.end(index), self.end(index + 1));
            if end == new_end {
                break;
            }
            let size = self.sizes[index] as usize;
            let new_start = new_end - size;
            self.bytes.copy_within(start..end, new_start);
            let padding = size - (end - start);
            if padding > 0 {
                self.bytes[new_end - padding..new_end].fill(0);
                self.bytes[new_end - 1] = padding as u8;
                self.bytes[new_start] |= PADDING;
            }
            self.ends[index] = new_end as u32;
            new_end = new_start;
        }
    }

    /// Bytes of padding in `packets`.
    pub fn padding(&self, packets: std::ops::Range<usize>) -> usize {
        if !self.padded {
            return 0;
        }
        let padded = packets.map(|index| self.packet(index)).filter(|packet| packet[0] & PADDING != 0);
        padded.map(|packet| usize::from(packet[packet.len() - 1])).sum()
    }

    /// The longest run from packet `from` on that one segmented send can carry: at most `max_packets`
    /// packets and `max_bytes` bytes. `None` past the last packet.
    pub fn segments(&self, from: usize, max_packets: usize, max_bytes: usize) -> Option<Segments> {
        if from >= self.len() {
            return None;
        }
        let start = self.end(from);
        let size = self.end(from + 1) - start;
        let mut last = from + 1;
        while last < self.len() && last - from < max_packets && self.end(last + 1) - start <= max_bytes {
            let next = self.end(last + 1) - self.end(last);
            if next > size {
                break;
            }
            last += 1;
            if next < size {
                break;
            }
        }
        Some(Segments { start, end: self.end(last), size, count: last - from })
    }
}

/// How many packets of these lengths, from the first on, can leave in one send, and the length to which all but the
/// last of them are then filled up.
fn fillable(lengths: &[u32]) -> (usize, u32) {
    let mut sends = Sends::default();
    let mut count = 0;
    let mut longest = 0;
    for &length in lengths {
        sends.add(length as usize);
        if sends.count() > 1 {
            break;
        }
        count += 1;
        longest = sends.longest;
    }
    (count, longest as u32)
}

/// Counts in how many sends packets of these lengths leave, filled up where that helps.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sends {
    count: usize,
    packets: usize,
    /// Of the last send.
    longest: usize,
    shortest: usize,
}

impl Sends {
    /// The next packet; none if it has no bytes.
    pub(crate) fn add(&mut self, length: usize) {
        if length == 0 {
            return;
        }
        self.packets += 1;
        // The last one of a send may be as short as it likes; the others are filled up to the longest.
        let longest = self.longest.max(length);
        if self.count > 0 && longest - self.shortest <= MAX_PADDING {
            (self.longest, self.shortest) = (longest, self.shortest.min(length));
        } else {
            self.count += 1;
            (self.longest, self.shortest) = (length, length);
        }
    }

    /// Sends so far.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// The longest packet of the last send.
    pub(crate) fn longest(&self) -> usize {
        self.longest
    }

    /// Packets so far.
    pub(crate) fn packets(&self) -> usize {
        self.packets
    }
}

/// Packets that a picture may have more to leave in one send less. A packet costs the wire and the receiver some headers,
/// a send of its own costs the sender as much as dozens of packets.
pub(crate) const PACKETS_FOR_A_SEND: usize = 6;

/// The most bytes of a payload, from `least` to `max`, by which a picture is cut so that its packets leave in few sends; `cut`
/// counts those. Packets of a send are equal, or can be padded so, and whole slices never are by themselves: somewhat shorter
/// payloads make more packets of more equal length, which is worth it up to a point ([`PACKETS_FOR_A_SEND`]).
pub(crate) fn best_limit(least: usize, max: usize, cut: impl Fn(usize) -> Sends) -> usize {
    let (mut best, mut lowest) = (max, usize::MAX);
    for eighths in (2..=8).rev() {
        let limit = (max * eighths / 8).max(least);
        let sends = cut(limit);
        let cost = sends.packets() + PACKETS_FOR_A_SEND * sends.count();
        if cost < lowest {
            (best, lowest) = (limit, cost);
        }
        // Shorter payloads only make more packets.
        if sends.packets() + PACKETS_FOR_A_SEND >= lowest {
            break;
        }
    }
    best
}

#[cfg(test)]
mod tests;
