//! What some players must be told in another way than the rest.

use rtp::format::Format;

/// In whose words a description is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Each track has a line of its own, in the words of its payload format.
    Any,
    /// ffmpeg and what is built on its library. It has no E-AC-3 among its payload formats, but takes frames of AC-3 out of
    /// packets as they are, and its decoder tells by their headers which of both they are. So that is what it is told; the
    /// packets fit both.
    Ffmpeg,
    /// Tracks in ASF packets share one line: GStreamer gives every line a demuxer of its own, and each demuxer waits for all
    /// the streams that the header tells of. It waits for ever for what comes as QuickTime describes it, so that is not
    /// told beside other tracks. E-AC-3 is called AC-3 as for ffmpeg: its parser tells them apart.
    Gstreamer,
}

impl Dialect {
    /// By the request's `User-Agent`.
    pub fn of(agent: &str) -> Self {
        match agent {
            agent if agent.starts_with("GStreamer") => Self::Gstreamer,
            agent if agent.starts_with("Lavf") => Self::Ffmpeg,
            _ => Self::Any,
        }
    }

    /// What `a=rtpmap` says of a track.
    pub(super) fn rtpmap(self, format: &Format) -> String {
        match (self, format) {
            (Self::Ffmpeg | Self::Gstreamer, Format::Eac3 { sample_rate, channels }) => {
                Format::Ac3 { sample_rate: *sample_rate, channels: *channels }.rtpmap()
            }
            _ => format.rtpmap(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enhanced_ac3_is_named_as_each_player_takes_it() {
        let enhanced = Format::Eac3 { sample_rate: 48_000, channels: 6 };
        let plain = Format::Ac3 { sample_rate: 44_100, channels: 2 };
        let cases = [
            ("Lavf59.27.100", "AC3/48000/6", "AC3/44100/2"),
            ("GStreamer/1.22.0", "AC3/48000/6", "AC3/44100/2"),
            ("VLC/3.0.21 (LIVE555 Streaming Media v2016.11.28)", "EAC3/48000", "AC3/44100/2"),
            ("", "EAC3/48000", "AC3/44100/2"),
        ];
        for (agent, first, second) in cases {
            let dialect = Dialect::of(agent);
            assert_eq!((dialect.rtpmap(&enhanced), dialect.rtpmap(&plain)), (first.into(), second.into()), "{agent}");
        }
    }
}
