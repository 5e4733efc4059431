//! The configuration: one TOML file, the same for every command.
//!
//! [`DEFAULTS`] is that file with every option, its unit and its default; `mobidic config` prints it. What is
//! not written keeps its default, an unknown name is an error, and a command's own flags come before the file.

use serde::Deserialize;
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

/// Every option with its default, as a configuration file.
pub const DEFAULTS: &str = r#"# Where everything is kept: the catalog and, for `serve`, the nodes' units.
data = "mobidic-data"

[front]
# Where RTSP is spoken.
listen = "0.0.0.0:8554"
# Seconds without a sign of life after which a session ends.
session_timeout_s = 60
# Sending threads; 0 takes one for each core.
workers = 0
# Milliseconds of film that are read ahead for each viewer.
read_ahead_ms = 2000
# MiB of stripe units that are kept for other viewers of the same film.
cache_mib = 256
# Bytes of an RTP packet at most, its header included.
max_packet = 1400
# Packets of one track that leave together at most.
train_packets = 16
# Milliseconds of film that leave together at most.
quantum_ms = 40
# Connections at once at most, and from one address.
max_connections = 20000
max_connections_per_address = 10000

[nodes]
# Node processes that `serve` starts in the data folder.
count = 4
# Milliseconds that a node has for an answer.
timeout_ms = 5000

[stripes]
# KiB of a stripe unit, from 4 to 4096.
unit_kib = 256

[log]
# Which lines: a level, or targets with levels as in "info,rtsp=debug".
filter = "info"
# "human" or "json" (one object a line).
format = "human"
"#;

/// The whole configuration.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where everything is kept.
    pub data: PathBuf,
    /// The RTSP front.
    pub front: FrontConfig,
    /// The nodes as a front and `serve` see them.
    pub nodes: NodesConfig,
    /// How new objects are cut.
    pub stripes: StripesConfig,
    /// Logging.
    pub log: LogConfig,
}

/// `[front]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FrontConfig {
    /// Where RTSP is spoken.
    pub listen: SocketAddr,
    /// Seconds.
    pub session_timeout_s: u32,
    /// Sending threads, 0 for one a core.
    pub workers: usize,
    /// Milliseconds.
    pub read_ahead_ms: u64,
    /// MiB.
    pub cache_mib: usize,
    /// Bytes with RTP header.
    pub max_packet: usize,
    /// Packets.
    pub train_packets: usize,
    /// Milliseconds.
    pub quantum_ms: u64,
    /// TCP connections.
    pub max_connections: usize,
    /// TCP connections.
    pub max_connections_per_address: usize,
}

/// `[nodes]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NodesConfig {
    /// Node processes that `serve` starts.
    pub count: usize,
    /// Milliseconds.
    pub timeout_ms: u64,
}

/// `[stripes]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StripesConfig {
    /// KiB.
    pub unit_kib: u32,
}

/// `[log]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// A filter as `RUST_LOG` takes it.
    pub filter: String,
    /// How a line looks.
    pub format: LogFormat,
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Human,
    /// One JSON object a line.
    Json,
}

/// Why a configuration can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file can't be read.
    #[error("{path}: {source}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The file is not what it should be.
    #[error("{path}: {reason}", path = path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Line, column and what was expected.
        reason: String,
    },
    /// A value is out of its range.
    #[error("{name} = {value}: must be {allowed}")]
    Range {
        /// Of the option.
        name: &'static str,
        /// As given.
        value: String,
        /// What would do.
        allowed: &'static str,
    },
}

impl Config {
    /// Reads `path`, or takes the defaults where there is none.
    pub fn load(path: Option<&Path>) -> Result<Self, ConfigError> {
        let Some(path) = path else { return Ok(Self::default()) };
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.into(), source })?;
        let config: Self = toml::from_str(&text)
            .map_err(|error| ConfigError::Parse { path: path.into(), reason: one_line(&error.to_string()) })?;
        config.check()?;
        Ok(config)
    }

    /// Every value within its range.
    pub fn check(&self) -> Result<(), ConfigError> {
        fn range<T: PartialOrd + ToString>(
            name: &'static str,
            value: T,
            least: T,
            most: T,
            allowed: &'static str,
        ) -> Result<(), ConfigError> {
            if value >= least && value <= most {
                return Ok(());
            }
            Err(ConfigError::Range { name, value: value.to_string(), allowed })
        }
        range("front.session_timeout_s", self.front.session_timeout_s, 10, 86_400, "10 to 86400 seconds")?;
        range("front.workers", self.front.workers, 0, 256, "0 (one a core) to 256")?;
        range("front.read_ahead_ms", self.front.read_ahead_ms, 200, 60_000, "200 to 60000 milliseconds")?;
        range("front.cache_mib", self.front.cache_mib, 8, 1 << 20, "8 to 1048576 MiB")?;
        range("front.max_packet", self.front.max_packet, 600, 8_972, "600 to 8972 bytes")?;
        range("front.train_packets", self.front.train_packets, 1, 44, "1 to 44 packets")?;
        range("front.quantum_ms", self.front.quantum_ms, 1, 1_000, "1 to 1000 milliseconds")?;
        range("front.max_connections", self.front.max_connections, 1, 1 << 20, "1 to 1048576")?;
        let per_address = self.front.max_connections_per_address;
        range("front.max_connections_per_address", per_address, 1, 1 << 20, "1 to 1048576")?;
        range("nodes.count", self.nodes.count, 1, 255, "1 to 255")?;
        range("nodes.timeout_ms", self.nodes.timeout_ms, 100, 600_000, "100 to 600000 milliseconds")?;
        range("stripes.unit_kib", self.stripes.unit_kib, 4, 4_096, "4 to 4096 KiB")?;
        Ok(())
    }
}

fn one_line(text: &str) -> String {
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('|')).collect::<Vec<_>>().join(" ")
}

macro_rules! default_from_section {
    ($($type:ty => $section:ident),*) => {
        $(impl Default for $type {
            fn default() -> Self {
                Config::default().$section
            }
        })*
    };
}

default_from_section!(FrontConfig => front, NodesConfig => nodes, StripesConfig => stripes, LogConfig => log);

impl Default for Config {
    fn default() -> Self {
        Self {
            data: "mobidic-data".into(),
            front: FrontConfig {
                listen: SocketAddr::from(([0, 0, 0, 0], 8554)),
                session_timeout_s: 60,
                workers: 0,
                read_ahead_ms: 2_000,
                cache_mib: 256,
                max_packet: 1_400,
                train_packets: 16,
                quantum_ms: 40,
                max_connections: 20_000,
                max_connections_per_address: 10_000,
            },
            nodes: NodesConfig { count: 4, timeout_ms: 5_000 },
            stripes: StripesConfig { unit_kib: 256 },
            log: LogConfig { filter: "info".into(), format: LogFormat::Human },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_written_defaults_are_the_defaults() {
        assert_eq!(toml::from_str::<Config>(DEFAULTS).unwrap(), Config::default());
        assert_eq!(toml::from_str::<Config>("").unwrap(), Config::default());
        Config::default().check().unwrap();
    }

    #[test]
    fn what_is_wrong_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c.toml");
        for (text, words) in [
            ("[front]\nlisen = 1", "lisen"),
            ("[front]\nlisten = \"x\"", "listen"),
            ("[stripes]\nunit_kib = 3", "stripes.unit_kib = 3: must be 4 to 4096 KiB"),
            ("data = ", "c.toml"),
        ] {
            std::fs::write(&path, text).unwrap();
            let error = Config::load(Some(&path)).unwrap_err().to_string();
            assert!(error.contains(words), "{text}: {error}");
            assert!(!error.contains('\n'), "{error}");
        }
        assert!(Config::load(Some(Path::new("no such file"))).unwrap_err().to_string().contains("no such file"));
    }
}
