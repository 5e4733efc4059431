//! Writing the compounds we send.

use super::{ReportBlock, SenderReport, WriteError};
use rtcp_types::prelude::*;

/// Appends a compound of SR and SDES with the CNAME to `out`.
///
/// # Errors
/// A `cname` of more than 255 bytes; `out` is then as before.
pub fn write_sender_report(out: &mut Vec<u8>, report: &SenderReport, cname: &str) -> Result<(), WriteError> {
    let compound = rtcp_types::Compound::builder().add_packet(sender_report(report));
    append(out, compound.add_packet(sdes(report.ssrc, cname)))
}

/// Appends a compound of SR, SDES with the CNAME, and BYE to `out`: the last that the source says (6.3.7). Only for a
/// source that has sent something.
///
/// # Errors
/// As [`write_sender_report`].
pub fn write_bye(out: &mut Vec<u8>, report: &SenderReport, cname: &str) -> Result<(), WriteError> {
    let compound = rtcp_types::Compound::builder().add_packet(sender_report(report));
    let bye = rtcp_types::Bye::builder().add_source(report.ssrc);
    append(out, compound.add_packet(sdes(report.ssrc, cname)).add_packet(bye))
}

/// Appends a compound of RR and SDES with the CNAME to `out`, from receiver `ssrc`.
///
/// # Errors
/// As [`write_sender_report`], and for more than 31 `blocks`.
pub fn write_receiver_report(
    out: &mut Vec<u8>,
    ssrc: u32,
    blocks: &[ReportBlock],
    cname: &str,
) -> Result<(), WriteError> {
    let report = blocks
        .iter()
        .map(block)
        .fold(rtcp_types::ReceiverReport::builder(ssrc), |report, block| report.add_report_block(block));
    append(out, rtcp_types::Compound::builder().add_packet(report).add_packet(sdes(ssrc, cname)))
}

fn sender_report(report: &SenderReport) -> rtcp_types::SenderReportBuilder {
    rtcp_types::SenderReport::builder(report.ssrc)
        .ntp_timestamp(report.ntp.0)
        .rtp_timestamp(report.rtp.0)
        .packet_count(report.packets)
        .octet_count(report.octets)
}

fn sdes(ssrc: u32, cname: &str) -> rtcp_types::SdesBuilder<'_> {
    let item = rtcp_types::SdesItem::builder(rtcp_types::SdesItem::CNAME, cname);
    rtcp_types::Sdes::builder().add_chunk(rtcp_types::SdesChunk::builder(ssrc).add_item(item))
}

fn block(block: &ReportBlock) -> rtcp_types::ReportBlockBuilder {
    // 24 bits, signed, clamped rather than wrapped (A.3).
    let lost = block.lost.clamp(-0x80_0000, 0x7F_FFFF) as u32 & 0xFF_FFFF;
    rtcp_types::ReportBlock::builder(block.ssrc)
        .fraction_lost(block.fraction_lost)
        .cumulative_lost(lost)
        .extended_sequence_number(block.highest_sequence)
        .interarrival_jitter(block.jitter)
        .last_sender_report_timestamp(block.last_report)
        .delay_since_last_sender_report_timestamp(block.delay)
}

fn append(out: &mut Vec<u8>, compound: rtcp_types::CompoundBuilder<'_>) -> Result<(), WriteError> {
    let start = out.len();
    out.resize(start + compound.calculate_size()?, 0);
    compound.write_into_unchecked(&mut out[start..]);
    Ok(())
}
