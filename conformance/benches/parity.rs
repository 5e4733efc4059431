//! What parity and checksums cost where nothing is wrong.
//!
//! ```text
//! cargo bench -p conformance --bench parity -- [--mib N]
//! ```
//!
//! Writes an object of N MiB (256) to four nodes on loopback and reads it back through a `UnitSource`, as 4+0 and as
//! 3+1, and prints the processor time a MiB of it, of nodes and front together; beside that what the sums alone take.
//! Of a turn's figures compare those of one run.

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use std::{hint::black_box, path::PathBuf, sync::Arc, time::Duration};
use stripes::{
    layout::{Layout, Policy},
    net::{Cluster, ClusterOptions, NodeAddress, ObjectWriter, UnitSource, serve_node},
    node::NodeLimits,
    parity::Sums,
    store::{Store, StoreOptions, UnitStore},
};
use tokio::net::TcpListener;

const UNIT: usize = 256 << 10;
const NODES: u8 = 4;
const TURNS: usize = 5;

fn main() -> Result<()> {
    let mut mib = 256;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--mib" => mib = arguments.next().context("--mib wants a number")?.parse()?,
            // Cargo's own.
            "--bench" => {}
            other => anyhow::bail!("{other}: only --mib N is known"),
        }
    }
    let folder = std::env::temp_dir().join(format!("mobidic-parity-{}", std::process::id()));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let result = runtime.block_on(measure(mib, folder.clone()));
    let _ = std::fs::remove_dir_all(folder);
    result
}

async fn measure(mib: usize, folder: PathBuf) -> Result<()> {
    let mut nodes = Vec::new();
    for number in 0..NODES {
        let store = Arc::new(Store::open(&folder.join(number.to_string()), StoreOptions::default())?);
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        nodes.push(NodeAddress { id: store.node(), url: format!("http://{}", listener.local_addr()?) });
        tokio::spawn(serve_node(listener, store, NodeLimits::default(), std::future::pending()));
    }
    let cluster = Cluster::new(nodes, ClusterOptions::default())?;
    let bytes: Vec<u8> = (0..mib << 20).map(|at| (at as u32).wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();
    let (mut written, mut read) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
    for _ in 0..TURNS {
        for parity in [0, 1] {
            let policy = Policy { unit_size: UNIT as u32, data: NODES - parity, parity };
            let before = cpu();
            let layout = Arc::new(write(&cluster, policy, &bytes).await?);
            written[usize::from(parity)].push(cpu() - before);
            let before = cpu();
            play(&cluster, &layout).await?;
            read[usize::from(parity)].push(cpu() - before);
            cluster.delete_object(layout.object).await?;
        }
    }
    let sums = alone(&bytes, |unit, sums: &mut Sums| {
        sums.add(unit.clone());
        if sums.is_full() {
            black_box(sums.finish().count());
        }
    });
    let crc = alone(&bytes, |unit, _| {
        let _ = black_box(stripes::sum::crc32c(unit));
    });
    let per_mib = |time: Duration| time.as_secs_f64() * 1e6 / mib as f64;
    let [plain_write, parity_write] = written.map(|times| per_mib(middle(times)));
    let [plain_read, parity_read] = read.map(|times| per_mib(middle(times)));
    let (sums, crc) = (per_mib(sums), per_mib(crc));
    println!("processor time, µs a MiB of the object       4+0       3+1   more");
    let row = |name: &str, plain: f64, parity: f64| {
        println!("{name:38} {plain:9.1} {parity:9.1} {:5.1} %", 100.0 * (parity / plain - 1.0));
    };
    row("added (3+1 writes a third more bytes)", plain_write, parity_write);
    row("read", plain_read, parity_read);
    println!("parity's sums alone {sums:.1}, a CRC-32C alone {crc:.1}");
    // Two checksums a byte each way: where it is sent and where it is taken.
    let share = |total: f64, sums: f64| 100.0 * sums / (total - sums);
    println!("sums and checksums add to adding {:.1} %", share(plain_write + sums, sums + 2.0 * crc));
    println!("checksums add to reading {:.1} %", share(plain_read, 2.0 * crc));
    Ok(())
}

async fn write(cluster: &Cluster, policy: Policy, bytes: &[u8]) -> Result<Layout> {
    let ids = cluster.nodes().into_iter().map(|node| node.id).collect();
    let mut writer = ObjectWriter::create(cluster, policy, ids)?;
    for part in bytes.chunks(64 << 10) {
        writer.write(part).await?;
    }
    Ok(writer.finish("media").await?)
}

async fn play(cluster: &Cluster, layout: &Arc<Layout>) -> Result<()> {
    let source = UnitSource::new(cluster.clone(), 64 * UNIT);
    let mut units =
        stream::iter(0..layout.units()).map(|unit| source.unit(layout, unit, Duration::from_secs(10))).buffered(8);
    let mut length = 0;
    while let Some(unit) = units.next().await {
        length += unit?.len() as u64;
    }
    ensure!(length == layout.length, "{length} bytes came of {}", layout.length);
    Ok(())
}

/// The middle one of some turns over all units.
fn alone(bytes: &[u8], mut work: impl FnMut(&Bytes, &mut Sums)) -> Duration {
    let units: Vec<Bytes> = bytes.chunks(UNIT).map(Bytes::copy_from_slice).collect();
    let turn = |_| {
        let mut sums = Sums::new(Policy { unit_size: UNIT as u32, data: NODES - 1, parity: 1 });
        let before = cpu();
        units.iter().for_each(|unit| work(unit, &mut sums));
        cpu() - before
    };
    middle((0..TURNS).map(turn).collect())
}

fn middle(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// Processor time of this process so far.
fn cpu() -> Duration {
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the call fills what it is given, and zeros are a valid value too.
    let usage = unsafe {
        libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr());
        usage.assume_init()
    };
    let time = |time: libc::timeval| Duration::new(time.tv_sec as u64, time.tv_usec as u32 * 1000);
    time(usage.ru_utime) + time(usage.ru_stime)
}
