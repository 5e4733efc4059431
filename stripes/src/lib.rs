//! Objects striped over storage nodes. An object is bytes and a length; nothing here knows what they mean.
//!
//! Names and places, plain data:
//! - [`id::ObjectId`], [`id::NodeId`]: which object, which node.
//! - [`layout::Policy`]: unit size, data and parity units per row. [`layout::Layout`]: an object's shape and its
//!   stripe set; says which unit holds a byte and which node holds a unit. [`layout::UnitAddress`]: row and position.
//! - [`manifest::Manifest`]: a sealed object's layout and its writer's tag, kept by every node of the set.
//! - [`rebalance::plan`]: the layout for other nodes. [`rebalance::Move`]: a unit whose place changes.
//! - [`parity`]: a row's parity, summed up by [`parity::Sums`], and what was lost of it. [`sum`]: the checksum.
//! - [`wire`]: what nodes and clients say beyond HTTP: [`wire::Health`], [`wire::NodeStatistics`],
//!   [`wire::ObjectListing`], [`wire::ObjectPage`], [`wire::ObjectSummary`], [`wire::Refusal`].
//!
//! Sans-IO cores (`handle_*` takes in, `poll_*` gives out, `now` is an argument):
//! - [`writer::Writer`]: bytes of a growing object in, [`writer::UnitPut`]s out, replies counted.
//! - [`reader::Reader`]: byte ranges wanted in, [`reader::UnitRequest`]s out, units in, bytes in order out.
//! - [`scattered::Scattered`]: the same for ranges that lie far apart: asks for [`scattered::Piece`]s of units.
//! - [`maintenance::Mover`]: the units of an object on their way to a new layout.
//! - [`rate::Pace`]: when bytes may go so that no more than a set number go in a second. [`rate::Yielding`]: how many
//!   maintenance may take beside viewers.
//!
//! A node:
//! - [`store::UnitStore`]: what keeps its units, each with its checksum: [`store::Store`] on its disk,
//!   [`store::S3Store`] in a bucket. [`store::StoreError`]: what goes wrong there.
//! - [`node::Node`], [`node::router`]: the store behind HTTP/1.1. [`node::NodeLimits`]: what strangers can ask.
//!
//! Sockets ([`net`], the only ones):
//! - [`net::serve_node`]: the node's listener.
//! - [`net::Cluster`]: all nodes as a front sees them. [`net::NodeError`]: which node, object, unit, and why not.
//! - [`net::ObjectWriter`]: the `Writer` over a `Cluster`. [`net::UnitSource`]: the shared cache of units over it.
//! - [`net::VerifyReport`]: what reading every unit back came to. [`net::RepairReport`]: the same of a scrub or repair.
//! - [`net::Limit`]: how fast maintenance may be. [`net::Flights`]: work that several wait for, done once.
//!
//! Invariants: a unit that was acknowledged survives its node's process; an object that was sealed survives what
//! its disks survive; what a crash cut off reads as absent, what a disk changed as damaged, never as good.
//! Of any row `m` units can be lost or late and every byte still reads. While an object moves its old layout reads,
//! until whoever keeps the catalog says otherwise.

pub mod id;
pub mod layout;
pub mod maintenance;
pub mod manifest;
pub mod membership;
pub mod net;
pub mod node;
pub mod parity;
pub mod rate;
pub mod reader;
pub mod rebalance;
pub mod row;
pub mod scattered;
pub mod store;
pub mod sum;
pub mod wire;
pub mod writer;
