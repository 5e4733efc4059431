//! Files that are made to cost the most for their length: each ends in a film or in an error, with what is held, read and
//! done in proportion to its bytes.

use super::fuzz_seeds::entry::demux::{element, sum_pages};
use bytes::Bytes;
use catalog::container::{Event, Kind, limits, open};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::path::PathBuf;

#[global_allocator]
static COUNTING: Counting = Counting;

thread_local! {
    /// Bytes that this thread holds, and the most that it held.
    static HELD: Cell<(isize, isize)> = const { Cell::new((0, 0)) };
}

/// The system's memory, with what each thread takes of it counted.
struct Counting;

impl Counting {
    fn count(more: isize) {
        // A thread that ends counts no longer.
        let _ = HELD.try_with(|held| {
            let (now, most) = held.get();
            held.set((now + more, most.max(now + more)));
        });
    }
}

// SAFETY: all memory is the system's, layouts are passed on as they came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Self::count(layout.size().cast_signed());
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        Self::count(-layout.size().cast_signed());
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        Self::count(size.cast_signed() - layout.size().cast_signed());
        unsafe { System.realloc(pointer, layout, size) }
    }
}

/// Bytes held at once beside the file, whatever it says.
const MAX_HELD: isize = 48 << 20;
/// Bytes read for each byte of the file, and for any file.
const READS: usize = 4;
const READ: usize = 4 << 20;
/// Events for each byte of the file.
const EVENTS: usize = 2;

/// Takes the file apart, and holds what it ends in against `want`: the least samples, or what the error says.
#[track_caller]
fn check(name: &str, kind: Kind, file: Vec<u8>, want: Result<usize, &str>) {
    let file = Bytes::from(file);
    let (held, _) = HELD.get();
    HELD.set((held, held));
    let mut demuxer = open(kind, file.len() as u64);
    let (mut read, mut events, mut samples) = (0, 0, 0);
    let ended = loop {
        events += 1;
        match demuxer.poll() {
            Ok(Event::Need { offset, length }) => {
                assert!(length <= limits::MAX_READ, "{name}: a read of {length} bytes");
                let start = usize::try_from(offset).unwrap().min(file.len());
                let end = (start + length).min(file.len());
                read += end - start;
                // As a file's bytes come: a copy.
                demuxer.handle_bytes(offset, Bytes::copy_from_slice(&file[start..end]));
            }
            Ok(Event::End) => break Ok(samples),
            Ok(Event::Sample(_)) => samples += 1,
            Ok(_) => {}
            Err(error) => break Err(error.to_string()),
        }
        assert!(events <= EVENTS * file.len() && read <= READS * file.len() + READ, "{name}: {events}, {read} bytes");
    };
    let most = HELD.get().1 - held;
    println!("{name}: {} bytes, {read} read, {events} events, {samples} samples, {most} held: {ended:?}", file.len());
    assert!(most < MAX_HELD, "{name}: {most} bytes held");
    match (ended, want) {
        (Ok(samples), Ok(least)) => assert!(samples >= least, "{name}: {samples} samples"),
        (Err(error), Err(part)) => assert!(error.contains(part), "{name}: {error}"),
        (ended, _) => panic!("{name}: {ended:?}"),
    }
}

fn seed(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// `part` again and again, up to `len` bytes.
fn many(part: &[u8], len: usize) -> Vec<u8> {
    part.repeat(len / part.len())
}

fn find(bytes: &[u8], what: &[u8]) -> usize {
    bytes.windows(what.len()).position(|window| window == what).expect("it is there")
}

const MIB: usize = 1 << 20;

/// A box of MP4.
fn boxed(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    [&(body.len() as u32 + 8).to_be_bytes()[..], kind, body].concat()
}

#[test]
fn mp4() {
    let film = seed("demux_mp4/film");
    let head = &film[..find(&film, b"moov") - 4];
    check("empty boxes", Kind::Mp4, [head, &many(&boxed(b"free", b""), MIB)].concat(), Err("no moov box"));
    let moov = boxed(b"moov", &many(&boxed(b"free", b""), MIB));
    check("empty boxes in one", Kind::Mp4, [head, &moov].concat(), Err("more than 4096 boxes"));
}

/// The start of a Matroska file: a segment that goes on to its end, with one track of `codec`.
fn matroska(codec: &[u8], private: &[u8], channels: u8) -> Vec<u8> {
    let sound = [element(&[0xB5], &44_100f32.to_be_bytes()), element(&[0x9F], &[channels])].concat();
    let entry = [
        element(&[0xD7], &[1]),
        element(&[0x83], &[2]),
        element(&[0x86], codec),
        element(&[0x63, 0xA2], private),
        element(&[0xE1], &sound),
    ];
    let tracks = element(&[0x16, 0x54, 0xAE, 0x6B], &element(&[0xAE], &entry.concat()));
    let head = element(&[0x1A, 0x45, 0xDF, 0xA3], &element(&[0x42, 0x82], b"matroska"));
    [&head[..], &[0x18, 0x53, 0x80, 0x67, 0xFF], &tracks].concat()
}

/// `STREAMINFO` of eight channels of 24 bits, and a frame of silence: 65535 samples of each.
fn silence() -> ([u8; 34], Vec<u8>) {
    let mut info = [0; 34];
    info[10..14].copy_from_slice(&(44_100u32 << 12 | 7 << 9 | 23 << 4).to_be_bytes());
    let head = [0xFF, 0xF8, 0x70, 0x70, 0, 0xFF, 0xFE, 0];
    (info, [&head[..], &[0; 8 * 4]].concat())
}

#[test]
fn matroska_and_webm() {
    let opus = matroska(b"A_OPUS", b"OpusHead\x01\x02\0\0\x80\xBB\0\0\0\0\0", 2);
    let cluster = [&[0x1F, 0x43, 0xB6, 0x75, 0xFF][..], &element(&[0xE7], &[0])].concat();
    let check = |name, rest: &[u8], want| check(name, Kind::Mkv, [&opus[..], &cluster, rest].concat(), want);
    let block = element(&[0xA3], &[0x81, 0, 0, 0x80, 0xFC]);
    check("elements of nothing", &[many(&[0xEC, 0x80], MIB), block.clone()].concat(), Ok(1));
    check("blocks of a byte", &many(&block, MIB), Ok(MIB / block.len()));
    check("one in the other", &[many(&cluster, MIB), block.clone()].concat(), Ok(1));
    let damage = [&cluster[..5], &[0; 8]].concat();
    check("damage again and again", &[many(&damage, MIB), cluster.clone(), block].concat(), Ok(1));
    // 40 frames in a lace, of 1.5 MiB each when they are decoded.
    let (info, frame) = silence();
    let lace = [&[0x81, 0, 0, 0x84, 39][..], &frame.repeat(40)].concat();
    let flac = matroska(b"A_FLAC", &[b"fLaC\x80\0\0\x22", &info[..]].concat(), 8);
    self::check("silence", Kind::Mkv, [flac, cluster.clone(), element(&[0xA3], &lace)].concat(), Ok(40));
}

/// A page of Ogg with whole packets shorter than 255 bytes; its checksum is put in later.
fn page(flags: u8, granule: i64, serial: u32, sequence: u32, packets: &[&[u8]]) -> Vec<u8> {
    let mut out = [&b"OggS\0"[..], &[flags], &granule.to_le_bytes(), &serial.to_le_bytes()].concat();
    out.extend(sequence.to_le_bytes());
    out.extend([0, 0, 0, 0, packets.len() as u8]);
    out.extend(packets.iter().map(|packet| packet.len() as u8));
    out.extend(packets.concat());
    out
}

#[test]
fn ogg() {
    let opus = b"OpusHead\x01\x02\0\0\x80\xBB\0\0\0\0\0";
    let heads = [page(2, 0, 1, 0, &[opus]), page(0, 0, 1, 1, &[b"OpusTags\0\0\0\0\0\0\0\0"])].concat();
    let summed = |mut file: Vec<u8>| {
        sum_pages(&mut file);
        file
    };
    let nothing = many(&page(0, -1, 1, 2, &[]), MIB);
    check("pages of nothing", Kind::Ogg, summed([heads.clone(), nothing].concat()), Err("no packets"));
}

#[test]
fn others() {
    let film = seed("demux_flv/film");
    let empty = |kind: u8| [&[kind][..], &[0; 10], &[0, 0, 0, 11]].concat();
    for kind in [8, 9, 18] {
        check("tags of nothing", Kind::Flv, [&film[..], &many(&empty(kind), MIB)].concat(), Ok(2));
    }
    let film = seed("demux_avi/film");
    let movi = find(&film, b"movi") + 4;
    check("chunks of nothing", Kind::Avi, [&film[..movi], &many(b"00dc\0\0\0\0", MIB)].concat(), Err("no chunk"));
}
