//! What goes wrong between a front and a node, with the place where.

use crate::{
    id::{NodeId, ObjectId},
    layout::UnitAddress,
    reader::UnitFailure,
};
use std::{fmt, time::Duration};

/// A request to a node that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeError {
    /// What was asked of whom.
    pub place: Box<Place>,
    /// Why it failed.
    pub failure: NodeFailure,
}

/// What was asked of whom.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The node, unless only its address is known.
    pub node: Option<NodeId>,
    /// Its address, empty if the cluster has no such node.
    pub url: String,
    /// The object, if it was about one.
    pub object: Option<ObjectId>,
    /// The unit, if it was about one.
    pub unit: Option<UnitAddress>,
}

/// Why it failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NodeFailure {
    /// The object lies on a node that the cluster doesn't know.
    #[error("the cluster has no such node")]
    Unknown,
    /// No whole answer within the deadline; waiting for a free connection counts.
    #[error("no answer within {} ms", .0.as_millis())]
    Late(Duration),
    /// No connection, or it broke.
    #[error("unreachable: {0}")]
    Unreachable(String),
    /// The node hasn't got it.
    #[error("absent: {0}")]
    Absent(String),
    /// The node found that its disk doesn't hold what was written.
    #[error("damaged on the node's disk: {0}")]
    Damaged(String),
    /// No room on the node's disk.
    #[error("the node's disk is full: {0}")]
    Full(String),
    /// The node has too much to do.
    #[error("the node is busy: {0}")]
    Busy(String),
    /// The node refused for another reason; with the HTTP status.
    #[error("refused with status {0}: {1}")]
    Refused(u16, String),
    /// The bytes that arrived are not those that the node sent.
    #[error("damaged on the way: crc32c {got:08x} of the received bytes, the node named {named:08x}")]
    Checksum {
        /// In the header.
        named: u32,
        /// Computed here.
        got: u32,
    },
    /// Not what a node answers.
    #[error("senseless answer: {0}")]
    Answer(String),
}

impl NodeError {
    /// The node did not answer, or not in time: nothing is said of what it holds.
    pub fn is_silence(&self) -> bool {
        matches!(self.failure, NodeFailure::Late(_) | NodeFailure::Unreachable(_) | NodeFailure::Busy(_))
    }

    /// What a reader makes of it.
    pub fn unit_failure(&self) -> UnitFailure {
        let text = self.to_string();
        match self.failure {
            NodeFailure::Late(_) | NodeFailure::Busy(_) => UnitFailure::Late(text),
            NodeFailure::Absent(_) | NodeFailure::Damaged(_) | NodeFailure::Checksum { .. } => UnitFailure::Lost(text),
            _ => UnitFailure::Unreachable(text),
        }
    }
}

impl fmt::Display for NodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.failure)
    }
}

impl std::error::Error for NodeError {}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("node")?;
        if let Some(node) = self.node {
            write!(f, " {node}")?;
        }
        if !self.url.is_empty() {
            write!(f, " at {}", self.url)?;
        }
        if let Some(object) = self.object {
            write!(f, ", object {object}")?;
        }
        if let Some(unit) = self.unit {
            write!(f, ", unit {unit}")?;
        }
        Ok(())
    }
}
