//! The elementary stream descriptor (ISO 14496-1 sections 7.2.6.5 to 7.2.6.7).

use nom::IResult;
use nom::bytes::complete::take;
use nom::error::{Error, ErrorKind};
use nom::number::complete::be_u8;

/// What we need of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Descriptor {
    /// objectTypeIndication: the codec.
    pub object_type: u8,
    /// DecoderSpecificInfo, may be empty.
    pub config: Vec<u8>,
}

const ES_DESCRIPTOR: u8 = 3;
const DECODER_CONFIG: u8 = 4;
const DECODER_SPECIFIC: u8 = 5;

/// Reads ES_Descriptor up to its DecoderSpecificInfo.
pub(super) fn descriptor(input: &[u8]) -> IResult<&[u8], Descriptor> {
    let (rest, (tag, mut body)) = tagged(input)?;
    // Some QuickTime writers leave the outer descriptor out.
    if tag == ES_DESCRIPTOR {
        let (fields, _id) = take(2usize)(body)?;
        let (fields, flags) = be_u8(fields)?;
        let (fields, _) = take(if flags & 0x80 != 0 { 2usize } else { 0 })(fields)?;
        let (fields, _) = if flags & 0x40 != 0 {
            let (fields, length) = be_u8(fields)?;
            take(length)(fields)?
        } else {
            (fields, &fields[..0])
        };
        let (fields, _) = take(if flags & 0x20 != 0 { 2usize } else { 0 })(fields)?;
        let (_, (tag, inner)) = tagged(fields)?;
        if tag != DECODER_CONFIG {
            return Err(nom::Err::Error(Error::new(fields, ErrorKind::Tag)));
        }
        body = inner;
    } else if tag != DECODER_CONFIG {
        return Err(nom::Err::Error(Error::new(input, ErrorKind::Tag)));
    }
    let (fields, object_type) = be_u8(body)?;
    // Stream type, buffer size, greatest and average bit rate.
    let (mut fields, _) = take(12usize)(fields)?;
    let mut config = Vec::new();
    while !fields.is_empty() {
        let Ok((after, (tag, inner))) = tagged(fields) else { break };
        if tag == DECODER_SPECIFIC {
            config = inner.to_vec();
            break;
        }
        fields = after;
    }
    Ok((rest, Descriptor { object_type, config }))
}

/// A descriptor: tag, length in up to four bytes of seven bits, body. A length beyond the end is cut to it
/// (seen in QuickTime files; what is there is often enough).
fn tagged(input: &[u8]) -> IResult<&[u8], (u8, &[u8])> {
    let (mut rest, tag) = be_u8(input)?;
    let mut length = 0usize;
    for _ in 0..4 {
        let (after, byte) = be_u8(rest)?;
        rest = after;
        length = length << 7 | usize::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            break;
        }
    }
    let (rest, body) = take(length.min(rest.len()))(rest)?;
    Ok((rest, (tag, body)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codec_and_configuration_are_found() {
        #[track_caller]
        fn check(bytes: &[u8], want: Option<(u8, &[u8])>) {
            let got = descriptor(bytes).ok().map(|(_, found)| (found.object_type, found.config));
            assert_eq!(got, want.map(|(kind, config)| (kind, config.to_vec())));
        }
        let decoder = b"\x04\x11\x40\x15\0\0\0\0\0\0\0\0\0\0\0\x05\x02\x12\x10";
        check(decoder, Some((0x40, b"\x12\x10")));
        check(&[b"\x03\x80\x80\x80\x16\0\x01\0".as_slice(), decoder].concat(), Some((0x40, b"\x12\x10")));
        // Depends on another stream, has a URL and a clock stream.
        check(&[b"\x03\x20\0\x01\xe0\0\x02\x01u\0\x03".as_slice(), decoder].concat(), Some((0x40, b"\x12\x10")));
        check(b"\x04\x0d\x6b\x15\0\0\0\0\0\0\0\0\0\0\0", Some((0x6b, b"")));
        check(b"\x04\x05\x6b\x15\0\0\0", None);
        check(b"\x06\x01\x02", None);
        check(b"", None);
    }
}
