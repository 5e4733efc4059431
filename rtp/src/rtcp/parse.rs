//! Reading what comes in.

use super::{ReportBlock, SenderReport};
use crate::clock::{NtpTimestamp, RtpTimestamp};
use crate::packet::VERSION;
use rtcp_types::prelude::*;

/// One packet of a compound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Packet {
    /// SR, from one who sends as well.
    SenderReport {
        /// What it says of itself.
        report: SenderReport,
        /// What it says of those it receives; at most 31.
        blocks: Vec<ReportBlock>,
    },
    /// RR.
    ReceiverReport {
        /// The receiver.
        ssrc: u32,
        /// At most 31.
        blocks: Vec<ReportBlock>,
    },
    /// SDES.
    Sdes {
        /// Sources and their names; those without CNAME are left out.
        cnames: Vec<(u32, String)>,
    },
    /// BYE.
    Bye {
        /// Who leaves.
        ssrcs: Vec<u32>,
    },
    /// APP.
    App {
        /// The source.
        ssrc: u32,
        /// Four ASCII characters, mostly.
        name: [u8; 4],
    },
    /// RTPFB or PSFB (RFC 4585 section 6.1).
    Feedback {
        /// About packets (RTPFB, 205) rather than pictures (PSFB, 206).
        transport: bool,
        /// FMT: which message.
        format: u8,
        /// Who says it.
        sender: u32,
        /// About which source.
        media: u32,
    },
    /// Any other type, XR (207) among them.
    Unknown {
        /// The packet type.
        packet_type: u8,
    },
}

/// Why a packet of a compound can't be read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("rtcp: packet at byte {offset}: {fault}")]
pub struct RtcpError {
    /// Where the packet starts in the compound.
    pub offset: usize,
    /// What is wrong.
    pub fault: Fault,
}

/// What can be wrong with a packet.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Fewer than four bytes are left.
    #[error("{0} bytes are no header")]
    Header(usize),
    /// Not version 2.
    #[error("version {0}, only 2 is known")]
    Version(u8),
    /// The length field reaches past the end of the compound.
    #[error("a length of {stated} bytes where {left} are left")]
    Length {
        /// Bytes, header included.
        stated: usize,
        /// Bytes left in the compound.
        left: usize,
    },
    /// The packet contradicts itself.
    #[error("{0}")]
    Content(rtcp_types::RtcpParseError),
    /// An SDES chunk or item reaches past the end of its packet.
    #[error("SDES ends inside a chunk, at byte {0} of the packet")]
    Sdes(usize),
    /// There are more than 32, the limit on what one datagram may make us read.
    #[error("more than {MAX_PACKETS} packets in one compound")]
    TooMany,
}

/// A datagram full of empty packets would hold 16 000 of them. Real compounds have two to five.
const MAX_PACKETS: usize = 32;

/// The packets of a compound, in order. A packet that can't be read is an error in its place and the next ones follow;
/// after an error of framing nothing does.
#[derive(Clone, Debug)]
pub struct Compound<'a> {
    bytes: &'a [u8],
    at: usize,
    count: usize,
}

/// Reads the RTCP packets that lie in `bytes` one after another.
///
/// That the first is SR or RR (RFC 3550 A.2) isn't asked for: RFC 5506 lets feedback come alone.
pub fn parse_compound(bytes: &[u8]) -> Compound<'_> {
    Compound { bytes, at: 0, count: 0 }
}

impl Iterator for Compound<'_> {
    type Item = Result<Packet, RtcpError>;

    fn next(&mut self) -> Option<Self::Item> {
        let offset = self.at;
        let rest = self.bytes.get(offset..).filter(|rest| !rest.is_empty())?;
        let result = frame(rest, self.count).and_then(|packet| {
            self.at += packet.len();
            self.count += 1;
            read(packet)
        });
        if self.at == offset {
            self.at = self.bytes.len();
        }
        Some(result.map_err(|fault| RtcpError { offset, fault }))
    }
}

/// The packet that `rest` begins with.
fn frame(rest: &[u8], count: usize) -> Result<&[u8], Fault> {
    let &[first, _, high, low, ..] = rest else { return Err(Fault::Header(rest.len())) };
    if first >> 6 != VERSION {
        return Err(Fault::Version(first >> 6));
    }
    if count == MAX_PACKETS {
        return Err(Fault::TooMany);
    }
    let stated = (usize::from(u16::from_be_bytes([high, low])) + 1) * 4;
    rest.get(..stated).ok_or(Fault::Length { stated, left: rest.len() })
}

fn read(packet: &[u8]) -> Result<Packet, Fault> {
    let packet_type = packet[1];
    match packet_type {
        rtcp_types::SenderReport::PACKET_TYPE => rtcp_types::SenderReport::parse(packet).map(|report| {
            let blocks = report.report_blocks().map(block).collect();
            Packet::SenderReport { report: sender_report(&report), blocks }
        }),
        rtcp_types::ReceiverReport::PACKET_TYPE => rtcp_types::ReceiverReport::parse(packet).map(|report| {
            Packet::ReceiverReport { ssrc: report.ssrc(), blocks: report.report_blocks().map(block).collect() }
        }),
        rtcp_types::Sdes::PACKET_TYPE => return cnames(packet).map(|cnames| Packet::Sdes { cnames }),
        rtcp_types::Bye::PACKET_TYPE => {
            rtcp_types::Bye::parse(packet).map(|bye| Packet::Bye { ssrcs: bye.ssrcs().collect() })
        }
        rtcp_types::App::PACKET_TYPE => {
            rtcp_types::App::parse(packet).map(|app| Packet::App { ssrc: app.ssrc(), name: app.name() })
        }
        rtcp_types::TransportFeedback::PACKET_TYPE => {
            rtcp_types::TransportFeedback::parse(packet).map(|feedback| Packet::Feedback {
                transport: true,
                format: feedback.count(),
                sender: feedback.sender_ssrc(),
                media: feedback.media_ssrc(),
            })
        }
        rtcp_types::PayloadFeedback::PACKET_TYPE => {
            rtcp_types::PayloadFeedback::parse(packet).map(|feedback| Packet::Feedback {
                transport: false,
                format: feedback.count(),
                sender: feedback.sender_ssrc(),
                media: feedback.media_ssrc(),
            })
        }
        _ => Ok(Packet::Unknown { packet_type }),
    }
    .map_err(Fault::Content)
}

fn sender_report(report: &rtcp_types::SenderReport<'_>) -> SenderReport {
    SenderReport {
        ssrc: report.ssrc(),
        ntp: NtpTimestamp(report.ntp_timestamp()),
        rtp: RtpTimestamp(report.rtp_timestamp()),
        packets: report.packet_count(),
        octets: report.octet_count(),
    }
}

fn block(block: rtcp_types::ReportBlock<'_>) -> ReportBlock {
    ReportBlock {
        ssrc: block.ssrc(),
        fraction_lost: block.fraction_lost(),
        // 24 bits, signed.
        lost: (block.cumulative_lost() << 8) as i32 >> 8,
        highest_sequence: block.extended_sequence_number(),
        jitter: block.interarrival_jitter(),
        last_report: block.last_sender_report_timestamp(),
        delay: block.delay_since_last_sender_report_timestamp(),
    }
}

/// The names in an SDES packet (6.5): chunks of an SSRC and items, each ended by a zero and filled up to four bytes.
fn cnames(packet: &[u8]) -> Result<Vec<(u32, String)>, Fault> {
    let (count, mut at) = (packet[0] & 0x1F, 4);
    let mut names = Vec::new();
    for _ in 0..count {
        let ssrc = packet.get(at..).and_then(|rest| rest.first_chunk()).ok_or(Fault::Sdes(at))?;
        at += ssrc.len();
        loop {
            match *packet.get(at..).ok_or(Fault::Sdes(at))? {
                [0, ..] => break,
                [kind, length, ref rest @ ..] => {
                    let value = rest.get(..usize::from(length)).ok_or(Fault::Sdes(at))?;
                    if kind == rtcp_types::SdesItem::CNAME {
                        names.push((u32::from_be_bytes(*ssrc), String::from_utf8_lossy(value).into_owned()));
                    }
                    at += 2 + value.len();
                }
                _ => return Err(Fault::Sdes(at)),
            }
        }
        at = (at + 1).next_multiple_of(4);
    }
    Ok(names)
}
