//! `mobidic user`

use anyhow::{Context, Result, bail};
use catalog::db::{Catalog, User};
use clap::Subcommand;
use rtsp::config::Config;
use std::io::{BufRead, IsTerminal, Write};

#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// Add one; the password is read from standard input
    Add {
        name: String,
        /// May bring channels, too
        #[arg(long)]
        publish: bool,
    },
    /// Change a password, read from standard input
    Passwd { name: String },
    /// Let one bring channels, too
    Publish {
        name: String,
        /// No longer
        #[arg(long)]
        no_more: bool,
    },
    /// Remove one
    Rm { name: String },
    /// List their names, and who may publish
    Ls,
}

/// Characters of a name; what a Digest could not say is not allowed.
const MAX_NAME: usize = 64;

pub async fn run(config: Config, command: UserCommand) -> Result<()> {
    let catalog = super::open_catalog(&config, true).await?;
    match command {
        UserCommand::Add { name, publish } => {
            check(&name)?;
            let user = User { publishes: publish, ..rtsp::auth::user(&name, &config.auth.realm, &password()?) };
            if !catalog.put_user(&user, true).await? {
                bail!("there is a user {name} already: `mobidic user passwd {name}` changes the password");
            }
            println!("added {name}: from now on viewers are asked for name and password");
        }
        UserCommand::Passwd { name } => {
            let User { publishes, .. } = known(&catalog, &name).await?;
            let user = User { publishes, ..rtsp::auth::user(&name, &config.auth.realm, &password()?) };
            catalog.put_user(&user, false).await?;
        }
        UserCommand::Publish { name, no_more } => {
            let user = known(&catalog, &name).await?;
            catalog.put_user(&User { publishes: !no_more, ..user }, false).await?;
        }
        UserCommand::Rm { name } => {
            if !catalog.remove_user(&name).await? {
                bail!("no user {name}");
            }
            if catalog.users().await?.is_empty() && config.auth.users.is_empty() && !config.auth.required {
                println!("that was the last one: everybody may watch now (auth.required = true forbids it)");
            }
        }
        UserCommand::Ls => {
            for user in catalog.users().await? {
                let note = if user.realm == config.auth.realm { "" } else { " (of another realm: can't log in)" };
                let publishes = if user.publishes { " (may publish)" } else { "" };
                println!("{}{publishes}{note}", user.name);
            }
        }
    }
    catalog.close().await;
    Ok(())
}

async fn known(catalog: &Catalog, name: &str) -> Result<User> {
    let found = catalog.users().await?.into_iter().find(|user| user.name == name);
    found.with_context(|| format!("no user {name}"))
}

fn check(name: &str) -> Result<()> {
    let good = |char: char| !char.is_control() && !"\":\\".contains(char);
    if name.is_empty() || name.chars().count() > MAX_NAME || !name.chars().all(good) {
        bail!("a name has 1 to {MAX_NAME} characters, but no quote, colon or backslash");
    }
    Ok(())
}

/// A line of standard input, not shown where somebody types it.
fn password() -> Result<String> {
    let input = std::io::stdin();
    let typed = input.is_terminal();
    if typed {
        eprint!("Password: ");
        std::io::stderr().flush()?;
    }
    let shown = if typed { Some(Hidden::start()) } else { None };
    let mut line = String::new();
    input.lock().read_line(&mut line).context("reading the password")?;
    drop(shown);
    let password = line.trim_end_matches(['\r', '\n']);
    if password.is_empty() {
        bail!("no password was given");
    }
    Ok(password.to_owned())
}

/// The terminal doesn't show what is typed, until this is dropped.
struct Hidden(Option<libc::termios>);

impl Hidden {
    fn start() -> Self {
        // SAFETY: an all-zero termios is a valid value for tcgetattr to overwrite; descriptor 0 is standard input.
        let before = unsafe {
            let mut terminal: libc::termios = std::mem::zeroed();
            (libc::tcgetattr(0, &raw mut terminal) == 0).then_some(terminal)
        };
        if let Some(mut terminal) = before {
            terminal.c_lflag &= !libc::ECHO;
            // SAFETY: `terminal` came from tcgetattr.
            unsafe { libc::tcsetattr(0, libc::TCSANOW, &raw const terminal) };
        }
        Self(before)
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        if let Some(terminal) = self.0 {
            // SAFETY: `terminal` came from tcgetattr.
            unsafe { libc::tcsetattr(0, libc::TCSANOW, &raw const terminal) };
            eprintln!();
        }
    }
}
