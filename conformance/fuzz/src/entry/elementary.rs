//! Codecs' headers, one target a family.

use rtp::codec::{aac as aac_codec, ac3 as ac3_codec, amr as amr_codec, h264 as avc, h265 as hevc};
use rtp::codec::{frames::FrameHeader, frames::Scan, frames::Scanner};
use rtp::codec::{mpeg_audio as mpa, mpeg_video as mpv, mpeg4_visual as m4v, nal, start_code};

pub fn h264(input: &[u8]) {
    framings(input);
    let mut order = avc::PictureOrder::default();
    let mut before: Option<avc::PictureId> = None;
    for unit in nal::annex_b(input) {
        avc::Sps::parse(unit).ok().and_then(|sps| sps.frame_rate());
        avc::Pps::parse(unit).ok();
        avc::SliceHeader::parse(unit).ok();
        avc::recovery_point(unit);
        order.handle_set(unit).ok();
        if let Ok(slice) = order.slice(unit) {
            order.count(&slice);
            let first = before.replace(slice.picture);
            assert!(!first.is_some_and(|first| slice.picture.completes(&first) && first.field == slice.picture.field));
        }
    }
    avc::is_sync(nal::annex_b(input));
}

pub fn h265(input: &[u8]) {
    framings(input);
    let mut order = hevc::PictureOrder::default();
    for unit in nal::annex_b(input) {
        hevc::Sps::parse(unit).ok();
        hevc::Timing::of_vps(unit);
        hevc::pps_id(unit);
        // Who begins a picture begins an access unit.
        assert!(hevc::begins_unit(unit) || hevc::layer(unit) > 0 || !hevc::begins_picture(unit));
        order.handle_set(unit).ok();
        if let Ok(slice) = order.slice(unit) {
            order.count(&slice);
            order.is_skipped(&slice);
        }
    }
    hevc::is_sync(nal::annex_b(input));
}

/// Units come back as they were, whatever lies around them.
fn framings(input: &[u8]) {
    let (mut prefixed, mut annex_b) = (Vec::new(), Vec::new());
    nal::annex_b_to_prefixed(input, &mut prefixed).expect("a small stream");
    nal::prefixed_to_annex_b(&prefixed, 4, &mut annex_b).expect("what was written");
    assert!(nal::annex_b(input).eq(nal::annex_b(&annex_b)));
    for length_size in 1..=4 {
        let mut out = Vec::new();
        let whole = nal::prefixed_to_prefixed(input, length_size, &mut out).is_ok();
        let units = nal::length_prefixed(input, length_size).filter_map(Result::ok);
        assert!(units.eq(nal::length_prefixed(&out, 4).filter_map(Result::ok)) || !whole);
    }
    assert!(nal::unescape(input).len() <= input.len());
}

pub fn mpeg_video(input: &[u8]) {
    for found in start_code::start_codes(input) {
        let rest = &input[found.offset..];
        match found.code {
            mpv::SEQUENCE => drop(mpv::Sequence::parse(rest)),
            mpv::GROUP => drop(mpv::Group::parse(rest)),
            mpv::PICTURE => drop(mpv::Picture::parse(rest)),
            mpv::EXTENSION => drop(mpv::PictureCoding::parse(rest)),
            _ => {}
        }
    }
    if let Some(coding) = mpv::picture_coding(input) {
        assert!((1..=6).contains(&coding.fields(false)) && (1..=6).contains(&coding.fields(true)));
    }
}

pub fn mpeg4_visual(input: &[u8]) {
    assert!(m4v::config_len(input) <= input.len());
    m4v::Config::parse(input).ok();
    let (mut layer, mut clock) = (None, m4v::VopClock::default());
    for found in start_code::start_codes(input) {
        let rest = &input[found.offset..];
        if let Ok(next) = m4v::Layer::parse(rest) {
            layer = Some(next);
        }
        if let Ok(group) = m4v::Group::parse(rest) {
            clock.handle_group(&group);
        }
        if let Some(layer) = &layer
            && let Ok(vop) = m4v::Vop::parse(rest, layer)
        {
            clock.handle_vop(&vop, layer);
        }
    }
}

pub fn mpeg_audio(input: &[u8]) {
    frames::<mpa::FrameHeader>(input, |header, frame| {
        mpa::is_notes(header, frame);
        assert!(header.samples() > 0);
    });
}

pub fn aac(input: &[u8]) {
    aac_codec::AudioSpecificConfig::parse(input).ok();
    if let Ok((_, bits)) = aac_codec::AudioSpecificConfig::parse_prefix(input) {
        assert!(bits <= input.len() * 8);
    }
    frames::<aac_codec::AdtsHeader>(input, |header, _| {
        // A header without channels leaves them to the stream itself; its configuration is then none.
        let config = aac_codec::AudioSpecificConfig::parse(&header.config());
        assert_eq!(config.is_ok(), header.channel_config > 0, "what a header says");
    });
}

pub fn ac3(input: &[u8]) {
    frames::<ac3_codec::FrameHeader>(input, |header, _| {
        header.begins_unit();
        assert!(header.samples() > 0);
    });
}

pub fn amr(input: &[u8]) {
    for wide in [false, true] {
        let mut rest = input;
        while let Some(length) = rest.first().and_then(|&toc| amr_codec::frame_len(wide, toc)) {
            assert!(length > 0);
            rest = rest.get(length..).unwrap_or_default();
        }
    }
}

/// Cuts the input as a whole and as it comes, in pieces, and finds the same frames.
fn frames<H: FrameHeader>(input: &[u8], mut check: impl FnMut(&H, &[u8])) {
    H::parse(input).ok();
    let (mut scanner, mut start, mut end) = (Scanner::<H>::new(), 0, 0);
    let mut whole = Scanner::<H>::new();
    let mut whole_start = 0;
    loop {
        match scanner.scan(&input[start..end], end == input.len()) {
            Scan::Frame { skip, header, len } => {
                check(&header, &input[start + skip..start + skip + len]);
                assert!(len > 0 && len <= H::MAX_FRAME);
                let Scan::Frame { skip: other, len: other_len, .. } = whole.scan(&input[whole_start..], true) else {
                    panic!("a frame at {} only in pieces", start + skip);
                };
                assert_eq!((start + skip, len), (whole_start + other, other_len));
                whole_start += other + other_len;
                start += skip + len;
            }
            Scan::More { .. } if end == input.len() => break,
            Scan::More { skip } => (start, end) = (start + skip, (end + 1_009).min(input.len())),
        }
    }
    assert!(matches!(whole.scan(&input[whole_start..], true), Scan::More { .. }), "a frame only as a whole");
}
