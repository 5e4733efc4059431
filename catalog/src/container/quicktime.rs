//! QuickTime's sample descriptions, for codecs that neither RTP nor ASF has a name for: they travel as X-QT, each by
//! itself, beside whatever else there is. ffmpeg 5.1 keeps codec, rate and channels of what it receives so, and no more.

use rtp::format::{Format, MAX_DESCRIPTION, Media};

/// A track by the sample description that lies in its file, with its length in front; `clock` in ticks per second.
/// `None` where it is too long for a packet.
pub(super) fn described(media: Media, description: &[u8], clock: u32, codec: String) -> Option<Format> {
    let description = description.to_vec();
    let fits = description.len() <= MAX_DESCRIPTION && clock > 0;
    fits.then_some(Format::QuickTime { media, description, clock, codec })
}

/// A track of sound of another container, as QuickTime would describe it: version 0 of the sound sample description.
pub(super) fn sound(kind: [u8; 4], channels: u8, rate: u32, codec: String) -> Option<Format> {
    let mut body = vec![0; 8];
    body[7] = 1;
    body.extend([0; 8]);
    body.extend(u16::from(channels).to_be_bytes());
    body.extend(16u16.to_be_bytes());
    body.extend([0; 4]);
    // Fixed point, 16.16.
    body.extend(u16::try_from(rate).unwrap_or(0).to_be_bytes());
    body.extend([0; 2]);
    described(Media::Audio, &boxed(kind, &body), rate, codec)
}

/// Pictures of another container, as QuickTime would describe them: ffmpeg takes the names of files for Windows there, too.
pub(super) fn pictures(fourcc: [u8; 4], width: u32, height: u32, clock: u32) -> Option<Format> {
    let size = |pixels: u32| u16::try_from(pixels).ok().map(u16::to_be_bytes);
    let mut body = vec![0; 24];
    body[7] = 1;
    body.extend(size(width)?);
    body.extend(size(height)?);
    // 72 dots an inch, one frame a sample, no name, 24 bits a pixel, no colour table.
    body.extend([0, 72, 0, 0, 0, 72, 0, 0, 0, 0, 0, 0, 0, 1]);
    body.extend([0; 32]);
    body.extend([0, 24, 0xFF, 0xFF]);
    let codec = format!("{} video {width}x{height}", fourcc.escape_ascii());
    described(Media::Video, &boxed(fourcc, &body), clock, codec)
}

/// A box: length, kind, body.
pub(super) fn boxed(kind: [u8; 4], body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 8).unwrap_or(u32::MAX);
    [&length.to_be_bytes()[..], &kind, body].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sound_is_described_as_quicktime_does() {
        let format = sound(*b"nmos", 2, 22_050, "Nellymoser".into()).unwrap();
        let Format::QuickTime { media: Media::Audio, description, clock: 22_050, .. } = &format else {
            panic!("{format:?}")
        };
        let head = b"\0\0\0\x24nmos\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\0\0\x02\0\x10\0\0\0\0\x56\x22\0\0";
        assert_eq!(description.as_slice(), head);
        let Some(Format::QuickTime { description, .. }) = pictures(*b"FLV1", 320, 240, 1000) else { panic!() };
        assert_eq!((description.len(), &description[32..36]), (86, &[1, 64, 0, 240][..]));
        assert_eq!(sound(*b"nmos", 2, 0, String::new()), None);
        assert_eq!(described(Media::Video, &[0; MAX_DESCRIPTION + 1], 600, String::new()), None);
    }
}
