//! Frame for frame: what a viewer receives decodes to the same pictures and samples as the file.

use conformance::{
    compare::{Transport, compare, tempdir},
    films::{RECIPES, Recipe, media_folder, wrap_in_sectors, write_opendml},
    players::{self, Played},
    server::Server,
};
use std::{
    path::PathBuf,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

/// Far above the length of any film here: it only ends what hangs.
const LIMIT: Duration = Duration::from_secs(90);

/// Files of the media folder in containers that the server takes, and whose every track it can send.
const MEDIA: &[&str] =
    &["vcd_avseq00.m1p", "vcd_avseq01_vcd20.dat", "mp4_dss_hinted_h264.mp4", "mp4_fragmented_mfra.mp4"];

fn name_of(path: &std::path::Path) -> String {
    path.file_stem().unwrap().to_string_lossy().into_owned()
}

fn films(folder: &std::path::Path) -> Vec<PathBuf> {
    let mut films: Vec<PathBuf> = together(RECIPES, |recipe| recipe.make(folder).unwrap());
    let stream = Recipe { file: "vcd.mpg", length: 4, options: "-target pal-vcd" }.make(folder).unwrap();
    let dat = folder.join("avseq.dat");
    std::fs::write(&dat, wrap_in_sectors(&std::fs::read(&stream).unwrap())).unwrap();
    films.push(dat);
    let avi = films.iter().find(|film| film.ends_with("xvid-packed.avi")).unwrap();
    let opendml = folder.join("opendml.avi");
    write_opendml(&std::fs::read(avi).unwrap(), &opendml).unwrap();
    films.push(opendml);
    match media_folder() {
        // First: one of them is the longest of all.
        Some(media) => drop(films.splice(..0, MEDIA.iter().map(|file| media.join(file)))),
        None => println!("skipped: no media folder"),
    }
    films
}

/// Some jobs at a time, in their order: films play in real time, but decoding costs.
fn together<J: Sync, R: Send>(jobs: &[J], work: impl Fn(&J) -> R + Sync) -> Vec<R> {
    const AT_ONCE: usize = 5;
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..AT_ONCE)
            .map(|_| {
                scope.spawn(|| {
                    let mine = std::iter::from_fn(|| jobs.get(next.fetch_add(1, Ordering::Relaxed)));
                    mine.map(&work).collect::<Vec<R>>()
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    })
}

#[test]
fn what_is_received_is_the_file() {
    let folder = tempdir().unwrap();
    let films = films(&folder);
    let server = Server::start(&films.iter().map(PathBuf::as_path).collect::<Vec<_>>()).unwrap();
    let jobs: Vec<_> = films.iter().flat_map(|film| [Transport::Udp, Transport::Tcp].map(|t| (film, t))).collect();
    let results = together(&jobs, |(film, transport)| {
        let url = server.url(&name_of(film));
        let once = || compare(film, &url, *transport, LIMIT);
        // A player that is kept waiting for a core loses datagrams.
        let report = match once() {
            Ok(report) if *transport == Transport::Udp && !report.is_exact() => {
                println!("again, {} {transport}: {report}", film.display());
                once()
            }
            report => report,
        };
        let line = match report {
            Ok(report) if report.is_exact() => format!("ok   {} {transport}: {report}", film.display()),
            Ok(report) => format!("FAIL {} {transport}: {report}", film.display()),
            Err(error) => format!("FAIL {} {transport}: {error:#}", film.display()),
        };
        println!("{line}");
        line
    });
    let failed: Vec<&String> = results.iter().filter(|line| line.starts_with("FAIL")).collect();
    server.stop().unwrap();
    let _ = std::fs::remove_dir_all(folder);
    assert!(failed.is_empty(), "{} of {} differ:\n{failed:#?}", failed.len(), results.len());
}

#[test]
fn gstreamer_plays_to_the_end_with_every_picture() {
    let folder = tempdir().unwrap();
    // Sorenson 1 travels in ASF packets, and its ASF demuxer knows no such codec.
    let recipes: Vec<&Recipe> = RECIPES.iter().filter(|recipe| !recipe.options.contains("svq1")).collect();
    let films: Vec<PathBuf> = together(&recipes, |recipe| recipe.make(&folder).unwrap());
    let server = Server::start(&films.iter().map(PathBuf::as_path).collect::<Vec<_>>()).unwrap();
    let jobs: Vec<_> = films.iter().flat_map(|film| [Transport::Udp, Transport::Tcp].map(|t| (film, t))).collect();
    let results = together(&jobs, |(film, transport)| {
        // Of some files it shows fewer pictures than there are; what is received must be as good as the file.
        let mut expected = players::gstreamer_file(film, LIMIT).unwrap();
        if film.ends_with("xvid-packed.avi") {
            // It counts the place holder of a packed bitstream as a picture.
            expected.pictures -= 1;
        }
        let whole = |played: &Played| played.pictures >= expected.pictures && played.sound > 0;
        let once = || players::gstreamer(&server.url(&name_of(film)), *transport, LIMIT);
        let played = match once() {
            Ok(played) if whole(&played) => Ok(played),
            _ if *transport == Transport::Udp => once(),
            played => played,
        };
        let line = format!("{} {transport}: {played:?}, of the file {expected:?}", film.display());
        println!("{line}");
        (!played.is_ok_and(|played| whole(&played))).then_some(line)
    });
    let failed: Vec<String> = results.into_iter().flatten().collect();
    let said = [server.logged(" WARN "), server.logged(" ERROR ")].concat();
    server.stop().unwrap();
    let _ = std::fs::remove_dir_all(folder);
    assert!(failed.is_empty(), "{failed:#?}, and the server said {said:#?}");
}
