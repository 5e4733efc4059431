//! Films for the tests: made by ffmpeg when needed, or found in the folder of real media.

use anyhow::{Context, Result, ensure};
use std::{
    io::{Seek, SeekFrom, Write},
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

/// What the checks play each time: each kind of container, and the codecs that are common in it.
pub const RECIPES: &[Recipe] = &[
    film("mpeg1-b.mpg", "-c:v mpeg1video -b:v 800k -bf 2 -g 15 -c:a mp2 -b:a 128k -f mpeg"),
    film("mpeg2-b.vob", "-c:v mpeg2video -b:v 1500k -bf 2 -g 12 -c:a mp2 -b:a 192k -ar 48000 -f vob"),
    film("mpeg2-ac3.vob", "-c:v mpeg2video -b:v 1500k -bf 2 -g 12 -c:a ac3 -ar 48000 -f vob"),
    film(
        "mpeg2-interlaced.mpg",
        "-vf tinterlace=interleave_top -c:v mpeg2video -flags +ildct+ilme -b:v 2M -bf 2 -g 12 -c:a mp2 -f dvd",
    ),
    film("h264-b.mp4", "-c:v libx264 -preset veryfast -bf 3 -g 50 -b:v 800k -c:a aac -b:a 96k -movflags +faststart"),
    film("mpeg4-visual.mp4", "-c:v mpeg4 -bf 2 -b:v 900k -g 30 -c:a aac -b:a 64k"),
    film("hvc1-ac3.mp4", "-c:v libx265 -preset ultrafast -tag:v hvc1 -x265-params log-level=error -c:a ac3"),
    film("vp9-opus.mp4", "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -b:v 500k -c:a libopus -ar 48000"),
    film("h264.mov", "-c:v libx264 -preset veryfast -bf 0 -g 25 -c:a aac -ar 48000"),
    film("empty-moov.mp4", "-c:v libx264 -preset veryfast -bf 2 -g 25 -c:a aac -movflags frag_keyframe+empty_moov"),
    film("h264-aac.ts", "-c:v libx264 -preset veryfast -bf 2 -g 25 -c:a aac -f mpegts"),
    film("mpeg2-mp2.ts", "-c:v mpeg2video -bf 2 -c:a mp2 -f mpegts"),
    // Its frames are larger than a packet.
    film("eac3.ts", "-c:v mpeg2video -ac 6 -c:a eac3 -b:a 448k -ar 48000 -f mpegts"),
    film("m2ts.m2ts", "-c:v libx264 -preset veryfast -bf 2 -g 25 -c:a ac3 -f mpegts -mpegts_m2ts_mode 1"),
    film("xvid-packed.avi", "-c:v libxvid -bf 2 -g 50 -b:v 800k -c:a libmp3lame -b:a 128k"),
    film("msmpeg4v3-vbr.avi", "-c:v msmpeg4 -c:a libmp3lame -q:a 4"),
    film("wmv2.wmv", "-c:v wmv2 -b:v 500k -c:a wmav2 -b:a 64k"),
    film("broadcast.asf", "-c:v wmv1 -c:a wmav1 -f asf pipe:1"),
    film("svq1.mov", "-c:v svq1 -b:v 800k -c:a ac3 -ar 48000"),
    film("sorenson-mp3.flv", "-c:v flv -b:v 600k -c:a libmp3lame"),
    film("matroska.mkv", "-c:v libx264 -preset veryfast -bf 3 -g 25 -c:a ac3 -ar 48000"),
    film("vp8-ac3.mkv", "-c:v libvpx -deadline realtime -b:v 600k -c:a ac3 -ar 48000"),
    film("flash.flv", "-c:v libx264 -preset veryfast -bf 2 -g 50 -c:a aac"),
];

/// What else encoders and muxers make of the containers and codecs that are taken: `players --made` plays it, too.
pub const MORE: &[Recipe] = &[
    film("hev1-eac3.mov", "-c:v libx265 -preset ultrafast -tag:v hev1 -x265-params log-level=error -c:a eac3"),
    film("hvc1-aac.mp4", "-c:v libx265 -preset ultrafast -tag:v hvc1 -x265-params log-level=error -c:a aac"),
    film("pcm-s16be.mov", "-c:v libx264 -preset veryfast -c:a pcm_s16be"),
    film("pcm-s16le.mov", "-c:v libx264 -preset veryfast -c:a pcm_s16le"),
    film("pcm-s24be.mov", "-c:v mpeg4 -c:a pcm_s24be"),
    film("ulaw.mov", "-c:v mpeg4 -c:a pcm_mulaw -ar 8000 -ac 1"),
    film("alaw.mov", "-c:v mpeg4 -c:a pcm_alaw -ar 8000 -ac 1"),
    film("mjpeg.mov", "-c:v mjpeg -pix_fmt yuvj420p -q:v 4 -c:a aac"),
    film("h264-mp3.mp4", "-c:v libx264 -preset veryfast -bf 2 -c:a libmp3lame"),
    film("mpeg2.mp4", "-c:v mpeg2video -bf 2 -c:a mp2"),
    film("vp8.avi", "-c:v libvpx -deadline realtime -cpu-used 8 -c:a pcm_s16le"),
    film("h263.3gp", "-s 176x144 -c:v h263 -c:a aac -ar 8000 -ac 1"),
    film("separate-moof.mp4", "-c:v libx264 -preset veryfast -g 25 -c:a aac -movflags frag_keyframe+separate_moof"),
    film("base-moof.mp4", "-c:v libx264 -preset veryfast -g 25 -c:a aac -movflags frag_keyframe+default_base_moof"),
    film("dash.mp4", "-c:v libx264 -preset veryfast -g 25 -c:a aac -movflags dash+frag_keyframe+global_sidx"),
    film("cmaf.mp4", "-c:v libx264 -preset veryfast -bf 0 -g 25 -c:a aac -movflags cmaf+frag_keyframe"),
    film("late-video.mp4", "-vf setpts=PTS+0.4/TB -c:v libx264 -preset veryfast -bf 2 -c:a aac"),
    film("late-audio.mp4", "-af asetpts=PTS+0.4/TB -c:v libx264 -preset veryfast -bf 2 -c:a aac"),
    film("h264-ac3.mkv", "-c:v libx264 -preset veryfast -bf 2 -c:a ac3"),
    film("vp9-opus.webm", "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -c:a libopus"),
    film("hevc-aac.mkv", "-c:v libx265 -preset ultrafast -x265-params log-level=error -c:a aac"),
    film("mpeg2-mp2.mkv", "-c:v mpeg2video -bf 2 -c:a mp2"),
    film("opus.ogg", "-vn -c:a libopus"),
    film("vorbis.ogg", "-vn -c:a libvorbis"),
    film("speex.ogg", "-vn -c:a libspeex -ar 16000 -ac 1"),
    film("xvid.avi", "-c:v libxvid -bf 0 -g 50 -c:a ac3"),
    film("h264-ac3.avi", "-c:v libx264 -preset veryfast -bf 0 -g 25 -c:a ac3"),
    film("h264-b.avi", "-c:v libx264 -preset veryfast -bf 2 -g 25 -c:a libmp3lame -b:a 128k"),
    film("msmpeg4v2.avi", "-c:v msmpeg4v2 -c:a adpcm_ms"),
    film("cinepak.avi", "-s 160x120 -c:v cinepak -c:a pcm_u8"),
    film("mjpeg.avi", "-c:v mjpeg -pix_fmt yuvj420p -q:v 4 -c:a pcm_s16le"),
    film("rgb-top.avi", "-s 160x120 -c:v rawvideo -pix_fmt bgr24 -c:a pcm_u8"),
    film("rgb-bottom.avi", "-s 162x120 -c:v rawvideo -pix_fmt bgr24 -flipped_raw_rgb 1 -c:a pcm_u8"),
    film(
        "hevc.avi",
        "-c:v libx265 -preset ultrafast -x265-params log-level=error:bframes=3 -vtag HEVC -c:a libmp3lame",
    ),
    film("aac.avi", "-c:v mpeg4 -c:a aac"),
    film("wmv1.asf", "-c:v wmv1 -c:a wmav1"),
    film("msmpeg4v2.asf", "-c:v msmpeg4v2 -c:a libmp3lame"),
    film("msmpeg4v3.asf", "-c:v msmpeg4 -c:a wmav2"),
    film("mpeg4.asf", "-c:v mpeg4 -c:a ac3"),
    film("dts.ts", "-c:v mpeg2video -bf 2 -c:a dca -strict -2 -ar 32000 -f mpegts"),
    film("latm.ts", "-c:v libx264 -preset veryfast -bf 2 -c:a aac -mpegts_flags latm -f mpegts"),
    film("hevc-ac3.ts", "-c:v libx265 -preset ultrafast -x265-params log-level=error -c:a ac3 -f mpegts"),
    film("mpeg4-mp3.ts", "-c:v mpeg4 -bf 2 -c:a libmp3lame -f mpegts"),
    film("lpcm.m2ts", "-c:v mpeg2video -bf 2 -ac 6 -c:a pcm_bluray -ar 48000 -f mpegts -mpegts_m2ts_mode 1"),
    film(
        "two-programs.ts",
        "-map 0:v -map 1:a -map 0:v -map 1:a -c:v mpeg2video -c:a mp2 -program title=One:st=0:st=1 \
         -program title=Two:st=2:st=3 -f mpegts",
    ),
    film("lpcm.vob", "-c:v mpeg2video -bf 2 -c:a pcm_dvd -ar 48000 -ac 2 -f vob"),
    film("ntsc.vob", "-target ntsc-dvd -s 352x240"),
    film("svcd.mpg", "-target pal-svcd"),
    film("es.m1v", "-an -c:v mpeg1video -bf 2 -f mpeg1video"),
    film("es.m2v", "-an -c:v mpeg2video -bf 2 -f mpeg2video"),
    film("es.m4v", "-an -c:v mpeg4 -f m4v"),
    film("es.h264", "-an -c:v libx264 -preset veryfast -bf 2 -f h264"),
    film("es.h265", "-an -c:v libx265 -preset ultrafast -x265-params log-level=error -f hevc"),
    film("es.mp2", "-vn -c:a mp2 -f mp2"),
    film("es.mp3", "-vn -c:a libmp3lame -write_xing 0 -f mp3"),
    film("es.aac", "-vn -c:a aac -f adts"),
    film("es.dts", "-vn -c:a dca -strict -2 -ar 48000 -f dts"),
    film("es.ac3", "-vn -c:a ac3 -f ac3"),
    film("pcm.wav", "-vn -c:a pcm_s16le"),
    film("adpcm-ms.wav", "-vn -c:a adpcm_ms"),
    film("adpcm-ima.wav", "-vn -c:a adpcm_ima_wav"),
    film("float.wav", "-vn -c:a pcm_f32le"),
    film("s32.wav", "-vn -c:a pcm_s32le"),
    film("wma.wma", "-vn -c:a wmav2"),
    film("aac.m4a", "-vn -c:a aac"),
    film("alac.mov", "-c:v libx264 -preset veryfast -bf 2 -c:a alac -sample_fmt s16p"),
    film("flac.mkv", "-c:v libx264 -preset veryfast -bf 2 -c:a flac -sample_fmt s16"),
    film("flac.ogg", "-vn -c:a flac -sample_fmt s16"),
    film("nellymoser.flv", "-c:v libx264 -preset veryfast -bf 2 -c:a nellymoser -ar 22050 -ac 1"),
    film("prores.mov", "-s 176x144 -c:v prores -c:a aac"),
    film("prores.mkv", "-s 176x144 -c:v prores -c:a aac"),
    film("r210.mov", "-s 160x120 -c:v r210 -c:a aac"),
    film("mjpeg.mp4", "-c:v mjpeg -pix_fmt yuvj420p -huffman default -c:a aac"),
    film("f32.mkv", "-c:v mpeg4 -c:a pcm_f32le"),
    film("hevc-b.mpg", "-c:v libx265 -preset veryfast -x265-params log-level=error:bframes=4 -c:a mp2 -f mpeg"),
    film("f32.mov", "-c:v mpeg4 -c:a pcm_f32le"),
    film("h264.mpg", "-c:v libx264 -preset veryfast -bf 2 -g 25 -c:a mp2 -f mpeg"),
    film("two-kinds.vob", "-map 0:v -map 1:a -map 1:a -c:v mpeg2video -bf 2 -c:a:0 ac3 -c:a:1 mp2 -ar 48000 -f vob"),
    film("flac.avi", "-c:v mpeg4 -c:a flac -sample_fmt s16"),
    film("mbaff.mpg", "-c:v libx264 -preset veryfast -flags +ildct+ilme -x264opts tff=1 -bf 2 -c:a mp2 -f mpeg"),
    film(
        "gap.ts",
        "-vf select=not(between(n\\,20\\,60)) -fps_mode vfr -c:v libx264 -preset veryfast -bf 2 -c:a aac -f mpegts",
    ),
    film("two-audio.mpg", "-map 0:v -map 1:a -map 1:a -c:v mpeg2video -bf 2 -c:a mp2 -f dvd"),
    film("mp2-32k.mpg", "-c:v mpeg2video -c:a mp2 -ar 32000 -ac 1 -f mpeg"),
    film("mp3.mpg", "-c:v mpeg1video -c:a libmp3lame -f mpeg"),
    film("film-rate.mpg", "-r 24000/1001 -c:v mpeg2video -bf 2 -c:a ac3 -f dvd"),
    film("dts.vob", "-c:v mpeg2video -c:a dca -strict -2 -ar 48000 -f vob"),
    film("mbaff.ts", "-c:v libx264 -preset veryfast -flags +ildct+ilme -x264opts tff=1 -bf 2 -c:a mp2 -f mpegts"),
    film("open-gop.ts", "-c:v libx264 -preset veryfast -x264opts open-gop=1 -bf 3 -g 20 -c:a ac3 -f mpegts"),
    film("fps60.ts", "-r 60 -c:v libx264 -preset veryfast -bf 2 -c:a aac -f mpegts"),
    film("aac-5.1.mp4", "-c:v libx264 -preset veryfast -ac 6 -c:a aac"),
    film("ten-bits.mp4", "-c:v libx265 -pix_fmt yuv420p10le -preset ultrafast -x265-params log-level=error -c:a aac"),
    film("vfr.mp4", "-vf select=not(between(n\\,30\\,44)) -fps_mode vfr -c:v libx264 -preset veryfast -bf 2 -c:a aac"),
    film("timecode.mov", "-timecode 01:00:00:00 -c:v libx264 -preset veryfast -c:a aac"),
    film("small-packets.asf", "-c:v wmv2 -c:a wmav2 -packet_size 700"),
    film("dv.mov", "-s 720x576 -c:v dvvideo -c:a pcm_s16le -ar 48000 -ac 2"),
    film("opus.ts", "-c:v libx264 -preset veryfast -bf 2 -c:a libopus -ar 48000 -f mpegts"),
    film("alac-5.1.m4a", "-vn -c:a alac -ac 6 -sample_fmt s16p"),
    film("av1-opus.webm", "-s 176x144 -c:v libaom-av1 -usage realtime -cpu-used 8 -c:a libopus"),
    film("av1-eac3.mkv", "-s 176x144 -c:v libaom-av1 -usage realtime -cpu-used 8 -c:a eac3"),
    film("ac3-5.1.mkv", "-c:v libx264 -preset veryfast -ac 6 -c:a ac3"),
];

const fn film(file: &'static str, options: &'static str) -> Recipe {
    Recipe { file, length: 3, options }
}

/// All of them.
pub fn matrix() -> impl Iterator<Item = Recipe> {
    RECIPES.iter().chain(MORE).copied()
}

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
            .args((!self.is_piped()).then_some(&path))
            .output()?;
        ensure!(output.status.success(), "{}: {}", self.file, String::from_utf8_lossy(&output.stderr));
        if self.is_piped() {
            std::fs::write(&path, output.stdout)?;
        }
        Ok(path)
    }

    /// Whether the muxer could not go back to what it wrote first.
    fn is_piped(&self) -> bool {
        self.options.ends_with("pipe:1")
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

/// Writes an AVI again as OpenDML has it beyond 1 GiB: its first half in the first RIFF, with a hole of more than
/// that in it, the other half in an AVIX segment. There is no index, and the hole takes no room on the disk.
pub fn write_opendml(avi: &[u8], path: &Path) -> Result<()> {
    const HOLE: u32 = (1 << 30) + 4096;
    let size_at =
        |at: usize| avi.get(at..at + 4).and_then(|size| size.first_chunk()).map(|b| u32::from_le_bytes(*b) as usize);
    let next = |at: usize| size_at(at + 4).map(|size| at + 8 + size + size % 2);
    // Chunks of the RIFF, up to the list of the media.
    let mut movi = 12;
    while avi.get(movi + 8..movi + 12).context("no movi list")? != b"movi" {
        movi = next(movi).context("no movi list")?;
    }
    let end = next(movi).context("a movi list without an end")?.min(avi.len());
    let mut middle = movi + 12;
    while middle < movi.midpoint(end) {
        middle = next(middle).context("a chunk without a size")?;
    }
    let (first, second) = (&avi[movi + 12..middle], &avi[middle..end]);
    let size = |bytes: usize| u32::try_from(bytes).map(u32::to_le_bytes);
    let list = 4 + first.len() + 8 + HOLE as usize;
    let mut file = std::fs::File::create(path)?;
    file.write_all(&[b"RIFF", &size(4 + movi - 12 + 8 + list)?[..], b"AVI "].concat())?;
    file.write_all(&avi[12..movi])?;
    file.write_all(&[b"LIST", &size(list)?[..], b"movi", first, b"JUNK", &HOLE.to_le_bytes()].concat())?;
    file.seek(SeekFrom::Current(HOLE.into()))?;
    let list = [b"LIST", &size(4 + second.len())?[..], b"movi", second].concat();
    file.write_all(&[b"RIFF", &size(4 + list.len())?[..], b"AVIX", &list].concat())?;
    Ok(())
}

/// The folder of real files: `MOBIDIC_MEDIA`, or `shared/media` beside the project; `None` where there is none.
pub fn media_folder() -> Option<PathBuf> {
    let folder = match std::env::var_os("MOBIDIC_MEDIA") {
        Some(folder) => PathBuf::from(folder),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/media"),
    };
    folder.is_dir().then_some(folder)
}
