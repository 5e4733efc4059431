//! MPEG-1 system streams and MPEG-2 program streams (ISO 11172-1, ISO 13818-1 2.5), plain or in the sectors of a
//! Video CD.
//!
//! - [`Ps`]: the demuxer; [`Ts`], in `ts`, that of transport streams (ISO 13818-1 2.4), which shares the lower half
//! - `vcd`: sectors to the bytes of the stream
//! - `packets` and `pes`: those to packets, over junk and damage
//! - `tracks`: packets to their tracks; `gathered`: what these have given until it leaves
//! - `video_es`, `audio_es`, `lpcm_es`: payloads to access units, by `uncut`: bytes, and their packets' times (`marks`)
//! - `display`: decode order to times; `sample_clock`: samples to times; `timeline`: times without wraps and jumps

pub(super) mod audio_es;
mod display;
pub(super) mod gathered;
mod lpcm_es;
mod marks;
mod packets;
mod pes;
mod ps;
mod sample_clock;
pub(super) mod sound;
pub(super) mod timeline;
mod tracks;
mod ts;
mod uncut;
mod vcd;
pub(super) mod video_es;

#[cfg(test)]
mod tests;

pub use ps::Ps;
pub use ts::Ts;
pub(super) use ts::{Elementary, is_transport_stream};
pub(crate) use ts::{LiveEvent, LiveTs, PassedTs};

/// Ticks per second of packets' times.
const CLOCK: u32 = 90_000;
/// Ticks per second of pictures' times: half a frame is a whole number of them at every frame rate of the standards,
/// 24000/1001 and 60000/1001 included.
pub(super) const VIDEO_TIMESCALE: u32 = 8 * CLOCK;

/// Whether `head` begins with sectors of a CD.
pub(super) fn is_sectors(head: &[u8]) -> bool {
    vcd::is_sectors(head)
}

/// Whether `head` begins with a program stream: some packs or packets that follow each other, after junk or not. Video
/// by itself has start codes too, but not those of the system layer.
pub(super) fn is_program_stream(head: &[u8], whole: bool) -> bool {
    /// Packs and packets in a row that no other file has by accident.
    const ENOUGH: usize = 4;
    let mut from = 0;
    let mut attempts = 0;
    while let Some(at) = rtp::codec::start_code::find(head, from) {
        let (count, to_the_end) = packets::chain(&head[at..]);
        let begins_pack = head.get(at + 3) == Some(&pes::PACK);
        if count >= ENOUGH || (to_the_end && (count >= 2 || whole && count >= 1) && begins_pack) {
            return true;
        }
        // Each attempt may go through all of `head`: nothing that is one needs many.
        attempts += 1;
        if attempts > 1000 {
            return false;
        }
        from = at + 3;
    }
    false
}
