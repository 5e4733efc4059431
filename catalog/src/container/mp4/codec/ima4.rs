//! IMA ADPCM as QuickTime has it (Interactive Multimedia Association, Recommended Practices for Enhancing Digital Audio
//! Compatibility, 3.0; Apple Technical Note 1081): blocks of 34 bytes for 64 samples of one channel, those of the channels in turn.
//!
//! Neither RTP nor ASF has a name for it, so the samples travel as what they decode to.

/// Bytes of one channel's block: two of state and 64 samples of four bits.
pub const BLOCK: usize = 34;
/// Samples in it.
pub const SAMPLES: usize = 64;

/// What carries over from block to block. A block's own state is exact to 7 bits only, so the decoder's is kept where the
/// block says nothing else.
#[derive(Clone, Debug, Default)]
pub struct State {
    channels: Vec<Channel>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Channel {
    value: i32,
    step: u8,
}

/// The 89 step sizes of the recommendation, section 4.4.
const STEPS: [i32; 89] = [
    7, 8, 9, 10, 11, 12, 13, 14, 16, 17, 19, 21, 23, 25, 28, 31, 34, 37, 41, 45, 50, 55, 60, 66, 73, 80, 88, 97, 107,
    118, 130, 143, 157, 173, 190, 209, 230, 253, 279, 307, 337, 371, 408, 449, 494, 544, 598, 658, 724, 796, 876, 963,
    1060, 1166, 1282, 1411, 1552, 1707, 1878, 2066, 2272, 2499, 2749, 3024, 3327, 3660, 4026, 4428, 4871, 5358, 5894,
    6484, 7132, 7845, 8630, 9493, 10442, 11487, 12635, 13899, 15289, 16818, 18500, 20350, 22385, 24623, 27086, 29794,
    32767,
];

impl State {
    /// Samples of 16 bits, big-endian, those of all channels at one instant together; and whether a part of a block was
    /// cut off.
    pub fn decode(&mut self, data: &[u8], channels: u8) -> (Vec<u8>, bool) {
        let count = usize::from(channels).max(1);
        self.channels.resize(count, Channel::default());
        let groups = data.chunks_exact(BLOCK * count);
        let cut = !groups.remainder().is_empty();
        let mut out = Vec::with_capacity(data.len() / BLOCK * SAMPLES * 2);
        for group in groups {
            let from = out.len();
            out.resize(from + SAMPLES * count * 2, 0);
            for ((number, block), state) in group.chunks_exact(BLOCK).enumerate().zip(&mut self.channels) {
                let places = out[from..].chunks_exact_mut(2).skip(number).step_by(count);
                for (place, value) in places.zip(state.block(block)) {
                    place.copy_from_slice(&value.to_be_bytes());
                }
            }
        }
        (out, cut)
    }
}

impl Channel {
    /// The samples of a block of [`BLOCK`] bytes.
    fn block<'a>(&'a mut self, block: &'a [u8]) -> impl Iterator<Item = i16> + 'a {
        let (head, nibbles) = block.split_at(2);
        let head = i16::from_be_bytes([head[0], head[1]]);
        let (value, step) = (i32::from(head & !0x7F), (head & 0x7F) as u8);
        if step != self.step || value.abs_diff(self.value) > 0x7F {
            *self = Self { value, step: step.min(88) };
        }
        nibbles.iter().flat_map(|byte| [byte & 15, byte >> 4]).map(|nibble| self.next(nibble))
    }

    fn next(&mut self, nibble: u8) -> i16 {
        let size = STEPS[usize::from(self.step)];
        let part = |bit: u8, part: i32| if nibble & bit == 0 { 0 } else { part };
        let change = (size >> 3) + part(4, size) + part(2, size >> 1) + part(1, size >> 2);
        let value = if nibble & 8 == 0 { self.value + change } else { self.value - change };
        self.value = value.clamp(i16::MIN.into(), i16::MAX.into());
        self.step = match nibble & 7 {
            0..=3 => self.step.saturating_sub(1),
            high => (self.step + (high - 3) * 2).min(88),
        };
        // Clamped above.
        self.value as i16
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_block_begins_where_it_says() {
        let mut block = vec![0x10, 0x80];
        block.resize(BLOCK, 0);
        let (out, cut) = State::default().decode(&block, 1);
        assert_eq!((out.len(), cut, &out[..2]), (128, false, &[0x10, 0x80][..]));
        // Of two channels the samples alternate.
        let (out, cut) = State::default().decode(&[block.as_slice(), &[0; BLOCK], &[1]].concat(), 2);
        assert_eq!((out.len(), cut, &out[..4]), (256, true, &[0x10, 0x80, 0, 0][..]));
    }

    proptest! {
        #[test]
        fn any_bytes_decode(data: Vec<u8>, channels in 0u8..4) {
            let (out, _) = State::default().decode(&data, channels);
            let count = usize::from(channels).max(1);
            prop_assert_eq!(out.len(), data.len() / (BLOCK * count) * SAMPLES * count * 2);
        }
    }
}
