//! How the served rate grows with the nodes: real node processes whose reading is limited, so that the limit and not this
//! machine is measured, beside the line of the written model.
//!
//! ```sh
//! cargo build --release && cargo bench -p conformance --bench scaling -- --rate 10 --seconds 4 --chart benches/scaling.svg
//! ```
//!
//! Takes about a minute.

use anyhow::{Context, Result, ensure};
use clap::Parser;
use conformance::server::program;
use futures_util::{StreamExt, stream};
use rtsp::plan::{Case, Equipment, chart};
use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};
use stripes::{
    id::NodeId,
    layout::{Layout, Policy},
    net::{Cluster, ClusterOptions, NodeAddress, ObjectWriter},
};

#[derive(Parser)]
struct Arguments {
    /// What each node may read, MB/s
    #[arg(long, default_value_t = 10)]
    rate: u64,
    /// How long each set of nodes is measured
    #[arg(long, default_value_t = 4)]
    seconds: u64,
    /// Sets of nodes
    #[arg(long, value_delimiter = ',', default_values_t = [1, 2, 3, 4, 6, 8, 12])]
    nodes: Vec<u32>,
    /// Where the picture is drawn
    #[arg(long, num_args = 0..=1, default_missing_value = "scaling.svg")]
    chart: Option<PathBuf>,
    /// Given by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

const UNIT: u32 = 256 << 10;
/// Bytes of the object for each node: read again and again, the limit counts every time.
const BYTES_A_NODE: u64 = 4 << 20;
/// Readers, each at a place of its own: so many that a node is hardly ever the one where nobody is just now.
const READERS_A_NODE: usize = 16;

struct Node {
    child: Child,
    address: NodeAddress,
}

impl Node {
    fn start(folder: &Path, rate: u64) -> Result<Self> {
        let mut child = Command::new(program()?)
            .args(["node", "--listen", "127.0.0.1:0", "--read-limit", &rate.to_string(), "--folder"])
            .arg(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("no output")?).read_line(&mut line)?;
        let mut words = line.split_whitespace().skip(1);
        let (id, url) = (words.next().context("no id")?.parse()?, words.next().context("no address")?.to_owned());
        Ok(Self { child, address: NodeAddress { id, url } })
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let rate = arguments.rate as f64 * 1e6;
    // The disk is the limit and nothing else; all of it is used.
    let model = Equipment {
        sequential: rate,
        random: rate,
        usable: 1.0,
        node_network: 1e12,
        front_network: 1e12,
        ..Equipment::default()
    };
    let runtime = tokio::runtime::Runtime::new()?;
    let mut measured = Vec::new();
    println!("{:>5}  {:>8}  {:>8}  {:>7}", "nodes", "MB/s", "model", "of it");
    for &count in &arguments.nodes {
        let served = runtime.block_on(measure(count, &arguments))?;
        let expected = model.carried(Case::Best, count, 0, 1).rate / 8.0;
        println!("{count:>5}  {:>8.1}  {:>8.1}  {:>6.1}%", served / 1e6, expected / 1e6, 100.0 * served / expected);
        measured.push((count, served * 8.0 / 1e6));
    }
    if let Some(path) = &arguments.chart {
        let most = arguments.nodes.iter().copied().max().unwrap_or(2);
        std::fs::write(path, chart::svg(&model, most, &measured)?)?;
    }
    Ok(())
}

/// Bytes a second that so many nodes serve together.
async fn measure(count: u32, arguments: &Arguments) -> Result<f64> {
    let folder = conformance::compare::tempdir()?;
    let start = |number| Node::start(&folder.join(format!("node-{number}")), arguments.rate);
    let nodes = (0..count).map(start).collect::<Result<Vec<_>>>()?;
    let addresses: Vec<NodeAddress> = nodes.iter().map(|node| node.address.clone()).collect();
    let ids: Vec<NodeId> = addresses.iter().map(|node| node.id).collect();
    let cluster = Cluster::new(addresses, ClusterOptions::default())?;
    let policy = if count >= 4 {
        Policy { unit_size: UNIT, data: 3, parity: 1 }
    } else {
        Policy { unit_size: UNIT, data: count as u8, parity: 0 }
    };
    let mut writer = ObjectWriter::create(&cluster, policy, ids)?;
    let block = vec![7; 1 << 20];
    for _ in 0..(BYTES_A_NODE * u64::from(count)) >> 20 {
        writer.write(&block).await?;
    }
    let layout = Arc::new(writer.finish("bench").await?);
    // What was not used up to now is used up first.
    read(&cluster, &layout, count, Duration::from_millis(500)).await?;
    let bytes = read(&cluster, &layout, count, Duration::from_secs(arguments.seconds)).await?;
    // Who waits at the end gets his unit later, and it does not count.
    let served = bytes as f64 / arguments.seconds as f64;
    drop(nodes);
    let _ = std::fs::remove_dir_all(folder);
    Ok(served)
}

/// Readers go through the object for so long, as viewers do at places of their own; the bytes that came in that time.
async fn read(cluster: &Cluster, layout: &Arc<Layout>, count: u32, time: Duration) -> Result<u64> {
    let readers = READERS_A_NODE * count as usize;
    let units = layout.units();
    ensure!(units > 0, "nothing to read");
    let (bytes, end) = (Arc::new(AtomicU64::new(0)), Instant::now() + time);
    stream::iter(0..readers as u64)
        .map(|reader| {
            let bytes = bytes.clone();
            async move {
                let mut unit = reader * units / readers as u64;
                while Instant::now() < end {
                    let data = cluster.get_unit(layout, layout.address(unit % units), Duration::from_secs(30)).await;
                    if let Ok(data) = data
                        && Instant::now() < end
                    {
                        bytes.fetch_add(data.len() as u64, Relaxed);
                    }
                    unit += 1;
                }
            }
        })
        .buffer_unordered(readers)
        .collect::<Vec<()>>()
        .await;
    Ok(bytes.load(Relaxed))
}
