//! `mobidic`: the one program.

mod cmds;
mod local;
mod logging;

use clap::Parser;
use cmds::Cli;
use std::process::ExitCode;

fn main() -> ExitCode {
    // Wrong usage ends in there, with exit status 2.
    let cli = Cli::parse();
    match cmds::run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("mobidic: {}", one_line(&error));
            ExitCode::FAILURE
        }
    }
}

/// An error with its causes, each said once, on one line.
fn one_line(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.ends_with(&cause) {
            continue;
        }
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&cause);
    }
    text.replace(['\n', '\r'], " ")
}
