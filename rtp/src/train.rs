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

impl Train {
    /// An empty train.
    pub fn new(framing: Framing) -> Self {
        Self { framing, bytes: Vec::new(), ends: Vec::new() }
    }

    /// Empties it for another track, keeping its memory.
    pub fn clear(&mut self, framing: Framing) {
        self.framing = framing;
        self.bytes.clear();
        self.ends.clear();
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

#[cfg(test)]
mod tests {
    use super::*;

    fn train(framing: Framing, sizes: &[usize]) -> Train {
        let mut train = Train::new(framing);
        for (index, &size) in sizes.iter().enumerate() {
            train.begin().extend(std::iter::repeat_n(index as u8, size));
            train.finish();
        }
        train
    }

    #[test]
    fn segments_are_equal_but_for_a_shorter_last() {
        let cases: &[(&[usize], &[usize])] = &[
            (&[5], &[1]),
            (&[5, 5, 5], &[3]),
            (&[5, 5, 3], &[3]),
            (&[5, 5, 3, 3], &[3, 1]),
            (&[3, 5, 5], &[1, 2]),
            (&[5, 5, 5, 5, 5], &[4, 1]),
        ];
        for (sizes, counts) in cases {
            let train = train(Framing::Datagram, sizes);
            let mut from = 0;
            let mut seen = Vec::new();
            while let Some(run) = train.segments(from, 4, 1_000) {
                seen.push(run.count);
                from += run.count;
            }
            assert_eq!(&seen, counts, "{sizes:?}");
        }
        assert_eq!(train(Framing::Datagram, &[5, 5, 5]).segments(0, 9, 12).map(|run| run.count), Some(2));
    }

    #[test]
    fn an_interleaved_packet_lies_behind_its_frame_header() {
        let train = train(Framing::Interleaved { channel: 6 }, &[2, 300]);
        assert_eq!(&train.bytes()[..6], &[b'$', 6, 0, 2, 0, 0]);
        assert_eq!(&train.bytes()[6..10], &[b'$', 6, 1, 44]);
        assert_eq!(train.packet(1).len(), 300);
    }
}
