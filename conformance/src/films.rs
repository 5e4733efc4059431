//! Films for the tests: made by ffmpeg when needed, or found in the folder of real media.

use anyhow::{Result, ensure};
use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// A film that ffmpeg makes: file name and the output options that make it.
#[derive(Clone, Copy, Debug)]
pub struct Recipe {
    /// With the extension that names ffmpeg's muxer.
    pub file: &'static str,
    /// Seconds.
    pub length: u32,
    /// ffmpeg's output options, split at blanks.
    pub options: &'static str,
}

/// What the frame-for-frame comparison runs over: each container and codec that the server takes.
pub const RECIPES: &[Recipe] = &[
    Recipe {
        file: "mpeg1-b.mpg",
        length: 6,
        options: "-c:v mpeg1video -b:v 800k -bf 2 -g 15 -c:a mp2 -b:a 128k -f mpeg",
    },
    Recipe {
        file: "mpeg2-b.vob",
        length: 6,
        options: "-c:v mpeg2video -b:v 1500k -bf 2 -g 12 -c:a mp2 -b:a 192k -ar 48000 -f vob",
    },
    Recipe {
        file: "mpeg2-interlaced.mpg",
        length: 4,
        options: "-vf tinterlace=interleave_top -c:v mpeg2video -flags +ildct+ilme -b:v 2M -bf 2 -g 12 -c:a mp2 -f dvd",
    },
    Recipe {
        file: "h264-b.mp4",
        length: 6,
        options: "-c:v libx264 -preset veryfast -bf 3 -g 50 -b:v 800k -c:a aac -b:a 96k -movflags +faststart",
    },
    Recipe { file: "mpeg4-visual.mp4", length: 6, options: "-c:v mpeg4 -bf 2 -b:v 900k -g 30 -c:a aac -b:a 64k" },
    Recipe { file: "h264-aac.ts", length: 4, options: "-c:v libx264 -preset veryfast -bf 2 -g 25 -c:a aac -f mpegts" },
    Recipe { file: "mpeg2-mp2.ts", length: 4, options: "-c:v mpeg2video -bf 2 -c:a mp2 -f mpegts" },
    Recipe { file: "wmv2.wmv", length: 4, options: "-c:v wmv2 -b:v 500k -c:a wmav2 -b:a 64k" },
    Recipe { file: "svq1-ima4.mov", length: 4, options: "-c:v svq1 -b:v 800k -c:a adpcm_ima_qt" },
    Recipe { file: "sorenson-mp3.flv", length: 4, options: "-c:v flv -b:v 600k -c:a libmp3lame" },
    Recipe { file: "h264-b.mkv", length: 4, options: "-c:v libx264 -preset veryfast -bf 3 -g 25 -c:a libmp3lame" },
    Recipe { file: "vp8-vorbis.webm", length: 4, options: "-c:v libvpx -deadline realtime -b:v 600k -c:a libvorbis" },
    Recipe { file: "theora-vorbis.ogv", length: 4, options: "-c:v libtheora -b:v 600k -c:a libvorbis" },
    Recipe { file: "h264.mov", length: 4, options: "-c:v libx264 -preset veryfast -bf 0 -g 25 -c:a aac -ar 48000" },
];

impl Recipe {
    /// Makes it in `folder`.
    pub fn make(&self, folder: &Path) -> Result<PathBuf> {
        let path = folder.join(self.file);
        let length = self.length.to_string();
        let output = Command::new("ffmpeg")
            .args(["-hide_banner", "-nostdin", "-loglevel", "error", "-y"])
            .args(["-f", "lavfi", "-i", "testsrc2=size=352x288:rate=25"])
            .args(["-f", "lavfi", "-i", "sine=frequency=440:beep_factor=4:sample_rate=44100"])
            .args(["-t", &length])
            .args(self.options.split_whitespace())
            .arg(&path)
            .output()?;
        ensure!(output.status.success(), "{}: {}", self.file, String::from_utf8_lossy(&output.stderr));
        Ok(path)
    }
}

/// Wraps a program stream in the sectors of a Video CD's `.dat` file (RIFF CDXA, 2352 bytes, form 2).
///
/// The layout is in the standards that the `.dat` reader names; each sector takes 2324 bytes of the stream.
pub fn wrap_in_sectors(stream: &[u8]) -> Vec<u8> {
    const DATA: usize = 2324;
    let sectors = stream.len().div_ceil(DATA);
    let size = (sectors * 2352) as u32;
    let mut out = Vec::with_capacity(44 + size as usize);
    out.extend_from_slice(b"RIFF");
    out.extend_from_slice(&(size + 36).to_le_bytes());
    out.extend_from_slice(b"CDXAfmt \x10\0\0\0\0\0\0\0\x55\x55XA\x03\0\0\0\0\0\0\0data");
    out.resize(40, 0);
    out.extend_from_slice(&size.to_le_bytes());
    for (index, data) in stream.chunks(DATA).enumerate() {
        out.push(0);
        out.extend_from_slice(&[0xff; 10]);
        out.push(0);
        let frame = index as u32 + 150;
        let bcd = |value: u32| (((value / 10) % 10) << 4 | (value % 10)) as u8;
        out.extend_from_slice(&[bcd(frame / 4500), bcd(frame / 75 % 60), bcd(frame % 75), 2]);
        // File 1, channel 1, real-time form 2 video; the sub-header stands twice.
        out.extend_from_slice(&[1, 1, 0x62, 0x0f, 1, 1, 0x62, 0x0f]);
        out.extend_from_slice(data);
        out.resize(out.len() + DATA - data.len(), 0);
        out.extend_from_slice(&[0; 4]);
    }
    out
}

/// The folder of real files: `MOBIDIC_MEDIA`, or `shared/media` beside the project; `None` where there is none.
pub fn media_folder() -> Option<PathBuf> {
    let folder = match std::env::var_os("MOBIDIC_MEDIA") {
        Some(folder) => PathBuf::from(folder),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/media"),
    };
    folder.is_dir().then_some(folder)
}
