//! Opus packets (RFC 6716).

/// Samples at 48 kHz that a packet lasts, by its table-of-contents byte (section 3.1); `None` where no packet can last so.
#[must_use]
pub fn samples(packet: &[u8]) -> Option<u32> {
    let first = *packet.first()?;
    let config = u32::from(first >> 3);
    let frame = match config {
        0..=11 => [480, 960, 1920, 2880][(config & 3) as usize],
        12..=15 => [480, 960][(config & 1) as usize],
        _ => 120 << (config & 3),
    };
    let count = match first & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => u32::from(packet.get(1)? & 63),
    };
    Some(frame * count).filter(|samples| (1..=5760).contains(samples))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_tell_how_long_they_last() {
        let cases: [(&[u8], Option<u32>); 7] = [
            (&[0x78], Some(960)),
            (&[0xFC], Some(960)),
            (&[0xFD], Some(1920)),
            (&[0x18], Some(2880)),
            (&[0xFF, 3], Some(2880)),
            (&[0xFF, 63], None),
            (&[], None),
        ];
        for (packet, expected) in cases {
            assert_eq!(samples(packet), expected, "{packet:02x?}");
        }
    }
}
