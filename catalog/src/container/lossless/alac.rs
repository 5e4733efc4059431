//! Apple Lossless, up to eight channels (Apple, "Apple Lossless Format Technical Specification" and its magic cookie).

use super::bits::{Bits, Short};
use super::interleave;
use bytes::Bytes;

/// What a stream's magic cookie says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::container) struct Config {
    /// Samples of each channel in a packet that doesn't say another number.
    frame: u32,
    /// Bits of a sample: 16, 20 or 24.
    pub bits: u32,
    /// What the adaptive Rice coder begins with: `mb`, `pb` and `kb`.
    history: u32,
    multiplier: u32,
    limit: u32,
    /// 1 to 8.
    pub channels: u8,
    /// Samples per second.
    pub rate: u32,
}

/// Samples in a packet: the encoder's are 4096, and no allocation follows a stranger's word further than this.
const MAX_FRAME: u32 = 1 << 16;
/// Of a decorrelated pair and its shift, the longest word is read at once.
const MAX_WIDTH: u32 = 32;
/// Ones before a value that is not coded but written out.
const ESCAPE: u32 = 9;

impl Config {
    /// Reads a cookie of 24 bytes.
    pub fn read(cookie: &[u8]) -> Option<Self> {
        let long = |at: usize| Some(u32::from_be_bytes(*cookie.get(at..)?.first_chunk()?));
        let byte = |at: usize| cookie.get(at).map(|byte| u32::from(*byte));
        let config = Self {
            frame: long(0)?,
            bits: byte(5)?,
            multiplier: byte(6)?,
            history: byte(7)?,
            limit: byte(8)?,
            channels: *cookie.get(9)?,
            rate: long(20)?,
        };
        let sound = matches!(config.bits, 16 | 20 | 24)
            && (1..=ORDERS.len()).contains(&config.channels.into())
            && (1..=MAX_FRAME).contains(&config.frame)
            && (1..=MAX_WIDTH).contains(&config.limit)
            && config.rate > 0;
        sound.then_some(config)
    }

    /// Whether samples travel as 24 bits rather than 16.
    pub fn is_wide(&self) -> bool {
        self.bits > 16
    }
}

impl From<Short> for AlacError {
    fn from(_: Short) -> Self {
        Self("an Apple Lossless packet that is cut")
    }
}

/// Where the channels of so many, in the order of a packet (the centre first), have their place in the order of WAV files,
/// which receivers of PCM take it to be: front left and right, centre, low frequencies, back.
const ORDERS: [&[usize]; 8] = [
    &[0],
    &[0, 1],
    &[2, 0, 1],
    &[2, 0, 1, 3],
    &[2, 0, 1, 3, 4],
    &[2, 0, 1, 4, 5, 3],
    &[2, 0, 1, 4, 5, 6, 3],
    &[2, 6, 7, 0, 1, 4, 5, 3],
];

/// What is wrong with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AlacError(pub(super) &'static str);

/// The samples of a packet, as [`interleave`] has them.
pub(super) fn decode(packet: &[u8], config: &Config) -> Result<Bytes, AlacError> {
    let mut bits = Bits::new(packet);
    let mut channels: Vec<Vec<i32>> = Vec::new();
    loop {
        // One channel, two, one of low frequencies, or the end; the others hold nothing.
        match bits.read(3)? {
            0 | 3 => channels.push(element(&mut bits, config, 1)?.remove(0)),
            1 => channels.extend(element(&mut bits, config, 2)?),
            7 => break,
            _ => return Err(AlacError("an element of a channel or two expected")),
        }
        if channels.len() >= usize::from(config.channels) {
            break;
        }
    }
    if channels.len() != usize::from(config.channels) {
        return Err(AlacError("as many channels as the cookie says expected"));
    }
    let order = ORDERS.get(channels.len() - 1).copied().unwrap_or_default();
    let mut placed = vec![Vec::new(); channels.len()];
    for (&place, channel) in order.iter().zip(channels) {
        placed[place] = channel;
    }
    Ok(interleave(&placed, config.bits))
}

/// A channel's predictor.
struct Predictor {
    twice: bool,
    shift: u32,
    multiplier: u32,
    coefficients: Vec<i32>,
}

impl Predictor {
    fn read(bits: &mut Bits<'_>) -> Result<Self, AlacError> {
        let (mode, shift, multiplier, order) = (bits.read(4)?, bits.read(4)?, bits.read(3)?, bits.read(5)?);
        let mut coefficients = vec![0; order as usize];
        for coefficient in &mut coefficients {
            *coefficient = bits.signed(16)?;
        }
        if !coefficients.is_empty() && shift == 0 {
            return Err(AlacError("a predictor's shift expected"));
        }
        Ok(Self { twice: mode == 15, shift, multiplier, coefficients })
    }
}

/// The samples of one element's `count` channels.
fn element(bits: &mut Bits<'_>, config: &Config, count: usize) -> Result<Vec<Vec<i32>>, AlacError> {
    let _instance_and_reserved = bits.read(16)?;
    let sized = bits.read(1)? == 1;
    let low_bits = bits.read(2)? * 8;
    let plain = bits.read(1)? == 1;
    let samples = if sized { bits.read(32)? } else { config.frame };
    if samples > config.frame {
        return Err(AlacError("no more samples than the cookie says expected"));
    }
    let samples = samples as usize;
    let mut out = vec![Vec::with_capacity(samples); count];
    if plain {
        for _ in 0..samples {
            for channel in &mut out {
                channel.push(bits.signed(config.bits)?);
            }
        }
        return Ok(out);
    }
    // The difference of two channels has a bit more.
    let width = (config.bits + count as u32 - 1).checked_sub(low_bits).filter(|width| *width > 0);
    let width = width.ok_or(AlacError("fewer low bits than bits expected"))?;
    let (mix_shift, mix_weight) = (bits.read(8)?, bits.read(8)?.cast_signed());
    let predictors = (0..count).map(|_| Predictor::read(bits)).collect::<Result<Vec<_>, _>>()?;
    let mut low = Vec::new();
    if low_bits > 0 {
        for _ in 0..samples * count {
            low.push(bits.read(low_bits)?);
        }
    }
    for (channel, predictor) in out.iter_mut().zip(predictors) {
        let mut errors = residual(bits, config, samples, width, config.multiplier * predictor.multiplier / 4)?;
        if predictor.twice {
            errors = predict(&errors, width, Vec::new(), 0, true);
        }
        let first_order = predictor.coefficients.len() == 31;
        *channel = predict(&errors, width, predictor.coefficients, predictor.shift, first_order);
    }
    if let [first, second] = out.as_mut_slice()
        && mix_weight != 0
    {
        for (a, b) in first.iter_mut().zip(second) {
            let right = a.wrapping_sub(b.wrapping_mul(mix_weight) >> mix_shift.min(31));
            (*a, *b) = (b.wrapping_add(right), right);
        }
    }
    for (index, low) in low.into_iter().enumerate() {
        let sample = &mut out[index % count][index / count];
        *sample = *sample << low_bits | low.cast_signed();
    }
    Ok(out)
}

/// Prediction errors as the adaptive Rice coder has them.
fn residual(
    bits: &mut Bits<'_>,
    config: &Config,
    count: usize,
    width: u32,
    multiplier: u32,
) -> Result<Vec<i32>, AlacError> {
    let mut out = Vec::with_capacity(count);
    let mut history = config.history;
    // After a run of zeros a zero can't come, so that values count from one.
    let mut offset = 0;
    while out.len() < count {
        let parameter = ((history >> 9) + 3).ilog2().min(config.limit);
        let value = value(bits, parameter, width)?.wrapping_add(offset);
        offset = 0;
        out.push((value >> 1).cast_signed() ^ -(value & 1).cast_signed());
        history = match value {
            0x1_0000.. => 0xFFFF,
            _ => history.wrapping_add(value * multiplier).wrapping_sub(history.wrapping_mul(multiplier) >> 9),
        };
        if history < 128 && out.len() < count {
            let zeros = 7 - history.max(1).ilog2() + ((history + 16) >> 6);
            let run = self::value(bits, zeros.min(config.limit), 16)?;
            out.resize(out.len() + (run as usize).min(count - out.len()), 0);
            offset = u32::from(run <= 0xFFFF);
            history = 0;
        }
    }
    Ok(out)
}

/// One value: ones up to a zero, then the parameter's bits, of which the two least values are one bit shorter.
fn value(bits: &mut Bits<'_>, parameter: u32, width: u32) -> Result<u32, AlacError> {
    let mut ones = 0;
    while ones < ESCAPE && bits.read(1)? == 1 {
        ones += 1;
    }
    if ones == ESCAPE {
        return Ok(bits.read(width)?);
    }
    if parameter == 1 {
        return Ok(ones);
    }
    let high = (ones << parameter) - ones;
    // Short of one bit, zero stands for what both least values begin with.
    let head = bits.read(parameter.saturating_sub(1))?;
    match head {
        0 => Ok(high),
        _ => Ok(high + (head << 1 | bits.read(1)?) - 1),
    }
}

/// Samples by their prediction errors; the coefficients follow the errors' signs.
fn predict(errors: &[i32], width: u32, mut coefficients: Vec<i32>, shift: u32, first_order: bool) -> Vec<i32> {
    let cut = |value: i32| value << (32 - width.min(32)) >> (32 - width.min(32));
    let order = coefficients.len();
    let mut out: Vec<i32> = Vec::with_capacity(errors.len());
    for (at, &error) in errors.iter().enumerate() {
        let before = out.last().copied().unwrap_or(0);
        let sample = if at == 0 || order == 0 && !first_order {
            error
        } else if first_order || at <= order {
            cut(before.wrapping_add(error))
        } else {
            let base = out[at - order - 1];
            // The coefficients' order is from the latest sample to the earliest.
            let differences = || out[at - order..].iter().rev().map(|sample| sample.wrapping_sub(base));
            let sum = differences()
                .zip(&coefficients)
                .fold(0i32, |sum, (difference, coefficient)| sum.wrapping_add(difference.wrapping_mul(*coefficient)));
            let predicted = ((i64::from(sum) + (1 << (shift - 1))) >> shift) as i32;
            let sample = cut(predicted.wrapping_add(base).wrapping_add(error));
            adapt(&mut coefficients, error, shift, differences());
            sample
        };
        out.push(sample);
    }
    out
}

/// Moves the coefficients by one each, from that of the earliest sample on, until the error is used up.
fn adapt(coefficients: &mut [i32], error: i32, shift: u32, differences: impl DoubleEndedIterator<Item = i32>) {
    let sign = error.signum();
    let mut left = error;
    let earliest_first = coefficients.iter_mut().zip(differences.collect::<Vec<_>>()).rev();
    for ((coefficient, difference), weight) in earliest_first.zip(1i32..) {
        if left.wrapping_mul(sign) <= 0 {
            break;
        }
        let back = difference.wrapping_neg();
        let step = back.signum() * sign;
        *coefficient = coefficient.wrapping_sub(step);
        left = left.wrapping_sub((back.wrapping_mul(step) >> shift).wrapping_mul(weight));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cookie(bits: u8, channels: u8) -> Vec<u8> {
        let mut cookie = vec![0, 0, 16, 0, 0, bits, 40, 10, 14, channels, 0, 255, 0, 0, 0, 0, 0, 0, 0, 0];
        cookie.extend(44_100u32.to_be_bytes());
        cookie
    }

    #[test]
    fn cookies_say_what_a_packet_has() {
        let config = Config::read(&cookie(24, 2)).unwrap();
        assert_eq!((config.frame, config.rate, config.channels, config.is_wide()), (4096, 44_100, 2, true));
        for bad in [&cookie(24, 2)[..23], &cookie(32, 2), &cookie(16, 9), &[0; 24]] {
            assert_eq!(Config::read(bad), None);
        }
    }

    #[test]
    fn what_is_not_compressed_is_read_and_other_elements_are_refused() {
        let config = Config::read(&cookie(16, 1)).unwrap();
        // Tag and instance, reserved, a count, no low bits, plain: three samples and the end.
        let bits = "000 0000 000000000000 1 00 1".to_owned() + &format!("{:032b}", 3);
        let bits = bits + &format!("{:016b}{:016b}{:016b}111", 1, 0xFFFE_u16, 0x7FFF);
        let bits: Vec<char> = bits.chars().filter(char::is_ascii_digit).collect();
        let packet: Vec<u8> = (bits.chunks(8))
            .map(|byte| byte.iter().chain([&'0'; 8]).take(8).fold(0, |sum, bit| sum << 1 | u8::from(*bit == '1')))
            .collect();
        assert_eq!(decode(&packet, &config).unwrap().as_ref(), [0, 1, 0xFF, 0xFE, 0x7F, 0xFF]);
        assert!(decode(&packet[..8], &config).is_err());
        assert!(decode(&packet, &Config { frame: 2, ..config }).is_err());
        assert!(
            decode(&[0xE0], &config).is_err() && decode(&[0x80], &config).is_err() && decode(&[], &config).is_err()
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_decoded_or_refused(body: Vec<u8>) {
            for (head, channels) in [(0x00, 1), (0x20, 2)] {
                let config = Config::read(&cookie(16, channels)).unwrap();
                let _ = decode(&[&[head, 0, 0][..], &body].concat(), &config);
            }
        }
    }
}
