//! AMR and AMR-WB frames as their files have them: a table-of-contents byte, then the speech (RFC 4867 section 5.3).

/// Bytes of speech by `FT` 0..=15, bits padded to whole bytes; `None` where the type is reserved
/// (3GPP TS 26.101 table 1a and annex A).
const NARROW: [Option<usize>; 16] = [
    Some(12),
    Some(13),
    Some(15),
    Some(17),
    Some(19),
    Some(20),
    Some(26),
    Some(31),
    Some(5),
    Some(6),
    Some(5),
    Some(5),
    None,
    None,
    None,
    Some(0),
];

/// Likewise (3GPP TS 26.201 table 1a); 14 is speech lost.
const WIDE: [Option<usize>; 16] = [
    Some(17),
    Some(23),
    Some(32),
    Some(36),
    Some(40),
    Some(46),
    Some(50),
    Some(58),
    Some(60),
    Some(5),
    None,
    None,
    None,
    None,
    Some(0),
    Some(0),
];

/// Samples per second, which are also the ticks of the RTP clock.
pub const fn sample_rate(wide: bool) -> u32 {
    if wide { 16_000 } else { 8_000 }
}

/// Samples of a frame of each channel: 20 ms.
pub const fn frame_samples(wide: bool) -> u32 {
    sample_rate(wide) / 50
}

/// Bytes of the frame that begins with `toc`, that byte included; `None` for a reserved type.
pub fn frame_len(wide: bool, toc: u8) -> Option<usize> {
    let speech = if wide { WIDE } else { NARROW }[usize::from(toc >> 3 & 15)];
    speech.map(|bytes| bytes + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_as_long_as_its_type_says() {
        let cases: &[(bool, u8, Option<usize>)] = &[
            // 12.2 kbit/s as phones write it, 4.75, comfort noise, nothing.
            (false, 0x3C, Some(32)),
            (false, 0x04, Some(13)),
            (false, 0x44, Some(6)),
            (false, 0x7C, Some(1)),
            (false, 0x64, None),
            // 23.85 kbit/s, 6.6, comfort noise, lost, reserved.
            (true, 0x44, Some(61)),
            (true, 0x04, Some(18)),
            (true, 0x4C, Some(6)),
            (true, 0x74, Some(1)),
            (true, 0x54, None),
        ];
        for &(wide, toc, expected) in cases {
            assert_eq!(frame_len(wide, toc), expected, "{wide} {toc:02x}");
        }
    }
}
