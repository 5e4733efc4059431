//! Audio samples one by one, from the file's byte order to the wire's.

use bytes::{Bytes, BytesMut};
use rtp::format::PcmCoding;

/// How a file has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::container) enum Pcm {
    /// 8 bits, silence at 128.
    Unsigned,
    /// 8 bits with sign.
    Signed,
    /// 2 or 3 bytes with sign.
    Wide { bytes: u8, little: bool },
    /// ITU-T G.711.
    Mulaw,
    /// ITU-T G.711.
    Alaw,
}

impl Pcm {
    /// Of one sample of one channel.
    pub fn bytes(self) -> u32 {
        match self {
            Pcm::Wide { bytes, .. } => bytes.into(),
            _ => 1,
        }
    }

    /// How they travel: what has 8 bits becomes 16, as RTP's L8 is known to few players.
    pub fn coding(self) -> PcmCoding {
        match self {
            Pcm::Wide { bytes: 3, .. } => PcmCoding::L24,
            Pcm::Mulaw => PcmCoding::Mulaw,
            Pcm::Alaw => PcmCoding::Alaw,
            _ => PcmCoding::L16,
        }
    }

    /// Samples as they travel, big-endian, and whether a part of a frame of all channels was cut off.
    pub fn on_the_wire(self, data: Bytes, channels: u8) -> (Bytes, bool) {
        let width = self.bytes() as usize;
        let frame = width * usize::from(channels).max(1);
        let whole = data.len() - data.len() % frame;
        let cut = whole != data.len();
        let data = data.slice(..whole);
        let out = match self {
            Pcm::Mulaw | Pcm::Alaw | Pcm::Wide { little: false, .. } => data,
            Pcm::Wide { little: true, .. } => {
                let mut out = BytesMut::from(data);
                out.chunks_exact_mut(width).for_each(<[u8]>::reverse);
                out.freeze()
            }
            Pcm::Unsigned => data.iter().flat_map(|byte| [byte ^ 0x80, 0]).collect(),
            Pcm::Signed => data.iter().flat_map(|byte| [*byte, 0]).collect(),
        };
        (out, cut)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_travel_big_endian_in_whole_frames() {
        #[track_caller]
        fn check(layout: Pcm, channels: u8, data: &'static [u8], want: &[u8], cut: bool) {
            let (got, was_cut) = layout.on_the_wire(Bytes::from_static(data), channels);
            assert_eq!((got.as_ref(), was_cut), (want, cut));
        }
        let wide = |bytes, little| Pcm::Wide { bytes, little };
        check(wide(2, true), 1, &[1, 2, 3, 4], &[2, 1, 4, 3], false);
        check(wide(2, false), 2, &[1, 2, 3, 4, 5, 6], &[1, 2, 3, 4], true);
        check(wide(3, true), 1, &[1, 2, 3, 4, 5, 6, 7], &[3, 2, 1, 6, 5, 4], true);
        check(Pcm::Unsigned, 1, &[0x80, 0, 0xff], &[0, 0, 0x80, 0, 0x7f, 0], false);
        check(Pcm::Signed, 1, &[0x80, 1], &[0x80, 0, 1, 0], false);
        check(Pcm::Mulaw, 2, &[1, 2, 3], &[1, 2], true);
        check(Pcm::Alaw, 0, &[], &[], false);
    }
}
