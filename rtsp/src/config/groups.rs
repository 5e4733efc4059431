//! `[multicast]`: groups, and how they are announced.

use super::ConfigError;
use crate::multicast::{AnnouncerOptions, GroupRange, Ranges, SendOptions, net::CasterOptions};
use serde::Deserialize;
use std::time::Duration;

/// `[multicast]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GroupsConfig {
    /// Prefixes, in the order of preference.
    pub groups: Vec<String>,
    /// RTP ports: from there...
    pub first_port: u16,
    /// ... to there.
    pub last_port: u16,
    /// By name or address; `None`: as the system routes.
    pub interface: Option<String>,
    /// By SAP.
    pub announce: bool,
    /// Seconds.
    pub announce_s: u64,
    /// Bits per second.
    pub announce_bit_s: u32,
}

impl Default for GroupsConfig {
    fn default() -> Self {
        Self {
            groups: vec!["239.255.0.0/16".into()],
            first_port: 20_000,
            last_port: 29_999,
            interface: None,
            announce: true,
            announce_s: 300,
            announce_bit_s: 4_000,
        }
    }
}

impl GroupsConfig {
    /// The same as groups are sent by; `send` is as films are.
    ///
    /// # Errors
    /// A range that is none.
    pub fn options(&self, send: SendOptions) -> Result<CasterOptions, ConfigError> {
        let parse = |text: &String| {
            text.parse::<GroupRange>().map_err(|_| ConfigError::Range {
                name: "multicast.groups",
                value: text.clone(),
                allowed: "prefixes of multicast addresses, as 239.255.0.0/16 or ff15::/16",
            })
        };
        let groups = self.groups.iter().map(parse).collect::<Result<_, _>>()?;
        if self.first_port == 0 || self.last_port.saturating_sub(self.first_port) < 15 {
            return Err(ConfigError::Range {
                name: "multicast.last_port",
                value: self.last_port.to_string(),
                allowed: "at least 15 above multicast.first_port, which is not 0",
            });
        }
        if !(1..=86_400).contains(&self.announce_s) || self.announce_bit_s == 0 {
            return Err(ConfigError::Range {
                name: "multicast.announce_s",
                value: self.announce_s.to_string(),
                allowed: "1 to 86400 seconds, and multicast.announce_bit_s at least 1",
            });
        }
        let announce =
            AnnouncerOptions { limit_bps: self.announce_bit_s, least_interval: Duration::from_secs(self.announce_s) };
        Ok(CasterOptions {
            ranges: Ranges { groups, ports: self.first_port..=self.last_port },
            interface: self.interface.clone(),
            send,
            announce: self.announce.then_some(announce),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_groups_and_ports_are_checked() {
        let options = |config: &GroupsConfig| config.options(SendOptions::default());
        let usual = GroupsConfig::default();
        let ranges = options(&usual).unwrap().ranges;
        assert_eq!(ranges, Ranges::default());
        let cases = [
            (GroupsConfig { groups: vec!["10.0.0.0/8".into()], ..usual.clone() }, "multicast.groups = 10.0.0.0/8"),
            (GroupsConfig { first_port: 0, ..usual.clone() }, "multicast.last_port"),
            (GroupsConfig { announce_s: 0, ..usual.clone() }, "multicast.announce_s = 0"),
            (GroupsConfig { last_port: 20_014, ..usual.clone() }, "multicast.last_port = 20014"),
        ];
        for (config, words) in cases {
            let error = options(&config).unwrap_err().to_string();
            assert!(error.starts_with(words), "{error}");
        }
        assert!(options(&GroupsConfig { announce: false, ..usual }).unwrap().announce.is_none());
    }
}
