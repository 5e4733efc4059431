//! Data packets as any writer makes them (ASF Specification section 5.2): payloads out of one.

use nom::IResult;
use nom::Parser;
use nom::bytes::complete::take;
use nom::number::complete::{le_u8, le_u16, le_u32};
use std::ops::Range;

/// A piece of a media object, or a whole one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Payload {
    pub stream: u8,
    pub sync: bool,
    /// The media object's number, as many bits of it as the file keeps.
    pub object: u32,
    /// Where in the object it lies.
    pub offset: u32,
    /// Bytes of the whole object; `None`: not said.
    pub size: Option<u32>,
    /// With the preroll in it; `None`: not said.
    pub time_ms: Option<u32>,
    /// Where in the packet its bytes lie.
    pub data: Range<usize>,
}

/// The payloads of the packet `bytes`; the error says what is wrong at which byte.
pub(super) fn payloads(bytes: &[u8]) -> Result<Vec<Payload>, (usize, &'static str)> {
    let wrong = |rest: &[u8], reason| (bytes.len() - rest.len(), reason);
    let (mut rest, head) = head(bytes).map_err(|_| (0, "a packet header expected"))?;
    let length = match head.length {
        Some(length) if length as usize <= bytes.len() && length > 0 => length as usize,
        Some(_) => return Err((0, "a packet length within the packet size expected")),
        None => bytes.len(),
    };
    let end = length.checked_sub(head.padding as usize).ok_or((0, "padding shorter than the packet expected"))?;
    // What follows the end is padding.
    let visible = end.checked_sub(bytes.len() - rest.len()).ok_or((0, "padding behind the header expected"))?;
    rest = &rest[..visible];
    let at = |rest: &[u8]| end - rest.len();
    let mut out = Vec::new();
    let mut count = 1;
    let mut length_bits = None;
    if head.lengths & 1 != 0 {
        let (after, flags) = le_u8::<_, ()>(rest).map_err(|_| wrong(rest, "a number of payloads expected"))?;
        rest = after;
        count = flags & 0x3f;
        length_bits = Some(flags >> 6);
    }
    for _ in 0..count {
        let short = "a payload header expected";
        let (after, payload) = payload_head(rest, head.properties).map_err(|_| (at(rest), short))?;
        let (after, compressed) = match payload.replicated {
            1 => le_u8::<_, ()>(after).map(|(after, delta)| (after, Some(delta))).map_err(|_| (at(after), short))?,
            _ => (after, None),
        };
        if matches!(payload.replicated, 2..8) {
            return Err((at(rest), "replicated data of 0, 1, 8 or more bytes expected"));
        }
        let (after, length) = match length_bits {
            Some(bits) => {
                let (after, length) = sized::<()>(bits).parse(after).map_err(|_| (at(after), short))?;
                (after, length as usize)
            }
            None => (after, after.len()),
        };
        if length > after.len() {
            return Err((at(after), "a payload inside its packet expected"));
        }
        let start = at(after);
        let base = Payload {
            stream: payload.stream & 0x7f,
            sync: payload.stream & 0x80 != 0,
            object: payload.object,
            offset: payload.offset,
            size: payload.size,
            time_ms: payload.time_ms,
            data: start..start + length,
        };
        match compressed {
            Some(delta) => sub_payloads(&after[..length], &base, delta, &mut out)?,
            None => out.push(base),
        }
        rest = &after[length..];
    }
    Ok(out)
}

/// Whole small objects one behind the other, their times a fixed step apart.
fn sub_payloads(
    mut data: &[u8],
    base: &Payload,
    delta: u8,
    out: &mut Vec<Payload>,
) -> Result<(), (usize, &'static str)> {
    let at = |data: &[u8]| base.data.end - data.len();
    let mut number = 0u32;
    while let Some((&length, after)) = data.split_first() {
        let length = usize::from(length);
        if length > after.len() {
            return Err((at(after), "a sub-payload inside its payload expected"));
        }
        out.push(Payload {
            object: base.object.wrapping_add(number),
            offset: 0,
            size: u32::try_from(length).ok(),
            // In place of the offset.
            time_ms: Some(base.offset.saturating_add(number.saturating_mul(delta.into()))),
            data: at(after)..at(after) + length,
            ..base.clone()
        });
        number += 1;
        data = &after[length..];
    }
    Ok(())
}

struct Head {
    lengths: u8,
    properties: u8,
    length: Option<u32>,
    padding: u32,
}

fn head(input: &[u8]) -> IResult<&[u8], Head> {
    let (after, first) = le_u8(input)?;
    // Error correction data, if there are any, whose only use is to be passed over.
    let (input, _) = if first & 0x80 != 0 { take(first & 0x0f)(after)? } else { (input, &input[..0]) };
    let (input, lengths) = le_u8(input)?;
    let (input, properties) = le_u8(input)?;
    let (input, length) = sized(lengths >> 5).parse(input)?;
    let (input, _sequence) = sized(lengths >> 1).parse(input)?;
    let (input, padding) = sized(lengths >> 3).parse(input)?;
    // Send time and duration.
    let (input, _) = take(6usize)(input)?;
    let length = (lengths >> 5 & 3 != 0).then_some(length);
    Ok((input, Head { lengths, properties, length, padding }))
}

struct PayloadHead {
    stream: u8,
    object: u32,
    offset: u32,
    replicated: u32,
    size: Option<u32>,
    time_ms: Option<u32>,
}

fn payload_head(input: &[u8], properties: u8) -> IResult<&[u8], PayloadHead> {
    let (input, stream) = le_u8(input)?;
    let (input, object) = sized(properties >> 4).parse(input)?;
    let (input, offset) = sized(properties >> 2).parse(input)?;
    let (mut input, replicated) = sized(properties).parse(input)?;
    let (mut size, mut time_ms) = (None, None);
    if replicated >= 8 {
        let (after, data) = take(replicated)(input)?;
        let (data, object_size) = le_u32(data)?;
        let (_, time) = le_u32(data)?;
        (input, size, time_ms) = (after, Some(object_size), Some(time));
    }
    Ok((input, PayloadHead { stream, object, offset, replicated, size, time_ms }))
}

/// A number of no, one, two or four bytes, as the lower two bits of `bits` say.
fn sized<'a, E: nom::error::ParseError<&'a [u8]>>(bits: u8) -> impl Parser<&'a [u8], Output = u32, Error = E> {
    move |input: &'a [u8]| match bits & 3 {
        0 => Ok((input, 0)),
        1 => le_u8(input).map(|(input, value)| (input, u32::from(value))),
        2 => le_u16(input).map(|(input, value)| (input, u32::from(value))),
        _ => le_u32(input),
    }
}
