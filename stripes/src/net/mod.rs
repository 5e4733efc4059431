//! The only sockets of the crate: the node's listener, and the front's client of all nodes with what drives the
//! sans-IO cores over it.

mod client;
mod cluster;
mod error;
mod flights;
mod maintenance;
mod object_writer;
mod part;
mod rows;
mod serve;
mod source;
mod stall;
mod verify;
mod watch;

pub use cluster::{Cluster, ClusterError, ClusterOptions, NodeAddress, identify};
pub use error::{NodeError, NodeFailure, Place};
pub use flights::Flights;
pub use maintenance::{Limit, MoveError, RepairReport};
pub use object_writer::{ObjectWriter, WriteError, Written};
pub use serve::serve_node;
pub use source::{ReadError, SourceStatistics, UnitSource};
pub use verify::{BadUnit, DownNode, VerifyReport};
