//! Frame for frame: what a viewer receives decodes to the same pictures and samples as the file.

use conformance::{
    compare::{Transport, compare, tempdir},
    films::{RECIPES, Recipe, media_folder, wrap_in_sectors},
    players,
    server::Server,
};
use std::{path::PathBuf, time::Duration};

/// Far above the length of any film here: it only ends what hangs.
const LIMIT: Duration = Duration::from_secs(90);

/// Files of the media folder in containers that the server takes, and whose every track it can send.
const MEDIA: &[&str] =
    &["vcd_avseq00.m1p", "vcd_avseq01_vcd20.dat", "mp4_dss_hinted_h264.mp4", "mp4_fragmented_mfra.mp4"];

fn name_of(path: &std::path::Path) -> String {
    path.file_stem().unwrap().to_string_lossy().into_owned()
}

fn films(folder: &std::path::Path) -> Vec<PathBuf> {
    let mut films: Vec<PathBuf> = RECIPES.iter().map(|recipe| recipe.make(folder).unwrap()).collect();
    let stream = Recipe { file: "vcd.mpg", length: 4, options: "-target pal-vcd" }.make(folder).unwrap();
    let dat = folder.join("avseq.dat");
    std::fs::write(&dat, wrap_in_sectors(&std::fs::read(&stream).unwrap())).unwrap();
    films.push(dat);
    match media_folder() {
        Some(media) => films.extend(MEDIA.iter().map(|file| media.join(file))),
        None => println!("skipped: no media folder"),
    }
    films
}

#[test]
fn what_is_received_is_the_file() {
    let folder = tempdir().unwrap();
    let films = films(&folder);
    let server = Server::start(&films.iter().map(PathBuf::as_path).collect::<Vec<_>>()).unwrap();
    let jobs: Vec<_> = films.iter().flat_map(|film| [Transport::Udp, Transport::Tcp].map(|t| (film, t))).collect();
    let results: Vec<String> = std::thread::scope(|scope| {
        // Two at a time: the films play in real time, but decoding costs.
        let parts = jobs.chunks(jobs.len().div_ceil(4)).map(|part| {
            let server = &server;
            scope.spawn(move || {
                let check = |(film, transport): &(&PathBuf, Transport)| {
                    let url = server.url(&name_of(film));
                    let line = match compare(film, &url, *transport, LIMIT) {
                        Ok(report) if report.is_exact() => format!("ok   {} {transport}: {report}", film.display()),
                        Ok(report) => format!("FAIL {} {transport}: {report}", film.display()),
                        Err(error) => format!("FAIL {} {transport}: {error:#}", film.display()),
                    };
                    println!("{line}");
                    line
                };
                part.iter().map(check).collect::<Vec<_>>()
            })
        });
        let threads: Vec<_> = parts.collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let failed: Vec<&String> = results.iter().filter(|line| line.starts_with("FAIL")).collect();
    server.stop().unwrap();
    let _ = std::fs::remove_dir_all(folder);
    assert!(failed.is_empty(), "{} of {} differ:\n{failed:#?}", failed.len(), results.len());
}

#[test]
fn gstreamer_plays_to_the_end_with_every_picture() {
    let folder = tempdir().unwrap();
    // GStreamer's MPEG-4 visual and MPEG-1 decoders show every picture of these.
    let films: Vec<PathBuf> = RECIPES.iter().map(|recipe| recipe.make(&folder).unwrap()).collect();
    let server = Server::start(&films.iter().map(PathBuf::as_path).collect::<Vec<_>>()).unwrap();
    let mut failed = Vec::new();
    for film in &films {
        let expected =
            conformance::compare::decode(&film.to_string_lossy(), &Default::default(), LIMIT).unwrap().pictures.len();
        let results: Vec<_> = std::thread::scope(|scope| {
            let threads = [Transport::Udp, Transport::Tcp].map(|transport| {
                let url = server.url(&name_of(film));
                scope.spawn(move || (transport, players::gstreamer(&url, transport, true, true, LIMIT)))
            });
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        for (transport, result) in results {
            println!("{} {transport}: {result:?}, {expected} pictures in the file", film.display());
            match result {
                Ok(played) if played.pictures == expected && played.sound > 0 => {}
                Ok(played) => failed.push(format!("{} {transport}: {played:?}, not {expected}", film.display())),
                Err(error) => failed.push(format!("{} {transport}: {error:#}", film.display())),
            }
        }
    }
    server.stop().unwrap();
    let _ = std::fs::remove_dir_all(folder);
    assert!(failed.is_empty(), "{failed:#?}");
}
