//! The store alone, as a node asks it.

use super::{BUCKET, S3};
use bytes::Bytes;
use std::path::{Path, PathBuf};
use stripes::{
    id::{NodeId, ObjectId},
    layout::{Layout, Policy, UnitAddress},
    manifest::Manifest,
    store::{S3Store, StoreError, StoreOptions, UnitStore},
    wire::Refusal,
};

const UNIT: u32 = 8192;
const OBJECT: ObjectId = ObjectId(0xab00_0000_0000_0000_0000_0000_0000_0001);

struct Bench<'a> {
    s3: &'a S3,
    runtime: tokio::runtime::Runtime,
}

impl Bench<'_> {
    fn open(&self, prefix: &str) -> S3Store {
        self.try_open(prefix, self.s3.variables(), StoreOptions::default()).unwrap()
    }

    fn try_open(
        &self,
        prefix: &str,
        variables: Vec<(String, String)>,
        options: StoreOptions,
    ) -> Result<S3Store, StoreError> {
        let location = format!("s3://{BUCKET}/{prefix}");
        self.runtime.block_on(S3Store::open(&location, variables, options))
    }
}

fn at(row: u64) -> UnitAddress {
    UnitAddress { row, position: 0 }
}

fn data(row: u64, length: usize) -> Bytes {
    (0..length).map(|i| (i as u64 * 7 + row * 13 + 1) as u8).collect()
}

fn put_at(store: &S3Store, object: ObjectId, row: u64, length: usize, by: Option<u32>) -> Result<(), StoreError> {
    let data = data(row, length);
    let half = length / 2;
    store.put(object, at(row), UNIT, crc32c::crc32c(&data), &[data.slice(..half), data.slice(half..)], by)
}

fn put(store: &S3Store, row: u64, length: usize) -> Result<(), StoreError> {
    put_at(store, OBJECT, row, length, None)
}

fn refusal<T: std::fmt::Debug>(result: Result<T, StoreError>) -> Refusal {
    result.unwrap_err().refusal()
}

/// One node, so every row has one unit and it is here.
fn manifest(store: &S3Store, object: ObjectId, length: u64) -> Manifest {
    let policy = Policy { unit_size: UNIT, data: 1, parity: 0 };
    Manifest::new(Layout::new(object, length, policy, vec![store.node()], 0), "media")
}

/// All files under a folder that the server keeps for objects.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        match entry.file_type().unwrap().is_dir() {
            _ if hidden => {}
            true => found.extend(files(&entry.path())),
            false => found.push(entry.path()),
        }
    }
    found.sort();
    found
}

#[test]
fn a_bucket_keeps_units_as_a_folder_does() {
    let mut s3 = match S3::start() {
        Ok(s3) => s3,
        Err(reason) => return println!("skipped: {reason}"),
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let bench = Bench { s3: &s3, runtime };
    what_was_stored_reads_back(&bench);
    what_makes_no_sense_is_refused(&bench);
    only_a_complete_object_is_sealed(&bench);
    what_the_store_changed_is_told(&bench);
    objects_are_listed_page_by_page(&bench);
    a_move_is_trimmed(&bench);
    let store = bench.open("down");
    put(&store, 0, 100).unwrap();
    let runtime = bench.runtime;
    s3.kill();
    assert_eq!(refusal(store.get_unit(OBJECT, at(0))), Refusal::Disk);
    assert_eq!(refusal(put(&store, 1, 100)), Refusal::Disk);
    s3.restart().unwrap();
    assert_eq!(store.get_unit(OBJECT, at(0)).unwrap().data, data(0, 100));
    drop(runtime);
}

fn what_was_stored_reads_back(bench: &Bench) {
    let rows = [(0, 8192), (1, 1), (7, 8191), (3, 4096)];
    let mut store = bench.open("plain");
    let node = store.node();
    for (row, length) in rows {
        put(&store, row, length).unwrap();
    }
    // The second time after a restart.
    for _ in 0..2 {
        for (row, length) in rows {
            let unit = store.get_unit(OBJECT, at(row)).unwrap();
            assert_eq!(unit.data, data(row, length));
            let info = store.head_unit(OBJECT, at(row)).unwrap();
            assert_eq!((info.length as usize, info.crc), (length, unit.crc));
        }
        for absent in [2, 1000] {
            assert_eq!(refusal(store.get_unit(OBJECT, at(absent))), Refusal::Absent);
            assert_eq!(refusal(store.head_unit(OBJECT, at(absent))), Refusal::Absent);
        }
        assert_eq!(refusal(store.get_unit(ObjectId(5), at(0))), Refusal::Absent);
        assert_eq!(refusal(store.unit_size(ObjectId(5))), Refusal::Absent);
        assert_eq!(store.unit_size(OBJECT).unwrap(), UNIT);
        let summary = store.summary(OBJECT).unwrap();
        assert_eq!((summary.units, summary.bytes), (4, 8192 + 1 + 8191 + 4096));
        assert_eq!((store.usage().unwrap().objects, store.node()), (1, node));
        store = bench.open("plain");
    }
    assert!(store.delete_object(OBJECT).unwrap());
    assert!(!store.delete_object(OBJECT).unwrap());
    assert_eq!(refusal(store.get_unit(OBJECT, at(0))), Refusal::Absent);
    assert_eq!((store.usage().unwrap().objects, store.usage().unwrap().disk_bytes), (0, 0));
    assert_eq!(files(&bench.s3.bucket().join("plain")), [bench.s3.bucket().join("plain/node")]);
}

fn what_makes_no_sense_is_refused(bench: &Bench) {
    let store = bench.open("sense");
    put(&store, 0, 10).unwrap();
    let offer = |address, unit_size, crc_error: u32, length| {
        let data = data(0, length);
        refusal(store.put(OBJECT, address, unit_size, crc32c::crc32c(&data) ^ crc_error, &[data], None))
    };
    assert_eq!(offer(at(1), UNIT, 0, 0), Refusal::Bad);
    assert_eq!(offer(at(1), UNIT, 0, UNIT as usize + 1), Refusal::Bad);
    assert_eq!(offer(at(1), UNIT, 1, 10), Refusal::Bad);
    assert_eq!(offer(at(u64::MAX), UNIT, 0, 10), Refusal::Bad);
    assert_eq!(offer(at(1), 2 * UNIT, 0, 10), Refusal::Conflict);
    let small = StoreOptions { capacity_bytes: Some(10_000), ..StoreOptions::default() };
    let small = bench.try_open("small", bench.s3.variables(), small).unwrap();
    put(&small, 0, 8192).unwrap();
    assert_eq!(refusal(put(&small, 1, 8192)), Refusal::Full);
    let mut stranger = bench.s3.variables();
    stranger.retain(|(name, _)| name != "AWS_SECRET_ACCESS_KEY");
    stranger.push(("AWS_SECRET_ACCESS_KEY".to_owned(), "another".to_owned()));
    let refused = bench.try_open("sense", stranger, StoreOptions::default()).unwrap_err().to_string();
    assert!(refused.contains(&format!("s3://{BUCKET}/sense/node")), "{refused}");
    let elsewhere =
        bench.runtime.block_on(S3Store::open("s3://no-such-bucket/a", bench.s3.variables(), StoreOptions::default()));
    assert_eq!(refusal(elsewhere), Refusal::Disk);
}

fn only_a_complete_object_is_sealed(bench: &Bench) {
    let mut store = bench.open("seal");
    let manifest = manifest(&store, OBJECT, 3 * u64::from(UNIT) - 5);
    put(&store, 0, UNIT as usize).unwrap();
    put(&store, 2, UNIT as usize - 5).unwrap();
    let missing = store.seal(&manifest).unwrap_err();
    assert!(matches!(missing, StoreError::Conflict { .. }) && missing.to_string().contains("unit 1.0"), "{missing}");
    put(&store, 1, 77).unwrap();
    let short = store.seal(&manifest).unwrap_err().to_string();
    assert!(short.contains("77 bytes are here, 8192 belong here"), "{short}");
    put(&store, 1, UNIT as usize).unwrap();
    assert_eq!(store.manifest(OBJECT).unwrap(), None);
    store.seal(&manifest).unwrap();
    for _ in 0..2 {
        store.seal(&manifest).unwrap();
        let other = Manifest::new(manifest.layout.clone(), "index");
        assert_eq!(refusal(store.seal(&other)), Refusal::Conflict);
        assert_eq!(store.manifest(OBJECT).unwrap(), Some(manifest.clone()));
        assert_eq!(refusal(put(&store, 1, UNIT as usize)), Refusal::Conflict);
        // Maintenance may, where the unit belongs.
        put_at(&store, OBJECT, 1, UNIT as usize, Some(0)).unwrap();
        store = bench.open("seal");
    }
    let listed = store.list(None, 10).unwrap().objects.remove(0);
    assert!(listed.sealed && listed.manifest == Some(manifest), "{listed:?}");
    assert_eq!(listed.disk_bytes, store.usage().unwrap().disk_bytes);
    let path = bench.s3.bucket().join(format!("seal/objects/{OBJECT}/manifest"));
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[20] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    assert_eq!(refusal(store.manifest(OBJECT)), Refusal::Damaged);
    let listed = store.list(None, 10).unwrap().objects.remove(0);
    assert!(listed.sealed && listed.manifest.is_none(), "{listed:?}");
}

fn what_the_store_changed_is_told(bench: &Bench) {
    let store = bench.open("flip");
    put(&store, 0, 5000).unwrap();
    let path = bench.s3.bucket().join(format!("flip/objects/{OBJECT}/units/0.0"));
    let whole = std::fs::read(&path).unwrap();
    assert_eq!(whole.len(), 64 + 5000);
    let spoilt = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = whole.clone();
        change(&mut bytes);
        std::fs::write(&path, bytes).unwrap();
        // What the server remembers of the file; it looks at the file itself then.
        let _ = std::fs::remove_dir_all(bench.s3.bucket().join(".nanio-meta"));
        store.get_unit(OBJECT, at(0))
    };
    for place in [0, 5, 17, 20, 40, 63, 64, 64 + 4999] {
        let error = spoilt(&|bytes| bytes[place] ^= 0x10).unwrap_err();
        assert_eq!(error.refusal(), Refusal::Damaged, "byte {place}");
        assert!(error.to_string().contains(&format!("s3://{BUCKET}/flip/objects/{OBJECT}/units/0.0")), "{error}");
    }
    for length in [1, 63, 64, 65, 5063] {
        assert_eq!(refusal(spoilt(&|bytes| bytes.truncate(length))), Refusal::Damaged, "cut at {length}");
    }
    put(&store, 0, 5000).unwrap();
    assert_eq!(store.get_unit(OBJECT, at(0)).unwrap().data, data(0, 5000));
    std::fs::remove_file(&path).unwrap();
    assert_eq!(refusal(store.get_unit(OBJECT, at(0))), Refusal::Absent);
}

fn objects_are_listed_page_by_page(bench: &Bench) {
    let store = bench.open("many");
    let ids: Vec<ObjectId> = (0..5).map(|number| ObjectId(0x11 << (8 * number))).collect();
    for id in &ids {
        put_at(&store, *id, 0, 100, None).unwrap();
    }
    store.seal(&manifest(&store, ids[2], 100)).unwrap();
    for limit in [1, 2, 5, 1000] {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = store.list(after, limit).unwrap();
            assert!(page.objects.len() <= limit);
            found.extend(page.objects);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(found.iter().map(|listing| listing.object).collect::<Vec<_>>(), ids, "pages of {limit}");
        assert_eq!(found.iter().filter(|listing| listing.sealed).count(), 1);
        assert!(found.iter().all(|listing| listing.disk_bytes >= 164 && listing.idle_seconds < 60), "{found:?}");
    }
    assert_eq!(bench.open("many").usage().unwrap().objects, 5);
}

fn a_move_is_trimmed(bench: &Bench) {
    let store = bench.open("trim");
    (0..4).for_each(|row| put(&store, row, UNIT as usize).unwrap());
    // Of two nodes, this one has every other row; the rest was before a move.
    let policy = Policy { unit_size: UNIT, data: 1, parity: 0 };
    let layout = Layout::new(OBJECT, 4 * u64::from(UNIT), policy, vec![store.node(), NodeId(1)], 0);
    store.seal(&Manifest::new(layout, "media")).unwrap();
    assert_eq!(refusal(store.trim(OBJECT, 1)), Refusal::Conflict);
    assert_eq!(store.trim(OBJECT, 0).unwrap(), 2);
    assert_eq!(store.trim(OBJECT, 0).unwrap(), 0);
    assert_eq!(store.summary(OBJECT).unwrap().units, 2);
    assert_eq!(refusal(store.get_unit(OBJECT, at(1))), Refusal::Absent);
    assert_eq!(store.get_unit(OBJECT, at(2)).unwrap().data, data(2, UNIT as usize));
}
