//! How fast objects are written and read with nodes in the same process. Prints, asserts nothing about speed: run
//! it alone, `cargo test -p stripes --release --test throughput -- --ignored --nocapture`.

mod common;

use common::*;
use std::{sync::Arc, time::Instant};
use stripes::{
    id::ObjectId,
    layout::{Policy, UnitAddress},
    net::ObjectWriter,
    store::{Store, StoreOptions, UnitStore},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn write_seal_and_read_back() {
    let megabytes = 1024;
    let nodes = nodes(4);
    let cluster = cluster(&nodes);
    let policy = Policy { unit_size: 256 << 10, data: 4, parity: 0 };
    let ids = nodes.iter().map(|node| node.id).collect();
    let part = bytes(1 << 20);
    let mut writer = ObjectWriter::create(&cluster, policy, ids).unwrap();
    let (started, cpu) = (Instant::now(), cpu_seconds());
    for _ in 0..megabytes {
        writer.write(&part).await.unwrap();
    }
    let written = started.elapsed().as_secs_f64();
    let layout = Arc::new(writer.finish("media").await.unwrap());
    let sealed = started.elapsed().as_secs_f64();
    let rate = f64::from(megabytes) / written;
    println!(
        "write {rate:.0} MiB/s, with seal {:.0} MiB/s, {:.2} CPU s/GiB",
        f64::from(megabytes) / sealed,
        (cpu_seconds() - cpu) * 1024.0 / f64::from(megabytes)
    );
    let (started, cpu) = (Instant::now(), cpu_seconds());
    let report = cluster.verify(&layout, |_| ()).await;
    assert!(report.is_good());
    println!(
        "read {:.0} MiB/s, {:.2} CPU s/GiB",
        f64::from(megabytes) / started.elapsed().as_secs_f64(),
        (cpu_seconds() - cpu) * 1024.0 / f64::from(megabytes)
    );
}

#[test]
#[ignore = "a measurement"]
fn list_a_hundred_thousand_objects() {
    let dir = tempfile::TempDir::new().unwrap();
    let store = Store::open(dir.path(), StoreOptions::default()).unwrap();
    let (data, started) = (body(100), Instant::now());
    for _ in 0..100_000 {
        let address = UnitAddress { row: 0, position: 0 };
        let pieces = std::slice::from_ref(&data);
        store.put(ObjectId::random(), address, 4096, crc32c::crc32c(&data), pieces, None).unwrap();
    }
    println!("put {:?}", started.elapsed());
    let (mut after, mut pages, started) = (None, 0, Instant::now());
    loop {
        after = store.list(after, 1000).unwrap().next;
        pages += 1;
        if after.is_none() {
            break;
        }
    }
    println!("list {:?} in {pages} pages", started.elapsed());
    drop(store);
    let started = Instant::now();
    let store = Store::open(dir.path(), StoreOptions::default()).unwrap();
    println!("open {:?}: {} objects", started.elapsed(), store.usage().unwrap().objects);
}

/// User and system time of this process, from the 14th and 15th field of its stat line, in ticks of 10 ms.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<f64> = stat.rsplit(')').next().unwrap().split_whitespace().filter_map(|f| f.parse().ok()).collect();
    // After the name the first field is a letter, which was filtered out: utime and stime are 10 and 11 now.
    (fields[10] + fields[11]) / 100.0
}
