//! `mobidic cluster status`

use ::catalog::db::{Catalog, FrontReport, Job, JobState, Member};
use anyhow::Result;
use futures_util::future::join_all;
use serde_json::{Value, json};
use stripes::{
    net::Cluster,
    wire::{Health, NodeStatistics},
};

/// Jobs that are shown.
const SHOWN_JOBS: usize = 5;

/// What a node says of itself, or why it does not.
type Said = Result<(Health, NodeStatistics), String>;

pub async fn show(catalog: &Catalog, cluster: &Cluster, as_json: bool) -> Result<()> {
    let members = catalog.members().await?;
    let asks = members.iter().map(|member| async {
        let (health, statistics) = tokio::join!(cluster.health(member.node.id), cluster.statistics(member.node.id));
        let said: Said = match (health, statistics) {
            (Ok(health), Ok(statistics)) => Ok((health, statistics)),
            (Err(error), _) | (_, Err(error)) => Err(error.failure.to_string()),
        };
        said
    });
    let said = join_all(asks).await;
    let layouts = catalog.sealed_layouts().await?;
    let objects = |member: &Member| layouts.iter().filter(|layout| layout.nodes.contains(&member.node.id)).count();
    let nodes: Vec<(&Member, &Said, usize)> =
        members.iter().zip(&said).map(|(member, said)| (member, said, objects(member))).collect();
    let lost: Vec<_> =
        members.iter().zip(&said).filter(|(_, said)| said.is_err()).map(|(member, _)| member.node.id).collect();
    let down = |layout: &stripes::layout::Layout| layout.nodes.iter().filter(|node| lost.contains(node)).count();
    let unreadable = layouts.iter().filter(|layout| down(layout) > usize::from(layout.policy.parity)).count();
    let weakened = layouts.iter().filter(|layout| down(layout) > 0).count() - unreadable;
    let (moves, jobs, fronts) = (catalog.moves().await?.len(), catalog.jobs().await?, catalog.fronts().await?);
    if as_json {
        let value = json!({
            "nodes": nodes.iter().map(|(member, said, objects)| node_json(member, said, *objects)).collect::<Vec<_>>(),
            "objects": layouts.len(), "weakened_objects": weakened, "unreadable_objects": unreadable,
            "moving_objects": moves, "fronts": fronts.iter().map(front_json).collect::<Vec<_>>(),
            "jobs": jobs.iter().take(SHOWN_JOBS).map(job_json).collect::<Vec<_>>(),
        });
        println!("{}", serde_json::to_string_pretty(&value)?);
        return Ok(());
    }
    for (member, said, objects) in nodes {
        print_node(member, said, objects);
    }
    println!("{} objects, {weakened} of them with a node down, {unreadable} unreadable, {moves} moving", layouts.len());
    for front in &fronts {
        let possible = front.possible_bps.map_or("no bound".to_owned(), |bps| format!("{} Mbit/s", bps / 1_000_000));
        let (viewers, promised) = (front.viewers, front.promised_bps as f64 / 1e6);
        println!("front {}: {viewers} viewers, {promised:.1} Mbit/s promised of {possible}", front.name);
    }
    for job in jobs.iter().take(SHOWN_JOBS) {
        print_job(job);
    }
    Ok(())
}

fn print_node(member: &Member, said: &Said, objects: usize) {
    let (id, url, intent) = (member.node.id, &member.node.url, member.intent.word());
    match said {
        Ok((health, statistics)) => println!(
            "node {id}  {intent:8}  up    {objects} objects, {} on disk, {} free, {} units found damaged  {url}",
            super::super::list::bytes(statistics.disk_bytes),
            super::super::list::bytes(health.free_bytes),
            statistics.units_damaged
        ),
        Err(error) => println!("node {id}  {intent:8}  down  {objects} objects  {url}  ({error})"),
    }
}

fn print_job(job: &Job) {
    let node = job.node.map(|node| format!(" {node}")).unwrap_or_default();
    let again = if job.state == JobState::BrokenOff { "; the same command goes on with it" } else { "" };
    let note = if job.note.is_empty() { String::new() } else { format!(" ({})", job.note) };
    println!(
        "job {}: {}{node}, {}, {} of {}, {} units bad, {} written anew{again}{note}",
        job.id,
        job.kind.word(),
        job.state.word(),
        super::super::list::bytes(job.done),
        super::super::list::bytes(job.total),
        job.bad,
        job.repaired
    );
}

fn node_json(member: &Member, said: &Said, objects: usize) -> Value {
    let (health, statistics) = match said {
        Ok((health, statistics)) => (Some(health), Some(statistics)),
        Err(_) => (None, None),
    };
    json!({
        "node": member.node.id, "url": member.node.url, "intent": member.intent.word(), "up": said.is_ok(),
        "error": said.as_ref().err(), "objects": objects, "health": health, "statistics": statistics,
        "read_rate_told": member.read_rate,
    })
}

fn front_json(front: &FrontReport) -> Value {
    json!({
        "front": front.name, "viewers": front.viewers, "promised_bps": front.promised_bps,
        "possible_bps": front.possible_bps, "late_percent": front.late_percent,
        "nodes": front.nodes.iter().map(|(node, share)| json!({
            "node": node, "promised_bps": share.promised_bps, "held_bps": share.held_bps,
        })).collect::<Vec<_>>(),
    })
}

fn job_json(job: &Job) -> Value {
    json!({
        "job": job.id, "kind": job.kind.word(), "node": job.node, "state": job.state.word(), "bytes": job.done,
        "total_bytes": job.total, "bad_units": job.bad, "repaired_units": job.repaired, "note": job.note,
        "begun": job.begun, "heartbeat": job.heartbeat,
    })
}
