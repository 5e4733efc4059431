//! `mobidic rm`

use anyhow::{Result, bail};
use clap::Args;
use rtsp::config::Config;

#[derive(Args, Debug)]
pub struct RmArgs {
    /// The presentation
    name: String,
}

pub async fn run(config: Config, args: RmArgs) -> Result<()> {
    let catalog = super::open_catalog(&config, false).await?;
    let nodes = super::local_nodes(&config, &catalog).await?;
    let removed = ::catalog::sweep::remove(&catalog, &nodes.cluster, &args.name).await;
    nodes.stop().await;
    let Some(removed) = removed? else { bail!("no presentation is called {:?}; `mobidic ls` lists them", args.name) };
    for (object, error) in removed.left {
        println!("  note: object {object} is not gone everywhere yet, the next start goes on: {error}");
    }
    println!("removed {}", args.name);
    Ok(())
}
