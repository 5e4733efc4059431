//! `mobidic catalog`

use ::catalog::rebuild::rebuild;
use anyhow::Result;
use clap::Subcommand;
use rtsp::config::Config;

#[derive(Debug, Subcommand)]
pub enum CatalogCommand {
    /// Name again every film that lies sealed on the nodes
    Rebuild,
}

pub async fn run(config: Config, command: CatalogCommand) -> Result<()> {
    let CatalogCommand::Rebuild = command;
    let catalog = super::open_catalog(&config, true).await?;
    let nodes = super::local_nodes(&config, &catalog).await?;
    let report = rebuild(&catalog, &nodes.cluster).await;
    nodes.stop().await;
    let report = report?;
    for name in &report.named {
        println!("named {name}");
    }
    for problem in &report.problems {
        println!("  note: {problem}");
    }
    println!("{} named again, {} were known", report.named.len(), report.known);
    Ok(())
}
