//! The RTSP front: what speaks with players (RFC 2326) and sends them what they ask for.
//!
//! | noun | what it is |
//! | --- | --- |
//! | [`message::Framer`] | cuts a connection's bytes into requests and `$` frames, by named limits |
//! | [`message::Request`], [`message::Reply`] | what is asked, what is answered |
//! | [`headers`] | one header field a file: parse and `Display` are each other's inverse |
//! | [`target::Target`] | what a request's URI names |
//! | [`sdp`] | the description that answers DESCRIBE |
//! | [`session::Session`], [`session::SessionTable`] | what SETUP made, tied to no connection; its states by A.2 |
//! | [`auth::Auth`] | who may watch: Digest and Basic, attempts counted |
//! | [`server::Server`] | a request to its answer, or to what must be asked for first: no sockets, no clock |
//! | [`server::Presentations`], [`server::Media`] | who is asked: for a film by its name, for playing it |
//! | [`front::Front`] | the RTSP port: accepts, and runs a task for each connection |
//! | [`net::outbox::Outbox`] | one connection's way out, shared by its answers and the packets that it carries |
//! | [`worker::Workers`] | the threads that send, each with its viewers and one pair of UDP ports |
//! | [`playback`] | one viewer's film on its way: samples to packets, each when it is due |
//! | [`channel::Channel`] | a live presentation: what a feed brings, packetized once for all who watch |
//! | [`multicast`] | channels sent to groups: leases, sender, announcements |
//! | [`shift::Shift`] | keeps channels on the stripes, so that viewers can go back in them |
//! | [`feed::Feeds`] | what feeds the channels, each by a task of its own |
//! | [`films::Films`] | presentations as the catalog names them, while enough of their nodes are there |
//! | [`watch::ClusterWatch`] | what a front knows of its cluster: the catalog's intent and its own observation |
//! | [`admission::Admission`] | what is promised to those who play, and how much more can be: else 453 |
//! | [`plan::Equipment`] | the model of how many viewers how many nodes carry |
//! | [`config::Config`] | one TOML file, every option with its unit and default |
//!
//! A request passes from [`front`] through [`message`] to [`server`], which may ask for a film or a
//! worker; packets pass from [`worker`] straight to the sockets, and never through here.

pub mod admission;
pub mod auth;
pub mod channel;
pub mod config;
pub mod feed;
pub mod films;
pub mod front;
pub mod headers;
pub mod message;
pub mod multicast;
pub mod net;
pub mod plan;
pub mod playback;
pub mod sdp;
pub mod server;
pub mod session;
pub mod shift;
pub mod target;
pub mod watch;
pub mod worker;
