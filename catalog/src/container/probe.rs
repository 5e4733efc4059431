//! Which container a file is, by its content and never by its name.

use super::{asf, avi, es, flv, mkv, mp4, mpeg, ogg, wav};

/// The containers that [`open`](super::open) reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// An MPEG-1 system stream or MPEG-2 program stream.
    MpegPs,
    /// The same in the sectors of a Video CD, with or without the RIFF header that Windows puts before them.
    VcdDat,
    /// An MPEG-2 transport stream, with packets of 188, 192 or 204 bytes.
    MpegTs,
    /// Flash Video.
    Flv,
    /// Matroska and WebM.
    Mkv,
    /// Ogg.
    Ogg,
    /// MP4, QuickTime and their kin.
    Mp4,
    /// AVI 1.0 and OpenDML.
    Avi,
    /// WAV, RF64 and BW64.
    Wav,
    /// ASF, WMV, WMA.
    Asf,
    /// An elementary stream.
    Es(es::Codec),
}

/// Tells the container of a file that is `len` bytes long and begins with `head`, which should be
/// [`limits::PROBE_LEN`](super::limits::PROBE_LEN) bytes or the whole file. `None` where it is none that we read.
pub fn probe(head: &[u8], len: u64) -> Option<Kind> {
    let whole = head.len() as u64 >= len;
    if flv::looks_like(head) {
        return Some(Kind::Flv);
    }
    if mkv::looks_like(head) {
        return Some(Kind::Mkv);
    }
    if ogg::looks_like(head) {
        return Some(Kind::Ogg);
    }
    if mp4::looks_like(head) {
        return Some(Kind::Mp4);
    }
    if asf::looks_like(head) {
        return Some(Kind::Asf);
    }
    if avi::looks_like(head) {
        return Some(Kind::Avi);
    }
    if wav::looks_like(head) {
        return Some(Kind::Wav);
    }
    if mpeg::is_transport_stream(head, whole) {
        return Some(Kind::MpegTs);
    }
    if mpeg::is_sectors(head) {
        return Some(Kind::VcdDat);
    }
    if mpeg::is_program_stream(head, whole) {
        return Some(Kind::MpegPs);
    }
    es::detect(head, whole).map(Kind::Es)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{media, probe_bytes};
    use super::*;

    #[test]
    fn files_are_known_by_content() {
        let cases = [
            ("vcd_avseq00.m1p", Some(Kind::MpegPs)),
            ("vcd_avseq01_vcd20.dat", Some(Kind::VcdDat)),
            ("ps_dvd_pal_navpacks.mpg", Some(Kind::MpegPs)),
            ("ps_ac3_only.ps", Some(Kind::MpegPs)),
            ("mp4_dss_hinted_h264.mp4", Some(Kind::Mp4)),
            ("mov_cmov_svq1.mov", Some(Kind::Mp4)),
            ("3gp_phone_h263_amr.3gp", Some(Kind::Mp4)),
            ("es_xine_default.mpv", Some(Kind::Es(es::Codec::MpegVideo))),
            ("aac_adts.aac", Some(Kind::Es(es::Codec::Adts))),
            ("ac3_silence.ac3", Some(Kind::Es(es::Codec::Ac3))),
            ("mp3_vbr_xing.mp3", Some(Kind::Es(es::Codec::MpegAudio))),
            ("mp3_dss_cbr_id3v22.mp3", Some(Kind::Es(es::Codec::MpegAudio))),
            ("ts_bbb_mpeg2_mp2.ts", Some(Kind::MpegTs)),
            ("ts_204byte_dvbsub.ts", Some(Kind::MpegTs)),
            ("m2ts_panasonic_truncated.mts", Some(Kind::MpegTs)),
            ("avi_vtest_div3.avi", Some(Kind::Avi)),
            ("avi_truncated_header.avi", Some(Kind::Avi)),
            ("asf_ladybug_vc1_wmapro.wmv", Some(Kind::Asf)),
            ("mkv_h264_ac3_srt.mkv", Some(Kind::Mkv)),
            ("flv_sorenson_mp3.flv", Some(Kind::Flv)),
            ("MANIFEST.tsv", None),
        ];
        for (name, expected) in cases {
            let Some(bytes) = media(name) else { return };
            assert_eq!(probe_bytes(&bytes), expected, "{name}");
        }
    }

    #[test]
    fn nothing_and_noise_are_no_container() {
        let cases: &[(&str, &[u8])] = &[
            ("nothing", &[]),
            ("zeros", &[0; 70_000]),
            ("text", b"00 00 01 BA is how a pack begins"),
            ("a pack's code alone", &[0, 0, 1, 0xBA]),
            ("one packet of no length", &[0, 0, 1, 0xE0, 0, 0, 0x80, 0, 0]),
        ];
        for (name, bytes) in cases {
            assert_eq!(probe_bytes(bytes), None, "{name}");
        }
    }
}
