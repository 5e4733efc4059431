//! How many viewers a set of nodes carries, and how many nodes a crowd needs: a model, no measurement.
//!
//! Every unit of a film is read once for each viewer (a cache only helps), from all nodes alike, since the placement
//! goes round. So what `n` nodes give together is `n` times what one gives, until the front's network is full:
//!
//! > rate(n) = min(n * node, fronts * front), viewers(n) = floor(rate(n) / stream)
//!
//! **A node** gives what its disk reads and its network takes, whichever is less.
//! - *At best* its disk reads in sequence, as when it reads ahead of a few films: `sequential`, all of it.
//! - *At worst* each unit costs a seek: `random`, of which only the `usable` share counts, because viewers come in
//!   heaps and a disk that is always busy is always late. `random` is the rate of reads of 256 KiB; it says how long
//!   a seek takes, and so what reads of other units come to: `unit / (seek + unit / sequential)`.
//! - The network carries 1,460 bytes of HTTP in each Ethernet frame of 1,538 byte times.
//!
//! **A front** sends RTP packets of 1,400 bytes, which take 1,466 byte times and carry 1,388 bytes of media.
//!
//! **Parity** is not read while all nodes are well, so it costs room (`m / (k + m)` of all) and no rate. With a node
//! down the parity unit of a row is read in the lost one's stead: as many bytes from one node less. So a set with `d`
//! nodes down carries what `n - d` nodes carry, and who promises that much from the start keeps the promise.
//!
//! The classic sizing comes out of it (20 MB/s in sequence, 12 MB/s at random, 85 % usable, 1 Mbit/s a viewer): 160
//! viewers a node at best and 81 at worst; a gigabit front is filled by 6 nodes at best and 12 at worst.

pub mod chart;

use serde::Serialize;

/// Reads of so many bytes are what [`Equipment::random`] is about.
pub const RANDOM_UNIT: u32 = 256 << 10;
/// Share of a node's Ethernet that is units: a TCP segment's 1,460 bytes in 1,538 byte times.
pub const HTTP_SHARE: f64 = 1_460.0 / 1_538.0;
/// Share of a front's Ethernet that is media: 1,400 bytes of RTP with their 12 of header, in UDP, IP and Ethernet.
pub const RTP_SHARE: f64 = 1_388.0 / 1_466.0;
/// Nodes that are thought of at most: a layout's parts are counted in bytes.
pub const MAX_NODES: u32 = 255;

/// What there is to plan with. All nodes are alike, as are the fronts.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Equipment {
    /// A node's disk in sequence, bytes a second.
    pub sequential: f64,
    /// A node's disk in reads of [`RANDOM_UNIT`] at random places, bytes a second.
    pub random: f64,
    /// A node's network, bits a second.
    pub node_network: f64,
    /// A front's network, bits a second.
    pub front_network: f64,
    /// What one viewer watches, bits a second.
    pub stream: f64,
    /// Data units a row at most, `k`.
    pub data: u8,
    /// Parity units a row, `m`.
    pub parity: u8,
    /// Bytes of a unit.
    pub unit: u32,
    /// Share of a disk's random rate that may be promised, 0 to 1.
    pub usable: f64,
}

/// The equipment of the year 2000 that the classic sizing reckons with.
const CLASSIC: Equipment = Equipment {
    sequential: 20e6,
    random: 12e6,
    node_network: 1e9,
    front_network: 1e9,
    stream: 1e6,
    data: 3,
    parity: 1,
    unit: RANDOM_UNIT,
    usable: 0.85,
};

impl Default for Equipment {
    fn default() -> Self {
        CLASSIC
    }
}

/// How the disks are met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Case {
    /// In sequence.
    Best,
    /// A seek a unit.
    Worst,
}

/// What a set of nodes carries.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Carried {
    /// How the disks are met.
    pub case: Case,
    /// Nodes of the set.
    pub nodes: u32,
    /// Of those, how many are down.
    pub down: u32,
    /// Media that all of it gives, bits a second.
    pub rate: f64,
    /// Viewers at once.
    pub viewers: u32,
    /// What there is too little of.
    pub limit: Limit,
}

/// What there is too little of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Limit {
    /// The nodes' disks.
    Disk,
    /// The nodes' networks.
    NodeNetwork,
    /// The fronts' networks.
    FrontNetwork,
    /// So many nodes down that rows can't be read: nothing is carried.
    Parity,
}

/// What a crowd needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Needed {
    /// How the disks are met.
    pub case: Case,
    /// Nodes, all well.
    pub nodes: u32,
    /// Nodes, if the crowd is still to be carried with as many down as parity allows.
    pub nodes_degraded: u32,
    /// Fronts.
    pub fronts: u32,
}

impl Equipment {
    /// The values with which there is something to plan, or which is not one of them.
    pub fn check(&self) -> Result<(), String> {
        let positive = [
            ("the sequential rate", self.sequential),
            ("the random rate", self.random),
            ("a node's network", self.node_network),
            ("a front's network", self.front_network),
            ("the stream's rate", self.stream),
        ];
        if let Some((name, value)) = positive.into_iter().find(|(_, value)| !(value.is_finite() && *value > 0.0)) {
            return Err(format!("{name} is {value}: it must be more than 0"));
        }
        if !(self.usable > 0.0 && self.usable <= 1.0) {
            return Err(format!(
                "the usable share is {} %: it must be more than 0 and at most 100",
                self.usable * 100.0
            ));
        }
        if self.random > self.sequential {
            return Err("the random rate is above the sequential one".to_owned());
        }
        if self.unit == 0 || self.data == 0 {
            return Err("a unit has at least one byte and a row one data unit".to_owned());
        }
        Ok(())
    }

    /// A disk's reads of one unit each at random places, bytes a second.
    pub fn random_rate(&self) -> f64 {
        let seek = f64::from(RANDOM_UNIT) / self.random - f64::from(RANDOM_UNIT) / self.sequential;
        let unit = f64::from(self.unit);
        unit / (seek + unit / self.sequential)
    }

    /// What one node gives, bits of media a second, and whether its disk or its network says so.
    pub fn node_rate(&self, case: Case) -> (f64, Limit) {
        let disk = match case {
            Case::Best => self.sequential * 8.0,
            Case::Worst => self.random_rate() * 8.0 * self.usable,
        };
        let network = self.node_network * HTTP_SHARE;
        if network < disk { (network, Limit::NodeNetwork) } else { (disk, Limit::Disk) }
    }

    /// What one front sends, bits of media a second.
    pub fn front_rate(&self) -> f64 {
        self.front_network * RTP_SHARE
    }

    /// What `nodes` of which `down` are down carry with so many fronts.
    pub fn carried(&self, case: Case, nodes: u32, down: u32, fronts: u32) -> Carried {
        let (node, limit) = self.node_rate(case);
        let parity = u32::from(self.parity).min(nodes.saturating_sub(1));
        let (nodes_rate, front) = (f64::from(nodes - down.min(nodes)) * node, f64::from(fronts) * self.front_rate());
        let (rate, limit) = match () {
            () if down > parity => (0.0, Limit::Parity),
            () if front < nodes_rate => (front, Limit::FrontNetwork),
            () => (nodes_rate, limit),
        };
        // A rate is no whole multiple by rounding alone: 160.0 must not become 159.
        let viewers = (rate / self.stream + 1e-9).floor().min(f64::from(u32::MAX)) as u32;
        Carried { case, nodes, down, rate, viewers, limit }
    }

    /// What `viewers` need.
    pub fn needed(&self, case: Case, viewers: u32) -> Needed {
        let rate = f64::from(viewers) * self.stream;
        let whole = |each: f64| ((rate / each - 1e-9).ceil().clamp(1.0, f64::from(u32::MAX))) as u32;
        let least = u32::from(self.parity) + 1;
        let nodes = whole(self.node_rate(case).0);
        Needed {
            case,
            nodes: nodes.max(least),
            nodes_degraded: nodes.saturating_add(u32::from(self.parity)),
            fronts: whole(self.front_rate()),
        }
    }

    /// How many nodes fill one front.
    pub fn nodes_that_fill_a_front(&self, case: Case) -> u32 {
        (self.front_rate() / self.node_rate(case).0 - 1e-9).ceil().clamp(1.0, f64::from(u32::MAX)) as u32
    }

    /// Share of the disks' room that parity takes on so many nodes.
    pub fn parity_share(&self, nodes: u32) -> f64 {
        let parity = u32::from(self.parity).min(nodes.saturating_sub(1));
        let data = u32::from(self.data).min(nodes - parity.min(nodes)).max(1);
        f64::from(parity) / f64::from(data + parity)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_classic_sizing() {
        assert_eq!(CLASSIC.carried(Case::Best, 1, 0, 1).viewers, 160);
        assert_eq!(CLASSIC.carried(Case::Worst, 1, 0, 1).viewers, 81);
        assert_eq!(CLASSIC.nodes_that_fill_a_front(Case::Best), 6);
        assert_eq!(CLASSIC.nodes_that_fill_a_front(Case::Worst), 12);
        let slow = Equipment { node_network: 100e6, ..CLASSIC };
        assert!(slow.carried(Case::Worst, 4, 0, 1).viewers > 300);
        assert!(slow.carried(Case::Best, 4, 0, 1).viewers > 300);
    }

    #[test]
    fn what_is_carried() {
        let fast = Equipment { sequential: 500e6, random: 400e6, ..CLASSIC };
        let thin = Equipment { node_network: 100e6, ..CLASSIC };
        let double = Equipment { parity: 2, ..CLASSIC };
        let bare = Equipment { parity: 0, ..CLASSIC };
        let heavy = Equipment { stream: 8e6, ..CLASSIC };
        let (best, worst) = (Case::Best, Case::Worst);
        for (equipment, case, nodes, down, fronts, viewers, limit) in [
            (CLASSIC, best, 4, 0, 1, 640, Limit::Disk),
            (CLASSIC, worst, 4, 0, 1, 326, Limit::Disk),
            (CLASSIC, worst, 4, 1, 1, 244, Limit::Disk),
            (CLASSIC, worst, 4, 2, 1, 0, Limit::Parity),
            (CLASSIC, best, 6, 0, 1, 946, Limit::FrontNetwork),
            (CLASSIC, best, 6, 0, 2, 960, Limit::Disk),
            (double, worst, 5, 2, 1, 244, Limit::Disk),
            (double, worst, 5, 3, 1, 0, Limit::Parity),
            (bare, worst, 5, 1, 1, 0, Limit::Parity),
            (thin, best, 1, 0, 1, 94, Limit::NodeNetwork),
            (fast, worst, 1, 0, 1, 946, Limit::FrontNetwork),
            (heavy, best, 1, 0, 1, 20, Limit::Disk),
            (CLASSIC, best, 0, 0, 1, 0, Limit::Disk),
            (CLASSIC, best, 1, 1, 1, 0, Limit::Parity),
        ] {
            let carried = equipment.carried(case, nodes, down, fronts);
            let context = format!("{case:?}, {nodes} nodes, {down} down, {fronts} fronts of {equipment:?}");
            assert_eq!((carried.viewers, carried.limit), (viewers, limit), "{context}");
        }
    }

    #[test]
    fn what_a_crowd_needs() {
        for (case, viewers, nodes, nodes_degraded, fronts) in [
            (Case::Best, 160, 2, 2, 1),
            (Case::Best, 161, 2, 3, 1),
            (Case::Worst, 300, 4, 5, 1),
            (Case::Worst, 1_000, 13, 14, 2),
            (Case::Best, 10_000, 63, 64, 11),
            (Case::Best, 0, 2, 2, 1),
        ] {
            let needed = CLASSIC.needed(case, viewers);
            assert_eq!(needed, Needed { case, nodes, nodes_degraded, fronts }, "{viewers} viewers");
            let carried = CLASSIC.carried(case, needed.nodes, 0, needed.fronts);
            assert!(carried.viewers >= viewers, "{carried:?}");
            let degraded = CLASSIC.carried(case, needed.nodes_degraded, 1, needed.fronts);
            assert!(degraded.viewers >= viewers, "{degraded:?}");
        }
    }

    #[test]
    fn larger_units_seek_less() {
        for (unit, rate_mb) in [(64 << 10, 5.45), (256 << 10, 12.0), (1 << 20, 17.14), (4 << 20, 19.2)] {
            let rate = Equipment { unit, ..CLASSIC }.random_rate() / 1e6;
            assert!((rate - rate_mb).abs() < 0.01, "{unit}: {rate}");
        }
    }

    #[test]
    fn parity_costs_room() {
        for (nodes, parity, share) in
            [(4, 1, 0.25), (12, 1, 0.25), (3, 1, 1.0 / 3.0), (1, 1, 0.0), (5, 2, 0.4), (4, 0, 0.0)]
        {
            let found = Equipment { parity, ..CLASSIC }.parity_share(nodes);
            assert!((found - share).abs() < 1e-9, "{nodes} nodes, parity {parity}: {found}");
        }
    }

    #[test]
    fn what_can_not_be_planned_is_said() {
        for (wrong, words) in [
            (Equipment { stream: 0.0, ..CLASSIC }, "the stream's rate"),
            (Equipment { random: f64::NAN, ..CLASSIC }, "the random rate"),
            (Equipment { random: 21e6, ..CLASSIC }, "above the sequential"),
            (Equipment { usable: 1.2, ..CLASSIC }, "120 %"),
            (Equipment { unit: 0, ..CLASSIC }, "at least one byte"),
        ] {
            let error = wrong.check().unwrap_err();
            assert!(error.contains(words), "{error}");
        }
        assert_eq!(CLASSIC.check(), Ok(()));
    }
}
