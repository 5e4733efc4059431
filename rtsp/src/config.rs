//! The configuration: one TOML file, the same for every command.
//!
//! [`DEFAULTS`] is that file with every option, its unit and its default; `mobidic config` prints it. What is
//! not written keeps its default, an unknown name is an error, and a command's own flags come before the file.

mod access;
mod channel;
mod groups;

pub use access::{AuthConfig, TlsConfig};
pub use channel::{ChannelConfig, ChannelError, MulticastConfig};
pub use groups::GroupsConfig;

use rtp::breaker::Breakers;
use serde::Deserialize;
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
};
use stripes::layout::Policy;

/// Every option with its default, as a configuration file.
pub const DEFAULTS: &str = include_str!("config/defaults.toml");

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
    /// Who may watch.
    pub auth: AuthConfig,
    /// TLS.
    pub tls: TlsConfig,
    /// Presentations that are elsewhere: name to URL.
    pub redirects: BTreeMap<String, String>,
    /// Live presentations.
    pub channel: Vec<ChannelConfig>,
    /// Groups for channels.
    pub multicast: GroupsConfig,
    /// Logging.
    pub log: LogConfig,
}

/// Which circuit breakers are in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CircuitBreaker {
    /// None.
    Off,
    /// By what receivers report.
    Reported,
    /// By what they don't report, too.
    All,
}

impl From<CircuitBreaker> for Breakers {
    fn from(named: CircuitBreaker) -> Self {
        match named {
            CircuitBreaker::Off => Self::Off,
            CircuitBreaker::Reported => Self::Reported,
            CircuitBreaker::All => Self::All,
        }
    }
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
    /// MiB, for each sending thread.
    pub read_ahead_mib: u64,
    /// MiB.
    pub cache_mib: usize,
    /// Bytes with RTP header.
    pub max_packet: usize,
    /// Packets.
    pub train_packets: usize,
    /// Milliseconds.
    pub train_gap_ms: u64,
    /// Microseconds.
    pub live_gap_us: u64,
    /// Milliseconds.
    pub quantum_ms: u64,
    /// Milliseconds.
    pub bundle_ms: u64,
    /// Of shorter packets, by RTP.
    pub padding: bool,
    /// KiB, for each connection.
    pub tcp_queue_kib: usize,
    /// Seconds.
    pub tcp_stuck_s: u64,
    /// TCP connections.
    pub max_connections: usize,
    /// TCP connections.
    pub max_connections_per_address: usize,
    /// Mbit/s, 0 for no bound.
    pub network_mbit_s: u64,
    /// For UDP.
    pub circuit_breaker: CircuitBreaker,
}

/// `[nodes]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NodesConfig {
    /// Node processes that `serve` starts.
    pub count: usize,
    /// Milliseconds.
    pub timeout_ms: u64,
    /// MB/s, 0 for no bound.
    pub read_limit_mb_s: u64,
    /// Percent.
    pub usable_percent: u64,
    /// Days in which everything on the nodes is read and verified once in the background; 0: never.
    pub verify_days: u64,
}

/// `[stripes]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StripesConfig {
    /// KiB.
    pub unit_kib: u32,
    /// Data units a row at most.
    pub data: u8,
    /// Parity units a row.
    pub parity: u8,
}

impl StripesConfig {
    /// How a new object on so many nodes is cut. A row lies on different nodes, so few nodes have short rows; of two
    /// nodes one holds the other's parity, and one alone has none.
    pub fn policy(&self, nodes: usize) -> Policy {
        let nodes = u8::try_from(nodes).unwrap_or(u8::MAX).max(1);
        let parity = self.parity.min(nodes - 1);
        Policy { unit_size: self.unit_kib << 10, data: self.data.min(nodes - parity).max(1), parity }
    }
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
    /// A channel that can't be.
    #[error(transparent)]
    Channel(#[from] ChannelError),
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
        range("front.read_ahead_mib", self.front.read_ahead_mib, 8, 1 << 20, "8 to 1048576 MiB")?;
        range("front.cache_mib", self.front.cache_mib, 8, 1 << 20, "8 to 1048576 MiB")?;
        range("front.max_packet", self.front.max_packet, 600, 8_972, "600 to 8972 bytes")?;
        range("front.train_packets", self.front.train_packets, 1, 44, "1 to 44 packets")?;
        range("front.quantum_ms", self.front.quantum_ms, 1, 1_000, "1 to 1000 milliseconds")?;
        range("front.train_gap_ms", self.front.train_gap_ms, 0, 1_000, "0 to 1000 milliseconds")?;
        range("front.live_gap_us", self.front.live_gap_us, 0, 1_000_000, "0 to 1000000 microseconds")?;
        range("front.bundle_ms", self.front.bundle_ms, 0, 200, "0 to 200 milliseconds")?;
        range("front.tcp_queue_kib", self.front.tcp_queue_kib, 64, 1 << 16, "64 to 65536 KiB")?;
        range("front.tcp_stuck_s", self.front.tcp_stuck_s, 1, 3_600, "1 to 3600 seconds")?;
        range("front.max_connections", self.front.max_connections, 1, 1 << 20, "1 to 1048576")?;
        let per_address = self.front.max_connections_per_address;
        range("front.max_connections_per_address", per_address, 1, 1 << 20, "1 to 1048576")?;
        range("nodes.count", self.nodes.count, 1, 255, "1 to 255")?;
        range("nodes.timeout_ms", self.nodes.timeout_ms, 100, 600_000, "100 to 600000 milliseconds")?;
        range("front.network_mbit_s", self.front.network_mbit_s, 0, 1 << 30, "0 (no bound) to 1073741824 Mbit/s")?;
        range("nodes.read_limit_mb_s", self.nodes.read_limit_mb_s, 0, 1 << 20, "0 (no bound) to 1048576 MB/s")?;
        range("nodes.usable_percent", self.nodes.usable_percent, 1, 100, "1 to 100 percent")?;
        range("nodes.verify_days", self.nodes.verify_days, 0, 3_650, "0 (never) to 3650 days")?;
        range("stripes.data", self.stripes.data, 1, 128, "1 to 128 units")?;
        range("stripes.parity", self.stripes.parity, 0, 2, "0 to 2 units")?;
        range("auth.nonce_s", self.auth.nonce_s, 10, 86_400, "10 to 86400 seconds")?;
        range("auth.attempts_a_minute", self.auth.attempts_a_minute, 1, 1_000_000, "1 to 1000000")?;
        range("stripes.unit_kib", self.stripes.unit_kib, 4, 4_096, "4 to 4096 KiB")?;
        self.multicast.options(Default::default())?;
        channel::check(&self.channel)?;
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
                read_ahead_mib: 512,
                cache_mib: 256,
                max_packet: 1_400,
                train_packets: 16,
                train_gap_ms: 6,
                live_gap_us: 500,
                quantum_ms: 40,
                bundle_ms: 100,
                padding: true,
                tcp_queue_kib: 512,
                tcp_stuck_s: 30,
                max_connections: 20_000,
                max_connections_per_address: 12_000,
                network_mbit_s: 0,
                circuit_breaker: CircuitBreaker::Reported,
            },
            nodes: NodesConfig { count: 4, timeout_ms: 5_000, read_limit_mb_s: 0, usable_percent: 85, verify_days: 30 },
            auth: AuthConfig::default(),
            tls: TlsConfig::default(),
            redirects: BTreeMap::new(),
            channel: Vec::new(),
            multicast: GroupsConfig::default(),
            stripes: StripesConfig { unit_kib: 256, data: 3, parity: 1 },
            log: LogConfig { filter: "info".into(), format: LogFormat::Human },
        }
    }
}

#[cfg(test)]
mod tests;
