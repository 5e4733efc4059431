//! `mobidic plan`

use anyhow::{Context, Result, bail};
use clap::Args;
use rtsp::plan::{Carried, Case, Equipment, Limit, MAX_NODES, Needed, chart};
use serde_json::json;
use std::path::PathBuf;

#[derive(Args, Debug)]
pub struct PlanArgs {
    /// How many viewers so many nodes carry
    #[arg(long, value_name = "N")]
    nodes: Option<u32>,
    /// How many nodes so many viewers need
    #[arg(long, value_name = "N")]
    viewers: Option<u32>,
    /// A node's disk in sequence, MB/s
    #[arg(long, value_name = "MB/s", default_value_t = 20.0)]
    sequential: f64,
    /// A node's disk in reads of 256 KiB at random places, MB/s
    #[arg(long, value_name = "MB/s", default_value_t = 12.0)]
    random: f64,
    /// A node's network, Mbit/s
    #[arg(long, value_name = "Mbit/s", default_value_t = 1000.0)]
    node_network: f64,
    /// A front's network, Mbit/s
    #[arg(long, value_name = "Mbit/s", default_value_t = 1000.0)]
    front_network: f64,
    /// What one viewer watches, Mbit/s
    #[arg(long, value_name = "Mbit/s", default_value_t = 1.0)]
    stream: f64,
    /// Fronts, for --nodes
    #[arg(long, value_name = "N", default_value_t = 1)]
    fronts: u32,
    /// Data units a row at most
    #[arg(long, value_name = "K", default_value_t = 3)]
    data_units: u8,
    /// Parity units a row: nodes that may be down
    #[arg(long, value_name = "M", default_value_t = 1)]
    parity: u8,
    /// Stripe unit, KiB
    #[arg(long, value_name = "KiB", default_value_t = 256)]
    unit: u32,
    /// Share of a disk's random rate that may be promised, percent
    #[arg(long, value_name = "PERCENT", default_value_t = 85.0)]
    usable: f64,
    /// Draw throughput against nodes
    #[arg(long, value_name = "FILE.svg")]
    chart: Option<PathBuf>,
    /// As a JSON object
    #[arg(long)]
    json: bool,
}

/// Nodes that a table shows when nobody asked for a number.
const SHOWN: [u32; 7] = [1, 2, 3, 4, 6, 8, 12];

pub fn run(args: &PlanArgs) -> Result<()> {
    let equipment = args.equipment()?;
    if let Some(nodes) = args.nodes
        && !(1..=MAX_NODES).contains(&nodes)
    {
        bail!("--nodes {nodes}: must be 1 to {MAX_NODES}");
    }
    let carried = |nodes: u32| {
        let down = (0..=u32::from(args.parity).min(nodes - 1)).collect::<Vec<_>>();
        let cases = [Case::Best, Case::Worst];
        let all =
            cases.iter().flat_map(|case| down.iter().map(|down| equipment.carried(*case, nodes, *down, args.fronts)));
        all.collect::<Vec<_>>()
    };
    let sets: Vec<u32> = args.nodes.map_or_else(|| SHOWN.to_vec(), |nodes| vec![nodes]);
    let rows: Vec<Carried> = sets.into_iter().flat_map(carried).collect();
    let needed = args.viewers.map(|viewers| [Case::Best, Case::Worst].map(|case| equipment.needed(case, viewers)));
    if let Some(path) = &args.chart {
        let nodes = args.nodes.unwrap_or(12).max(equipment.nodes_that_fill_a_front(Case::Worst).min(MAX_NODES));
        std::fs::write(path, chart::svg(&equipment, nodes, &[])?)
            .with_context(|| format!("writing {}", path.display()))?;
    }
    if args.json {
        let fill = json!({
            "best": equipment.nodes_that_fill_a_front(Case::Best), "worst": equipment.nodes_that_fill_a_front(Case::Worst),
        });
        let value = json!({
            "equipment": equipment, "nodes_that_fill_a_front": fill, "carried": rows, "viewers": args.viewers,
            "needed": needed,
        });
        println!("{}", serde_json::to_string_pretty(&value)?);
        return Ok(());
    }
    if args.viewers.is_none() || args.nodes.is_some() {
        print_carried(&equipment, &rows);
    }
    if let (Some(needed), Some(viewers)) = (needed, args.viewers) {
        print_needed(&equipment, viewers, &needed);
    }
    Ok(())
}

impl PlanArgs {
    fn equipment(&self) -> Result<Equipment> {
        let unit = self.unit.checked_mul(1 << 10).with_context(|| format!("--unit {}: too large", self.unit))?;
        let equipment = Equipment {
            sequential: self.sequential * 1e6,
            random: self.random * 1e6,
            node_network: self.node_network * 1e6,
            front_network: self.front_network * 1e6,
            stream: self.stream * 1e6,
            data: self.data_units,
            parity: self.parity,
            unit,
            usable: self.usable / 100.0,
        };
        equipment.check().map_err(anyhow::Error::msg)?;
        Ok(equipment)
    }
}

fn print_carried(equipment: &Equipment, rows: &[Carried]) {
    println!("{:>5}  {:>4}  {:<5}  {:>10}  {:>7}  {:<20}", "nodes", "down", "disks", "Mbit/s", "viewers", "bounded by");
    for row in rows {
        println!(
            "{:>5}  {:>4}  {:<5}  {:>10.0}  {:>7}  {:<20}",
            row.nodes,
            row.down,
            case_name(row.case),
            row.rate / 1e6,
            row.viewers,
            limit_name(row.limit)
        );
    }
    let fill = |case| equipment.nodes_that_fill_a_front(case);
    println!("a front's network is filled by {} nodes at best, {} at worst", fill(Case::Best), fill(Case::Worst));
}

fn print_needed(equipment: &Equipment, viewers: u32, needed: &[Needed]) {
    for needed in needed {
        println!(
            "{viewers} viewers at {}: {} nodes and {} fronts; {} nodes to carry them with {} down; parity takes {:.0} % of the disks",
            case_name(needed.case),
            needed.nodes,
            needed.fronts,
            needed.nodes_degraded,
            equipment.parity,
            equipment.parity_share(needed.nodes) * 100.0
        );
    }
}

fn case_name(case: Case) -> &'static str {
    match case {
        Case::Best => "best",
        Case::Worst => "worst",
    }
}

fn limit_name(limit: Limit) -> &'static str {
    match limit {
        Limit::Disk => "disks",
        Limit::NodeNetwork => "the nodes' networks",
        Limit::FrontNetwork => "the front's network",
        Limit::Parity => "too many nodes down",
    }
}
