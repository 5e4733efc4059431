//! `mobidic add`

use crate::local::LocalNodes;
use ::catalog::{
    db::Catalog,
    ingest::{IngestOptions, Outcome, Progress, Stage, find, ingest_file},
};
use anyhow::{Result, bail};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use rtsp::config::Config;
use std::{
    io::IsTerminal,
    path::{Path, PathBuf},
};

#[derive(Args, Debug)]
pub struct AddArgs {
    /// Files, or folders with all in them
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,
    /// Its name in URLs, for one file [default: from the file's name]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Nodes that may be lost without losing it, 0 to 2 [default: 1]
    #[arg(long, value_name = "M")]
    parity: Option<u8>,
}

/// What came of some paths.
#[derive(Clone, Copy, Debug, Default)]
pub struct Added {
    /// Files added.
    pub added: usize,
    /// Files whose content was in already.
    pub present: usize,
    /// Files in given folders that are no films.
    pub passed_over: usize,
    /// Files that could not be added.
    pub failed: usize,
}

impl Added {
    /// All files looked at.
    pub fn files(&self) -> usize {
        self.added + self.present + self.passed_over + self.failed
    }
}

pub async fn run(mut config: Config, args: AddArgs) -> Result<()> {
    if args.name.is_some() && (args.paths.len() != 1 || args.paths[0].is_dir()) {
        bail!("--name goes with exactly one file");
    }
    if let Some(parity) = args.parity {
        config.stripes.parity = parity;
        config.check()?;
    }
    let catalog = super::open_catalog(&config, true).await?;
    let nodes = super::local_nodes(&config, &catalog).await?;
    let added = tokio::select! {
        added = add_all(&config, &catalog, &nodes, &args.paths, args.name.as_deref()) => added,
        () = super::interrupted() => Err(anyhow::anyhow!("interrupted")),
    };
    // What was begun is cleared away while the nodes still run.
    let swept = ::catalog::sweep::sweep(&catalog, &nodes.cluster).await;
    nodes.stop().await;
    catalog.close().await;
    let added = added?;
    swept?;
    if added.failed > 0 {
        bail!("{} of {} files could not be added", added.failed, added.files());
    }
    Ok(())
}

/// Adds all files at and below `paths`, one after another, and says of each what came of it. A file that can't be
/// added doesn't keep the others out; in a folder, what is no film is passed over.
pub async fn add_all(
    config: &Config,
    catalog: &Catalog,
    nodes: &LocalNodes,
    paths: &[PathBuf],
    name: Option<&str>,
) -> Result<Added> {
    let mut added = Added::default();
    let searched = paths.to_vec();
    let found = tokio::task::spawn_blocking(move || find(&searched)).await?;
    for problem in &found.problems {
        eprintln!("mobidic: {problem}");
        added.failed += 1;
    }
    let policy = config.stripes.policy(nodes.stripe_set.len());
    if policy.parity < config.stripes.parity && !found.files.is_empty() {
        tracing::warn!(nodes = nodes.stripe_set.len(), parity = policy.parity, "too few nodes for the parity wanted");
    }
    let options = IngestOptions { name: name.map(str::to_owned), policy, nodes: nodes.stripe_set.clone() };
    for file in &found.files {
        let bar = Bar::new(file);
        let result = ingest_file(catalog, &nodes.cluster, file, &options, |progress| bar.show(progress)).await;
        bar.clear();
        match result {
            Ok(ingested) => {
                match ingested.outcome {
                    Outcome::Added(presentation) => {
                        added.added += 1;
                        println!("added {} as {}", file.display(), presentation.name);
                    }
                    Outcome::AlreadyPresent(name) => {
                        added.present += 1;
                        println!("{} is in already, as {name}", file.display());
                    }
                }
                for note in ingested.notes {
                    println!("  note: {note}");
                }
            }
            Err(error) if error.is_not_media() && !paths.iter().any(|path| path == file) => {
                added.passed_over += 1;
                println!("passed over {}: not a film", file.display());
            }
            Err(error) => {
                added.failed += 1;
                eprintln!("mobidic: {error}");
            }
        }
    }
    Ok(added)
}

/// How far a file is, drawn where someone looks.
struct Bar(Option<ProgressBar>);

impl Bar {
    fn new(file: &Path) -> Self {
        if !std::io::stderr().is_terminal() {
            println!("adding {}", file.display());
            return Self(None);
        }
        let style = ProgressStyle::with_template("{msg:30!} {bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta}");
        let bar = ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_message(file.file_name().unwrap_or_default().to_string_lossy().into_owned());
        Self(Some(bar))
    }

    fn show(&self, progress: Progress) {
        if let Some(bar) = &self.0 {
            bar.set_length(progress.total);
            bar.set_position(progress.bytes);
            if progress.stage == Stage::Sealing {
                bar.set_message("writing to disk");
            }
        }
    }

    fn clear(&self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}
