//! Real films: made by ffmpeg here, and those of the media folder.

use super::{IngestOptions, Outcome, ingest_file};
use crate::check::check;
use crate::container::testing::run;
use crate::library::Library;
use crate::presentation::Presentation;
use crate::testing::World;
use rtp::format::Media;
use std::path::{Path, PathBuf};
use stripes::layout::Policy;
use stripes::net::UnitSource;

fn options(world: &World) -> IngestOptions {
    let policy = Policy { unit_size: 64 << 10, ..world.options(None).policy };
    IngestOptions { policy, ..world.options(None) }
}

async fn added(world: &World, path: &Path) -> Presentation {
    let ingested = ingest_file(&world.catalog, &world.cluster, path, &options(world), |_| {}).await.unwrap();
    let Outcome::Added(presentation) = ingested.outcome else { panic!("{ingested:?}") };
    assert!(ingested.notes.is_empty(), "{:?}", ingested.notes);
    *presentation
}

/// (packets, seconds) of the file's first stream of that kind, by ffprobe.
fn probed(path: &Path, stream: &str) -> (u64, f64) {
    let entries = "stream=nb_read_packets,duration";
    let path = path.to_str().unwrap();
    let arguments = ["-v", "error", "-count_packets", "-select_streams", stream, "-show_entries", entries];
    let text = run("ffprobe", &[&arguments[..], &["-of", "default=nw=1", path]].concat());
    let text = String::from_utf8(text).unwrap();
    let value = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)).unwrap();
    (value("nb_read_packets=").parse().unwrap(), value("duration=").parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn films_made_by_ffmpeg_go_in_whole() {
    let cases: [(&str, &[&str]); 4] = [
        ("mpeg1.mpg", &["-c:v", "mpeg1video", "-bf", "2", "-b:v", "1M", "-c:a", "mp2", "-f", "mpeg"]),
        ("mpeg2.vob", &["-c:v", "mpeg2video", "-bf", "2", "-b:v", "2M", "-c:a", "mp2", "-f", "vob"]),
        ("h264.mp4", &["-c:v", "libx264", "-preset", "ultrafast", "-bf", "2", "-g", "25", "-c:a", "aac", "-f", "mp4"]),
        (
            "visual.mov",
            &["-c:v", "mpeg4", "-bf", "0", "-g", "12", "-c:a", "aac", "-movflags", "faststart", "-f", "mov"],
        ),
    ];
    let world = World::new(4, None).await;
    for (name, how) in cases {
        let path = world.folder.path().join(name);
        let source =
            ["-v", "error", "-f", "lavfi", "-i", "testsrc2=s=352x288:r=25", "-f", "lavfi", "-i", "sine=440:r=44100"];
        run("ffmpeg", &[&source[..], &["-t", "8", "-pix_fmt", "yuv420p"], how, &[path.to_str().unwrap()]].concat());
        let film = added(&world, &path).await;
        let report = check(&world.cluster, &film, |_, _| {}).await;
        assert!(report.is_good(), "{name}: {report:?}");
        let library = Library::new(UnitSource::new(world.cluster.clone(), 1 << 20), 1 << 20);
        let index = library.open(&film).await.unwrap();
        assert_eq!(index.tracks.len(), 2, "{name}");
        let (video, audio) = (probed(&path, "v:0"), probed(&path, "a:0"));
        assert!((film.duration.as_secs_f64() - video.1.max(audio.1)).abs() < 0.1, "{name}: {:?}", film.duration);
        for track in &index.tracks {
            let (count, seconds) = if track.format.media() == Media::Video { video } else { audio };
            let samples = &track.samples;
            assert_eq!(samples.len() as u64, count, "{name}: track {}", track.id);
            let long = track.clock().time(samples.end()).as_secs_f64();
            assert!((long - seconds).abs() < 0.1, "{name}: track {}: {long} s, not {seconds}", track.id);
            assert!(samples.get(0).unwrap().sync, "{name}: track {}", track.id);
            // What is due together lies together: no sample is further off than the container's own interleaving.
            let mut at = 0;
            for sample in samples.iter_from(0) {
                assert!(sample.offset >= at, "{name}: track {} goes back", track.id);
                at = sample.offset + u64::from(sample.size);
            }
        }
    }
}

/// Each is added whole or refused with a line that names it, and nothing else happens.
#[tokio::test(flavor = "multi_thread")]
async fn every_file_of_the_media_folder_is_answered() {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/media");
    let folder = std::env::var_os("MOBIDIC_MEDIA").map_or_else(beside, PathBuf::from);
    if !folder.is_dir() {
        println!("skipped: no media folder");
        return;
    }
    let world = World::new(4, None).await;
    let found = super::find(&[folder]);
    assert!(found.problems.is_empty() && !found.files.is_empty());
    let mut names = Vec::new();
    for path in &found.files {
        let start = std::time::Instant::now();
        match ingest_file(&world.catalog, &world.cluster, path, &options(&world), |_| {}).await {
            Ok(ingested) => {
                let Outcome::Added(film) = ingested.outcome else { panic!("{ingested:?}") };
                let report = check(&world.cluster, &film, |_, _| {}).await;
                assert!(report.is_good() && report.samples > 0, "{}: {report:?}", path.display());
                println!("{}: {:?} {:?}", film.title, film.duration, ingested.notes);
                names.push(film.title);
            }
            Err(error) => {
                assert!(error.to_string().starts_with(&path.display().to_string()), "{error}");
                assert!(
                    error.to_string().contains("at byte") || error.to_string().contains("nothing in it"),
                    "{error}"
                );
                println!("{error}");
            }
        }
        assert!(start.elapsed().as_secs() < 20, "{}: {:?}", path.display(), start.elapsed());
    }
    for name in ["vcd_avseq00", "vcd_avseq01_vcd20", "ps_dvd_pal_navpacks", "mp4_dss_hinted_h264"] {
        assert!(names.iter().any(|title| title == name), "{name} was refused");
    }
    assert_eq!(world.catalog.presentations().await.unwrap().len(), names.len());
    assert_eq!(world.objects_on_nodes().await, names.len() * 2 * 4);
}
