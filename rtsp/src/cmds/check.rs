//! `mobidic check`

use ::catalog::check::{CheckReport, check};
use anyhow::{Context, Result, bail};
use clap::Args;
use rtsp::config::Config;
use serde_json::json;
use stripes::net::VerifyReport;

#[derive(Args, Debug)]
pub struct CheckArgs {
    /// The presentation
    name: String,
    /// As a JSON object
    #[arg(long)]
    json: bool,
}

pub async fn run(config: Config, args: CheckArgs) -> Result<()> {
    let catalog = super::open_catalog(&config, false).await?;
    let found = catalog.presentation(&args.name).await?;
    let p = found.with_context(|| format!("no presentation is called {:?}; `mobidic ls` lists them", args.name))?;
    let nodes = super::local_nodes(&config, &catalog).await?;
    let report = check(&nodes.cluster, &p, |_, _| {}).await;
    nodes.stop().await;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&as_json(&args.name, &report))?);
    } else {
        print(&args.name, &report);
    }
    let down = report.media.down_units() + report.index.down_units();
    let bad = report.media.bad_units + report.index.bad_units;
    match (bad, down) {
        _ if report.is_good() => Ok(()),
        (0, 1..) => bail!("{}: {down} units can't be checked, they are on a node that is down", args.name),
        (_, 0) => bail!("{}: {bad} units are bad", args.name),
        _ => bail!("{}: {bad} units are bad, {down} more are on a node that is down", args.name),
    }
}

fn print(name: &str, report: &CheckReport) {
    for (object, verified) in [("index", &report.index), ("media", &report.media)] {
        for bad in &verified.bad {
            println!("{name}: {object} unit {}: {}", bad.unit, bad.error);
        }
    }
    for (object, verified) in [("index", &report.index), ("media", &report.media)] {
        for (node, down) in &verified.down {
            println!("{name}: {object}: {} units are on node {node}, which is down ({})", down.units, down.error);
        }
    }
    for problem in &report.problems {
        println!("{name}: {problem}");
    }
    let units = report.media.good_units + report.index.good_units;
    let size = super::list::bytes(report.media.good_bytes + report.index.good_bytes);
    println!("{name}: {units} units ({size}) and {} samples read back good", report.samples);
}

fn as_json(name: &str, report: &CheckReport) -> serde_json::Value {
    let object = |verified: &VerifyReport| {
        let bad = |unit: &stripes::net::BadUnit| json!({"unit": unit.unit, "error": unit.error.to_string()});
        json!({
            "good_units": verified.good_units, "good_bytes": verified.good_bytes, "bad_units": verified.bad_units,
            "bad": verified.bad.iter().map(bad).collect::<Vec<_>>(), "down_units": verified.down_units(),
            "down_nodes": verified.down.keys().collect::<Vec<_>>(),
        })
    };
    json!({
        "name": name, "good": report.is_good(), "samples": report.samples, "problems": report.problems,
        "index": object(&report.index), "media": object(&report.media),
    })
}
