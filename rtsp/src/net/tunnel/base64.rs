//! Base64 that comes in pieces: each message of a tunnel is padded by itself, and the next begins behind that.

use ::base64::Engine as _;
use ::base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use ::base64::{alphabet, engine::DecodePaddingMode};

/// Padded or not, where a message ends.
const ENGINE: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical)
        .with_decode_allow_trailing_bits(true),
);

/// Decodes a stream of padded messages.
#[derive(Debug, Default)]
pub struct Base64Decoder {
    /// Of four letters that belong together, those that came.
    letters: Vec<u8>,
}

/// A byte that is neither a letter of base64 nor a line end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no base64")]
pub struct NoBase64;

impl Base64Decoder {
    /// What `bytes` say, as far as it is whole.
    ///
    /// # Errors
    /// [`NoBase64`]
    pub fn decode(&mut self, bytes: &[u8]) -> Result<Vec<u8>, NoBase64> {
        let mut decoded = Vec::with_capacity(bytes.len() / 4 * 3 + 3);
        for byte in bytes.iter().copied().filter(|byte| !byte.is_ascii_whitespace()) {
            self.letters.push(byte);
            if self.letters.len() == 4 {
                ENGINE.decode_vec(&self.letters, &mut decoded).map_err(|_| NoBase64)?;
                self.letters.clear();
            }
        }
        Ok(decoded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_follow_each_other_however_they_are_cut() {
        let text = b"T1BUSU9OUyAqIFJUU1AvMS4wDQo=\r\nQ1NlcTogMQ0KDQo=JAEAAA==";
        let whole = b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n$\x01\0\0";
        for size in [1, 2, 3, 5, 7, 100] {
            let mut decoder = Base64Decoder::default();
            let decoded: Vec<u8> = text.chunks(size).flat_map(|chunk| decoder.decode(chunk).unwrap()).collect();
            assert_eq!(decoded, whole, "in pieces of {size}");
        }
        for text in [b"T1B!".as_slice(), b"====", b"T=B=", b"OPTIONS * RTSP/1.0"] {
            assert_eq!(Base64Decoder::default().decode(text), Err(NoBase64), "{text:?}");
        }
    }
}
