//! `mobidic ls` and `mobidic show`

use ::catalog::presentation::Presentation;
use anyhow::{Context, Result};
use clap::Args;
use rtsp::config::Config;
use serde_json::json;
use std::collections::BTreeMap;
use stripes::{id::NodeId, layout::Layout};

#[derive(Args, Debug)]
pub struct LsArgs {
    /// As a JSON array
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
pub struct ShowArgs {
    /// The presentation
    name: String,
    /// As a JSON object
    #[arg(long)]
    json: bool,
}

pub async fn ls(config: Config, args: LsArgs) -> Result<()> {
    let catalog = super::open_catalog(&config, false).await?;
    let presentations = catalog.presentations().await?;
    if args.json {
        let rows: Vec<_> = presentations
            .iter()
            .map(|p| {
                json!({
                    "name": p.name, "title": p.title, "duration_s": p.duration.as_secs_f64(), "bytes": p.bytes(),
                    "codecs": p.tracks.iter().map(|track| &track.codec).collect::<Vec<_>>(),
                })
            })
            .collect();
        println!("{}", serde_json::to_string_pretty(&rows)?);
        return Ok(());
    }
    let width = presentations.iter().map(|p| p.name.chars().count()).max().unwrap_or(0).max(4);
    for p in &presentations {
        let codecs: Vec<_> = p.tracks.iter().map(|track| track.codec.as_str()).collect();
        println!(
            "{:width$}  {:>10}  {:>10}  {}",
            p.name,
            clock(p.duration.as_secs_f64()),
            bytes(p.bytes()),
            codecs.join(", ")
        );
    }
    Ok(())
}

pub async fn show(config: Config, args: ShowArgs) -> Result<()> {
    let catalog = super::open_catalog(&config, false).await?;
    let found = catalog.presentation(&args.name).await?;
    let p = found.with_context(|| format!("no presentation is called {:?}; `mobidic ls` lists them", args.name))?;
    let urls: BTreeMap<NodeId, String> = catalog.nodes().await?.into_iter().map(|node| (node.id, node.url)).collect();
    if args.json {
        let units = units_by_node(&p);
        let nodes: Vec<_> = units
            .iter()
            .map(|(id, (units, bytes))| json!({"node": id, "url": urls.get(id), "units": units, "bytes": bytes}))
            .collect();
        let value = json!({"presentation": p, "bytes": p.bytes(), "nodes": nodes});
        println!("{}", serde_json::to_string_pretty(&value)?);
        return Ok(());
    }
    println!("{} ({})", p.name, p.title);
    println!("duration  {}", clock(p.duration.as_secs_f64()));
    println!("size      {} media, {} index", bytes(p.media.length), bytes(p.index.length));
    println!("source    {}, BLAKE3 {}", bytes(p.source.bytes), p.source.hash);
    for track in &p.tracks {
        let language = track.language.as_deref().map(|language| format!(", {language}")).unwrap_or_default();
        println!(
            "track {}   {}{language}, {} samples, {} kbit/s on average, {} at most",
            track.id,
            track.codec,
            track.samples,
            track.average_bps / 1000,
            track.bandwidth_bps / 1000
        );
    }
    let policy = p.media.policy;
    println!("stripes   {} KiB units, {}+{} a row", policy.unit_size >> 10, policy.data, policy.parity);
    for (id, (units, size)) in units_by_node(&p) {
        let url = urls.get(&id).map_or("address unknown", String::as_str);
        println!("node {id}  {units} units, {}, {url}", bytes(size));
    }
    Ok(())
}

/// Units and bytes of a presentation's objects on each node, parity included.
fn units_by_node(presentation: &Presentation) -> BTreeMap<NodeId, (u64, u64)> {
    let mut nodes = BTreeMap::new();
    let mut count = |layout: &Layout| {
        for address in (0..layout.rows()).flat_map(|row| layout.row_units(row)) {
            let entry: &mut (u64, u64) = nodes.entry(layout.node(address)).or_default();
            entry.0 += 1;
            entry.1 += layout.unit_length(address);
        }
    };
    count(&presentation.media);
    count(&presentation.index);
    nodes
}

/// Seconds as h:mm:ss.mmm.
fn clock(seconds: f64) -> String {
    let ms = (seconds * 1000.0).round().max(0.0) as u64;
    format!("{}:{:02}:{:02}.{:03}", ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60, ms % 1000)
}

/// Bytes for people.
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = count as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{count} B") } else { format!("{value:.1} {}", UNITS[unit]) }
}
