//! `mobidic cluster`: nodes that come and go, and films that are spread over them, while everybody watches.

mod progress;
mod status;

use crate::local::{self, LocalNodes};
use ::catalog::{
    db::{Catalog, Intent, Member, Node},
    operate::{Done, GRACE, Operator, Task},
};
use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use progress::Progress;
use rtsp::config::Config;
use serde_json::json;
use std::time::Duration;
use stripes::{
    id::NodeId,
    net::{Cluster, Limit, identify},
};

#[derive(Debug, Subcommand)]
pub enum ClusterCommand {
    /// Nodes, what they have, what fronts have promised, what is being done
    Status(StatusArgs),
    /// Takes a node in and spreads the films over it too
    AddNode(AddNodeArgs),
    /// Moves everything off a node; it takes nothing new
    Drain(NodeCommandArgs),
    /// The same, and then the node is not asked any more; what a lost one had is computed from the others
    Remove(NodeCommandArgs),
    /// Writes anew what nodes lack
    Rebuild(WorkArgs),
    /// Spreads all films evenly over the active nodes
    Rebalance(WorkArgs),
    /// Reads everything, and writes anew what is bad
    Scrub(WorkArgs),
}

#[derive(Args, Debug)]
pub struct StatusArgs {
    /// As a JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
pub struct AddNodeArgs {
    /// Where it answers, as http://HOST:PORT
    #[arg(value_name = "URL")]
    url: String,
    /// MB/s that it reads, for admission [default: as it measures itself]
    #[arg(long, value_name = "MB/s")]
    read_rate: Option<u64>,
    /// Only take it in: new films go to it, the others stay where they are
    #[arg(long)]
    no_rebalance: bool,
    #[command(flatten)]
    work: WorkArgs,
}

#[derive(Args, Debug)]
pub struct NodeCommandArgs {
    /// Its name (16 hexadecimal digits) or its address
    #[arg(value_name = "NODE")]
    node: String,
    #[command(flatten)]
    work: WorkArgs,
}

#[derive(Args, Debug)]
pub struct WorkArgs {
    /// MB/s that the work may read in all, 0 for no bound [default: a quarter of what the nodes read]
    #[arg(long, value_name = "MB/s")]
    limit: Option<u64>,
    /// Seconds that units stay where they were, for fronts that have not heard yet
    #[arg(long, value_name = "SECONDS", default_value_t = GRACE.as_secs())]
    grace: u64,
    /// Progress and outcome as JSON objects, one a line
    #[arg(long)]
    json: bool,
}

pub async fn run(config: Config, command: ClusterCommand) -> Result<()> {
    let catalog = super::open_catalog(&config, false).await?;
    // Nodes that run are used where they are. A lost one is not started here: whoever did first will.
    let cluster = local::cluster(&config, &catalog).await?;
    let known = cluster.nodes();
    let asks = known.iter().map(|node| cluster.health(node.id));
    let none_runs = !futures_util::future::join_all(asks).await.iter().any(|answer| answer.is_ok());
    let started = if none_runs { Some(super::local_nodes(&config, &catalog).await?) } else { None };
    let cluster = started.as_ref().map_or(cluster, |nodes| nodes.cluster.clone());
    let result = tokio::select! {
        result = dispatch(&config, &catalog, &cluster, command) => result,
        () = super::interrupted() => Err(anyhow::anyhow!("interrupted; the same command goes on with the rest")),
    };
    if let Some(nodes) = started {
        LocalNodes::stop(nodes).await;
    }
    catalog.close().await;
    result
}

async fn dispatch(config: &Config, catalog: &Catalog, cluster: &Cluster, command: ClusterCommand) -> Result<()> {
    match command {
        ClusterCommand::Status(args) => status::show(catalog, cluster, args.json).await,
        ClusterCommand::AddNode(args) => add_node(config, catalog, cluster, args).await,
        ClusterCommand::Drain(args) => {
            let node = find(catalog, &args.node).await?.node.id;
            work(catalog, cluster, Task::Drain(node), &args.work).await
        }
        ClusterCommand::Remove(args) => {
            let node = find(catalog, &args.node).await?.node.id;
            work(catalog, cluster, Task::Remove(node), &args.work).await
        }
        ClusterCommand::Rebuild(args) => work(catalog, cluster, Task::Rebuild, &args).await,
        ClusterCommand::Rebalance(args) => work(catalog, cluster, Task::Rebalance, &args).await,
        ClusterCommand::Scrub(args) => work(catalog, cluster, Task::Scrub, &args).await,
    }
}

async fn add_node(config: &Config, catalog: &Catalog, cluster: &Cluster, args: AddNodeArgs) -> Result<()> {
    let health = identify(&args.url, &local::options(config)).await?;
    let url = args.url.trim_end_matches('/').to_owned();
    catalog.put_node(&Node { id: health.node, url: url.clone() }).await?;
    catalog.set_intent(health.node, Intent::Active).await?;
    if let Some(rate) = args.read_rate {
        catalog.set_read_rate(health.node, Some(rate.saturating_mul(1_000_000))).await?;
    }
    cluster.set_nodes(local::addresses(catalog).await?)?;
    if args.work.json {
        println!("{}", json!({"node": health.node, "url": url}));
    } else {
        println!("node {} at {url} takes new films from now on", health.node);
    }
    if args.no_rebalance {
        return Ok(());
    }
    work(catalog, cluster, Task::Rebalance, &args.work).await
}

/// The node of that name or address.
async fn find(catalog: &Catalog, named: &str) -> Result<Member> {
    let id: Option<NodeId> = named.parse().ok();
    let url = named.trim_end_matches('/');
    let found = catalog.members().await?.into_iter().find(|m| Some(m.node.id) == id || m.node.url == url);
    found.with_context(|| format!("no node is called {named:?}; `mobidic cluster status` lists them"))
}

async fn work(catalog: &Catalog, cluster: &Cluster, task: Task, args: &WorkArgs) -> Result<()> {
    let limit = match args.limit {
        Some(0) => None,
        Some(limit) => Some(limit.saturating_mul(1_000_000)),
        None => {
            let nodes: Vec<NodeId> = cluster.nodes().into_iter().map(|node| node.id).collect();
            Some(cluster.maintenance_rate(&nodes).await)
        }
    };
    let operator = Operator {
        catalog: catalog.clone(),
        cluster: cluster.clone(),
        limit: Limit::new(limit),
        usual_limit: args.limit.is_none(),
        grace: Duration::from_secs(args.grace),
    };
    let mut progress = Progress::new(args.json);
    let done = operator.run(task, |now| progress.show(now)).await;
    progress.end();
    let done = done?;
    tell(&done, args.json);
    if !done.problems.is_empty() {
        bail!("{} objects are not as they should be", done.problems.len());
    }
    Ok(())
}

fn tell(done: &Done, as_json: bool) {
    let progress = done.progress;
    if as_json {
        let value = json!({
            "done": true, "objects": done.objects, "bytes": progress.done, "bad_units": progress.bad,
            "repaired_units": progress.repaired, "untidy_objects": done.untidy, "problems": done.problems,
        });
        println!("{value}");
        return;
    }
    for problem in &done.problems {
        println!("  note: {problem}");
    }
    if done.untidy > 0 {
        println!(
            "  note: {} objects still have units where they don't belong; a later command deletes them",
            done.untidy
        );
    }
    println!(
        "done: {} objects, {}; {} units were bad or missing, {} written anew",
        done.objects,
        super::list::bytes(progress.done),
        progress.bad,
        progress.repaired
    );
}
