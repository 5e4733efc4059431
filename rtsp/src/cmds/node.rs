//! `mobidic node`

use anyhow::{Context, Result};
use clap::Args;
use rtsp::config::Config;
use std::{io::Write, net::SocketAddr, path::PathBuf, sync::Arc};
use stripes::{
    net::serve_node,
    node::NodeLimits,
    store::{S3Store, Store, StoreOptions, UnitStore},
};
use tokio::{io::AsyncReadExt, net::TcpListener};

#[derive(Args, Debug)]
pub struct NodeArgs {
    /// Folder of its units [default: DATA/node]
    #[arg(long, value_name = "DIR", conflicts_with = "store")]
    folder: Option<PathBuf>,
    /// Keep its units in an S3 store instead, as s3://BUCKET/PREFIX, one prefix a node. Endpoint, region and keys as
    /// for the AWS tools: AWS_ENDPOINT_URL, AWS_REGION, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY
    #[arg(long, value_name = "URL")]
    store: Option<String>,
    /// Where it answers HTTP [default: 127.0.0.1:8600]
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8600", hide_default_value = true)]
    listen: SocketAddr,
    /// MB/s that are read at most, as if the disk were so slow; 0 for no bound
    #[arg(long, value_name = "MB/s", default_value_t = 0)]
    read_limit: u64,
    /// End when standard input ends: for a parent process
    #[arg(long)]
    end_with_stdin: bool,
}

pub async fn run(config: Config, args: NodeArgs) -> Result<()> {
    let folder = args.folder.unwrap_or_else(|| config.data.join("node"));
    let store: Arc<dyn UnitStore> = match &args.store {
        Some(url) => {
            let variables = std::env::vars_os()
                .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
            Arc::new(S3Store::open(url, variables, StoreOptions::default()).await?)
        }
        None => Arc::new(Store::open(&folder, StoreOptions::default())?),
    };
    let listener = TcpListener::bind(args.listen).await.with_context(|| format!("listening on {}", args.listen))?;
    let url = format!("http://{}", listener.local_addr()?);
    // For commands on this machine; a node of an S3 store is found by its URL only.
    let address = args.store.is_none().then(|| folder.join(crate::local::ADDRESS_FILE));
    if let Some(address) = &address {
        std::fs::write(address, format!("{} {url}\n", store.node()))
            .with_context(|| format!("writing {}", address.display()))?;
    }
    let mut out = std::io::stdout();
    writeln!(out, "ready {} {url}", store.node())?;
    out.flush()?;
    let stop = async move {
        if args.end_with_stdin {
            tokio::select! {
                () = stdin_ended() => {}
                () = super::terminated() => {}
            }
        } else {
            super::interrupted().await;
        }
    };
    let read_limit = (args.read_limit > 0).then(|| args.read_limit.saturating_mul(1_000_000));
    let limits = NodeLimits { read_limit, ..NodeLimits::default() };
    serve_node(listener, store, limits, stop).await?;
    if let Some(address) = address {
        let _ = std::fs::remove_file(address);
    }
    Ok(())
}

async fn stdin_ended() {
    let mut byte = [0; 64];
    while matches!(tokio::io::stdin().read(&mut byte).await, Ok(1..)) {}
}
