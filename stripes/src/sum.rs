//! CRC-32C (RFC 3720 12.1), the checksum of all that nodes keep and send.

use bytes::Bytes;
use crc_fast::{CrcAlgorithm::Crc32Iscsi, Digest, checksum};

/// The sum of these bytes.
pub fn crc32c(bytes: &[u8]) -> u32 {
    // 32 bits in 64.
    checksum(Crc32Iscsi, bytes) as u32
}

/// The sum of bytes that come in pieces.
pub fn crc32c_of<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> u32 {
    let mut sum = Digest::new(Crc32Iscsi);
    pieces.into_iter().for_each(|piece| sum.update(piece));
    sum.finalize() as u32
}

/// The sums of the blocks of so many bytes that pieces come to together; the last may be shorter.
pub fn crc32c_of_blocks(pieces: &[Bytes], block: usize) -> Vec<u32> {
    let mut sums = Vec::new();
    // A block that is spread over pieces, and how much of it is to come.
    let mut begun: Option<(Digest, usize)> = None;
    for mut piece in pieces.iter().map(|piece| &piece[..]) {
        while !piece.is_empty() {
            let (mut sum, left) = match begun.take() {
                None if piece.len() >= block => {
                    let (whole, rest) = piece.split_at(block.max(1));
                    sums.push(crc32c(whole));
                    piece = rest;
                    continue;
                }
                None => (Digest::new(Crc32Iscsi), block),
                Some(begun) => begun,
            };
            let (now, rest) = piece.split_at(left.min(piece.len()));
            sum.update(now);
            piece = rest;
            if now.len() == left {
                sums.push(sum.finalize() as u32);
            } else {
                begun = Some((sum, left - now.len()));
            }
        }
    }
    sums.extend(begun.map(|(sum, _)| sum.finalize() as u32));
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_those_of_the_books() {
        // RFC 3720 B.4.
        let rising: Vec<u8> = (0..32).collect();
        let falling: Vec<u8> = (0..32).rev().collect();
        for (bytes, sum) in
            [(&[0; 32][..], 0x8a91_36aa), (&[0xff; 32], 0x62a8_ab43), (&rising, 0x46dd_794e), (&falling, 0x113f_db5c)]
        {
            assert_eq!(crc32c(bytes), sum, "{bytes:?}");
        }
        let bytes: Vec<u8> = (0..100_000u32).map(|at| (at.wrapping_mul(at) >> 5) as u8).collect();
        for cut in [0, 1, 7, 64, 255, 4096, 65_537, 99_999, 100_000] {
            assert_eq!(crc32c(&bytes[..cut]), ::crc32c::crc32c(&bytes[..cut]), "{cut} bytes");
            assert_eq!(crc32c_of([&bytes[..cut], &bytes[cut..]]), ::crc32c::crc32c(&bytes), "cut at {cut}");
            let pieces = [&bytes[..cut], &[], &bytes[cut..]].map(Bytes::copy_from_slice);
            let blocks: Vec<_> = bytes.chunks(4096).map(::crc32c::crc32c).collect();
            assert_eq!(crc32c_of_blocks(&pieces, 4096), blocks, "cut at {cut}");
        }
    }
}
