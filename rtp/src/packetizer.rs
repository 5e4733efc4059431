//! Access units to RTP packets: what of a packet does not depend on the payload format.

use crate::access_unit::AccessUnit;
use crate::clock::RtpTimestamp;
use crate::format::Format;
use crate::mp2t::Unit;
use crate::packet::{HEADER_LEN, write_header};
use crate::payload::{PayloadError, Payloader, mp2t};
use crate::seq::Sequence;
use crate::train::Train;

/// The smallest packet that every payload format can keep its headers whole in: RFC 2250 section 3.1 asks for
/// 261 bytes of payload behind its own header of 4.
pub const MIN_PACKET: usize = HEADER_LEN + 4 + 261;

/// The largest: an interleaved frame's length has 16 bits (RFC 2326 section 10.12).
pub const MAX_PACKET: usize = 65_535;

/// What every payload may have, and what none can exceed.
pub(crate) const MIN_PAYLOAD: usize = MIN_PACKET - HEADER_LEN;
pub(crate) const MAX_PAYLOAD: usize = MAX_PACKET - HEADER_LEN;

/// Makes one source's packets: one track as one viewer gets it.
#[derive(Debug)]
pub struct Packetizer {
    payloader: Payloader,
    source: Source,
    max_payload: usize,
    share_sends: bool,
}

/// What the packets' headers take from the source, and what they leave behind in it.
#[derive(Clone, Copy, Debug)]
struct Source {
    payload_type: u8,
    ssrc: u32,
    sequence: Sequence,
    mark_start: bool,
}

impl Packetizer {
    /// A source whose first packet will have the number `first_sequence`. `max_packet` counts the bytes of a
    /// whole RTP packet, header included, and is brought between [`MIN_PACKET`] and [`MAX_PACKET`].
    pub fn new(format: &Format, payload_type: u8, ssrc: u32, first_sequence: u16, max_packet: usize) -> Self {
        Self {
            payloader: Payloader::new(format),
            source: Source { payload_type, ssrc, sequence: Sequence(first_sequence), mark_start: true },
            max_payload: max_packet.clamp(MIN_PACKET, MAX_PACKET) - HEADER_LEN,
            share_sends: false,
        }
    }

    /// Whether packets will be [filled up](Train::fill_up) to leave in segmented sends: a payload format that can't make
    /// equal packets then cuts so that this succeeds, at the price of some packets more.
    pub fn share_sends(&mut self, share: bool) {
        self.share_sends = share;
    }

    /// Where payloads tell times of their own (ASF does), they are from now on what the timestamp counts from `zero`, and
    /// so go on over seeks and at every rate as timestamps do. Without it they are the film's.
    pub fn count_time_from(&mut self, zero: RtpTimestamp) {
        if let Payloader::Asf(payloader) = &mut self.payloader {
            payloader.zero = Some(zero);
        }
    }

    /// The number of the packet that comes next.
    pub fn next_sequence(&self) -> u16 {
        self.source.sequence.0
    }

    /// Another packetizer of the same source has sent packets: the next one here has the number `sequence`.
    pub fn go_on_from(&mut self, sequence: u16) {
        self.source.sequence = Sequence(sequence);
    }

    /// The source's name in every packet.
    pub fn ssrc(&self) -> u32 {
        self.source.ssrc
    }

    /// The source takes another name (RFC 3550 section 8.2).
    pub fn rename(&mut self, ssrc: u32) {
        self.source.ssrc = ssrc;
    }

    /// The next packet is the first after PLAY: for audio, a talkspurt starts with it (RFC 3551 section 4.1); MPEG video
    /// cuts its first picture otherwise. A new packetizer stands at such a start; other formats ignore it.
    pub fn mark_start(&mut self) {
        self.source.mark_start = true;
    }

    /// Appends the packets of `units` to `train`. Where [`Format::bundling`] says so, consecutive units share
    /// packets, up to 200 ms in each (RFC 3551 section 4.2).
    ///
    /// # Errors
    /// Stored bytes that are not the format's stored form. Train and sequence number are then as they were.
    pub fn packetize(&mut self, units: &[AccessUnit<'_>], train: &mut Train) -> Result<(), PayloadError> {
        let packets_before = train.len();
        let (source, max_payload) = (self.source, self.max_payload);
        let mut writer = PacketWriter { source, max_payload, share_sends: self.share_sends, train };
        match self.payloader.packetize(units, &mut writer) {
            Ok(()) => {
                self.source = writer.source;
                Ok(())
            }
            Err(error) => {
                train.truncate(packets_before);
                Err(error)
            }
        }
    }
}

impl Packetizer {
    /// As [`Packetizer::packetize`], of a transport stream: `units` are those of all its streams in decode order; what
    /// follows them is decoded at `end`.
    ///
    /// # Errors
    /// Stored bytes that are not their format's stored form; after one the stream can't go on. Other formats than
    /// [`Format::Mp2t`].
    pub fn multiplex(&mut self, units: &[Unit<'_>], end: RtpTimestamp, train: &mut Train) -> Result<(), PayloadError> {
        let Payloader::Mp2t(multiplexer) = &mut self.payloader else {
            return Err(mp2t::error((0, "this format is packetized")));
        };
        let packets_before = train.len();
        let (source, max_payload) = (self.source, self.max_payload);
        // Whole transport packets are equal anyway.
        let mut writer = PacketWriter { source, max_payload, share_sends: false, train };
        let result = multiplexer.multiplex(units, end, |time, payload| writer.write(time, false, &[payload]));
        match result {
            Ok(()) => self.source = writer.source,
            Err(_) => train.truncate(packets_before),
        }
        result.map_err(mp2t::error)
    }
}

/// Where a payloader puts its payloads.
#[derive(Debug)]
pub(crate) struct PacketWriter<'a> {
    source: Source,
    max_payload: usize,
    share_sends: bool,
    train: &'a mut Train,
}

impl PacketWriter<'_> {
    /// Bytes that a payload may have, the payload format's own header included.
    pub(crate) fn max_payload(&self) -> usize {
        self.max_payload
    }

    /// Whether equal packets are worth more packets.
    pub(crate) fn shares_sends(&self) -> bool {
        self.share_sends
    }

    /// Writes one packet whose payload is `parts`, one after the other.
    pub(crate) fn write(&mut self, timestamp: RtpTimestamp, marker: bool, parts: &[&[u8]]) {
        let out = self.begin(timestamp, marker);
        for part in parts {
            out.extend_from_slice(part);
        }
        self.finish();
    }

    /// Starts a packet; the payload is then pushed to what this gives, and [`PacketWriter::finish`] ends it.
    pub(crate) fn begin(&mut self, timestamp: RtpTimestamp, marker: bool) -> &mut Vec<u8> {
        let Source { payload_type, ssrc, sequence, .. } = self.source;
        self.source.sequence = sequence.next();
        let out = self.train.begin();
        write_header(out, payload_type, marker, sequence, timestamp, ssrc);
        out
    }

    /// Ends the packet begun last.
    pub(crate) fn finish(&mut self) {
        self.train.finish();
    }

    /// Whether the packet to come starts a talkspurt; asking ends that.
    pub(crate) fn take_start(&mut self) -> bool {
        std::mem::take(&mut self.source.mark_start)
    }
}
