//! What a stream of a program is, by its stream type and descriptors (ISO 13818-1 table 2-34, ETSI EN 300 468,
//! ATSC A/53, and the Blu-ray types that camcorders use).

/// A kind of stream that can become a track.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    MpegVideo,
    H264,
    H265,
    Mpeg4Visual,
    Vc1,
    MpegAudio,
    /// AAC behind ADTS headers.
    Adts,
    /// AAC in LATM with LOAS syncs.
    Latm,
    Ac3,
    Eac3,
    Dts,
    Opus,
    /// The AC-3 that Blu-ray discs have beside TrueHD in one stream.
    TrueHdCore,
    /// As Blu-ray discs have it.
    Lpcm,
    /// Private data that nothing describes: its content may say.
    Unknown,
}

impl Kind {
    pub fn is_video(self) -> bool {
        matches!(self, Kind::MpegVideo | Kind::H264 | Kind::H265 | Kind::Mpeg4Visual | Kind::Vc1)
    }

    /// Which of the streams on its PID it is, where that has several (Blu-ray Disc, BD-ROM part 3).
    pub fn extension(self) -> Option<u8> {
        matches!(self, Kind::TrueHdCore).then_some(0x76)
    }

    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Kind::MpegVideo => "MPEG-1 or MPEG-2 video",
            Kind::H264 => "H.264",
            Kind::H265 => "H.265",
            Kind::Mpeg4Visual => "MPEG-4 visual",
            Kind::Vc1 => "VC-1 video",
            Kind::MpegAudio => "MPEG audio",
            Kind::Adts => "AAC",
            Kind::Latm => "AAC in LATM",
            Kind::Ac3 => "AC-3",
            Kind::Eac3 => "E-AC-3",
            Kind::Dts => "DTS",
            Kind::Opus => "Opus",
            Kind::TrueHdCore => "AC-3 beside TrueHD",
            Kind::Lpcm => "LPCM",
            Kind::Unknown => "private data",
        }
    }
}

/// What a stream is, for us and for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StreamKind {
    /// `None` for what can be no track.
    pub kind: Option<Kind>,
    pub stream_type: u8,
    pub name: &'static str,
}

/// Descriptor tags.
const REGISTRATION: u8 = 0x05;
const TELETEXT: u8 = 0x56;
const SUBTITLING: u8 = 0x59;
const AC3: u8 = 0x6A;
const ENHANCED_AC3: u8 = 0x7A;
const DTS: u8 = 0x7B;
const EXTENSION: u8 = 0x7F;
/// Opus's own extension.
const OPUS: u8 = 0x80;

/// Data of no standard kind in PES packets: descriptors say what.
const PRIVATE: u8 = 0x06;

impl StreamKind {
    /// By the stream type and the descriptors of the program and of the stream itself.
    pub fn tell(stream_type: u8, program: &[(u8, &[u8])], own: &[(u8, &[u8])]) -> Self {
        let registration = |descriptors: &[(u8, &[u8])]| {
            let (_, body) = descriptors.iter().find(|(tag, _)| *tag == REGISTRATION)?;
            body.first_chunk::<4>().copied()
        };
        let blu_ray = registration(program).is_some_and(|id| &id == b"HDMV");
        let known = |kind: Kind| (Some(kind), kind.name());
        let (kind, name) = match stream_type {
            0x01 | 0x02 => known(Kind::MpegVideo),
            0x03 | 0x04 => known(Kind::MpegAudio),
            0x0F => known(Kind::Adts),
            0x10 => known(Kind::Mpeg4Visual),
            0x11 => known(Kind::Latm),
            0x1B => known(Kind::H264),
            0x24 => known(Kind::H265),
            0x81 => known(Kind::Ac3),
            0x84 | 0xA1 if blu_ray => known(Kind::Eac3),
            0x87 => known(Kind::Eac3),
            PRIVATE | 0x80..=0xFF => by_descriptors(own, registration(own)).unwrap_or(match stream_type {
                0x80 if blu_ray => known(Kind::Lpcm),
                // DTS-HD has frames of DTS in it.
                0x82 | 0x85 | 0x86 if blu_ray => known(Kind::Dts),
                0x8A => known(Kind::Dts),
                // Subtitles by ANSI/SCTE 27, but ffmpeg writes DTS so.
                0x82 => known(Kind::Unknown),
                0x83 if blu_ray => known(Kind::TrueHdCore),
                0x83 => (None, "Dolby TrueHD audio"),
                0xA2 if blu_ray => (None, "DTS-HD audio"),
                0x90 if blu_ray => (None, "Blu-ray subtitles"),
                0x91 if blu_ray => (None, "Blu-ray menus"),
                0x86 => (None, "SCTE-35 cues"),
                0xEA => known(Kind::Vc1),
                0xD1 => (None, "Dirac video"),
                PRIVATE if registration(own).is_none() => known(Kind::Unknown),
                _ => (None, "private data"),
            }),
            0x05 | 0x0A..=0x0D | 0x14 => (None, "private sections"),
            0x15 => (None, "metadata"),
            0x1C => (None, "AAC without framing"),
            0x1F | 0x20 => (None, "H.264 enhancement layer"),
            0x21 => (None, "JPEG 2000 video"),
            0x25..=0x2B => (None, "H.265 enhancement layer"),
            0x33 => (None, "H.266 video"),
            0x42 => (None, "AVS video"),
            _ => (None, "unknown data"),
        };
        Self { kind, stream_type, name }
    }

    /// For people.
    pub fn describe(&self) -> String {
        format!("{} (stream type {:#04x})", self.name, self.stream_type)
    }
}

fn by_descriptors(own: &[(u8, &[u8])], registration: Option<[u8; 4]>) -> Option<(Option<Kind>, &'static str)> {
    let known = |kind: Kind| (Some(kind), kind.name());
    let by_tag = own.iter().find_map(|(tag, body)| match (*tag, body.first()) {
        (AC3, _) => Some(known(Kind::Ac3)),
        (ENHANCED_AC3, _) => Some(known(Kind::Eac3)),
        (DTS, _) => Some(known(Kind::Dts)),
        (TELETEXT, _) => Some((None, "teletext")),
        (SUBTITLING, _) => Some((None, "DVB subtitles")),
        (EXTENSION, Some(0x0E)) => Some((None, "DTS-HD audio")),
        (EXTENSION, Some(0x15)) => Some((None, "AC-4 audio")),
        _ => None,
    });
    let by_registration = || {
        Some(match &registration? {
            b"AC-3" => known(Kind::Ac3),
            b"EAC3" => known(Kind::Eac3),
            b"HEVC" => known(Kind::H265),
            b"DTS1" | b"DTS2" | b"DTS3" => known(Kind::Dts),
            b"BSSD" => (None, "SMPTE 302M audio"),
            b"Opus" => match own.iter().find_map(|(tag, body)| (*tag == EXTENSION).then_some(*body)) {
                // Streams and how they are coupled: 0 is two languages, 1 and 2 are what RTP has.
                Some([OPUS, 3..=u8::MAX, ..]) => (None, "Opus audio of more than two channels"),
                _ => known(Kind::Opus),
            },
            b"AV01" => (None, "AV1 video"),
            b"VC-1" => known(Kind::Vc1),
            b"drac" => (None, "Dirac video"),
            b"KLVA" => (None, "KLV metadata"),
            b"ID3 " => (None, "ID3 metadata"),
            _ => return None,
        })
    };
    by_tag.or_else(by_registration)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_told_by_type_and_descriptors() {
        let (nothing, blu_ray, dvb_ac3): (&[_], &[_], &[_]) = (&[], &[(0x05, &b"HDMV"[..])], &[(0x6A, &[0][..])]);
        type Case<'a> = (u8, &'a [(u8, &'a [u8])], &'a [(u8, &'a [u8])], Option<Kind>, &'a str);
        let cases: &[Case] = &[
            (0x02, nothing, nothing, Some(Kind::MpegVideo), "MPEG-1 or MPEG-2 video"),
            (0x1B, blu_ray, nothing, Some(Kind::H264), "H.264"),
            (0x10, nothing, nothing, Some(Kind::Mpeg4Visual), "MPEG-4 visual"),
            (0x81, nothing, nothing, Some(Kind::Ac3), "AC-3"),
            (0x06, nothing, dvb_ac3, Some(Kind::Ac3), "AC-3"),
            (0x06, nothing, &[(0x05, b"HEVC")], Some(Kind::H265), "H.265"),
            (0x06, nothing, &[(0x56, &[])], None, "teletext"),
            (0x06, nothing, &[(0x0A, b"deu\0"), (0x59, &[])], None, "DVB subtitles"),
            (0x06, nothing, nothing, Some(Kind::Unknown), "private data"),
            (0x06, nothing, &[(0x05, b"XYZ ")], None, "private data"),
            (0x82, blu_ray, nothing, Some(Kind::Dts), "DTS"),
            (0x8A, nothing, nothing, Some(Kind::Dts), "DTS"),
            (0x06, nothing, &[(0x7B, &[])], Some(Kind::Dts), "DTS"),
            (0x86, blu_ray, nothing, Some(Kind::Dts), "DTS"),
            (0xA2, blu_ray, nothing, None, "DTS-HD audio"),
            (0x82, nothing, nothing, Some(Kind::Unknown), "private data"),
            (0x84, blu_ray, nothing, Some(Kind::Eac3), "E-AC-3"),
            (0x80, blu_ray, nothing, Some(Kind::Lpcm), "LPCM"),
            (0x83, blu_ray, nothing, Some(Kind::TrueHdCore), "AC-3 beside TrueHD"),
            (0x83, nothing, nothing, None, "Dolby TrueHD audio"),
            (0x06, nothing, &[(0x05, b"Opus"), (0x7F, &[0x80, 2])], Some(Kind::Opus), "Opus"),
            (0x06, nothing, &[(0x05, b"Opus"), (0x7F, &[0x80, 6])], None, "Opus audio of more than two channels"),
            (0xEA, nothing, nothing, Some(Kind::Vc1), "VC-1 video"),
        ];
        for (stream_type, program, own, kind, name) in cases {
            let told = StreamKind::tell(*stream_type, program, own);
            assert_eq!((told.kind, told.name), (*kind, *name), "{stream_type:#x}");
        }
    }
}
