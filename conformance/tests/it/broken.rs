//! Broken files end in an error that leads to the byte, soon and without much memory.

use conformance::{compare::tempdir, films::media_folder, server::program};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

/// Time of the processor for one file, its nodes' not counted, and KiB: whatever the file says.
const MAX_CPU: Duration = Duration::from_secs(2);
const MAX_KIB: i64 = 100 << 10;

/// What the program said, with its exit status, its time of the processor and the most memory that it had.
struct Added {
    text: String,
    status: i32,
    processor: Duration,
    kib: i64,
}

#[expect(clippy::zombie_processes, reason = "it is waited for by its id, to be told what it used")]
fn add(folder: &Path, files: &[PathBuf]) -> Added {
    let log = folder.join("log");
    let out = fs::File::create(&log).unwrap();
    let child = Command::new(program().unwrap())
        .args(["add", "--data", &folder.join("data").to_string_lossy()])
        .args(files)
        .stdout(out.try_clone().unwrap())
        .stderr(out)
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let mut status = 0;
    // SAFETY: both are ours, and all zeros is a value of theirs.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        assert!(libc::wait4(child.id().cast_signed(), &mut status, 0, &mut usage) > 0);
        usage
    };
    let time = |time: libc::timeval| Duration::new(time.tv_sec as u64, time.tv_usec as u32 * 1000);
    assert!(libc::WIFEXITED(status), "killed: {status}");
    Added {
        text: fs::read_to_string(log).unwrap(),
        status: libc::WEXITSTATUS(status),
        processor: time(usage.ru_utime) + time(usage.ru_stime),
        kib: usage.ru_maxrss,
    }
}

#[test]
fn a_broken_file_is_told_by_its_byte() {
    let Some(media) = media_folder() else { return println!("skipped: no media folder") };
    let folder = tempdir().unwrap();
    for (file, reason) in [
        (
            "asf_broken_cwe835.wma",
            "asf: at byte 0: no stream that can be sent: the header's object at byte 180 has 0 bytes",
        ),
        ("mp4_broken_no_moov.mp4", "mp4: at byte 4336: no moov box"),
        ("avi_truncated_header.avi", "avi: at byte 390: no chunk of media"),
    ] {
        let added = add(&folder, &[media.join(file)]);
        assert_eq!(added.status, 1, "{}", added.text);
        assert!(added.text.contains(&format!("{file}: {reason}")), "{}", added.text);
        assert!(added.processor < MAX_CPU && added.kib < MAX_KIB, "{file}: {:?}, {} KiB", added.processor, added.kib);
    }
    let _ = fs::remove_dir_all(folder);
}

#[test]
fn the_heads_of_all_files_are_added_or_refused() {
    let Some(media) = media_folder() else { return println!("skipped: no media folder") };
    let folder = tempdir().unwrap();
    let files: Vec<PathBuf> = fs::read_dir(&media).unwrap().map(|entry| entry.unwrap().path()).collect();
    let heads: Vec<PathBuf> = files
        .iter()
        .map(|file| {
            let bytes = fs::read(file).unwrap();
            let head = folder.join(file.file_name().unwrap());
            fs::write(&head, &bytes[..(bytes.len() / 3).min(1 << 20)]).unwrap();
            head
        })
        .collect();
    let added = add(&folder, &heads);
    assert!(matches!(added.status, 0 | 1) && !added.text.contains("panicked"), "{}", added.text);
    for head in &heads {
        let name = head.to_string_lossy();
        let told = added.text.lines().any(|line| !line.starts_with("adding") && line.contains(&*name));
        assert!(told, "nothing of {name}:\n{}", added.text);
    }
    let each = added.processor / u32::try_from(heads.len()).unwrap();
    assert!(each < MAX_CPU && added.kib < MAX_KIB, "{each:?} each, {} KiB", added.kib);
    let _ = fs::remove_dir_all(folder);
}
