//! Publishers: who may bring a channel, and the sessions in which they do (ANNOUNCE and RECORD, RFC 2326 A.2).
//!
//! | noun | meaning |
//! | --- | --- |
//! | [`Pushable`] | the channels that take a publisher: nothing else can be published to |
//! | [`Publication`] | the session of one publisher |
//! | [`Publications`] | all of a front: one for each channel |

use super::description::Description;
use super::intake::Intake;
use super::rtp::{FeedCounts, RtpTrack};
use crate::channel::Channel;
use crate::feed::receive::{ReportWay, Senders, TrackSockets, tend};
use crate::net::task::Task;
use crate::session::{ConnectionId, SessionId};
use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak},
    time::{Duration, Instant},
};

/// Without its connection and without packets for so long a publisher has gone.
const ORPHAN: Duration = Duration::from_secs(3);

/// The channels that take a publisher. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Pushable {
    channels: Arc<RwLock<BTreeMap<String, Open>>>,
}

/// A channel that takes a publisher, and the one that it has or had last.
#[derive(Debug)]
struct Open {
    channel: Arc<Channel>,
    intake: Weak<Intake>,
}

impl Pushable {
    /// It takes one.
    pub fn insert(&self, channel: Arc<Channel>) {
        self.write().insert(channel.name().to_owned(), Open { channel, intake: Weak::new() });
    }

    /// None any more; another of its name stays.
    pub fn remove(&self, channel: &Arc<Channel>) {
        self.write().retain(|_, open| !Arc::ptr_eq(&open.channel, channel));
    }

    /// The channel of that name, if it takes one.
    pub fn get(&self, name: &str) -> Option<Arc<Channel>> {
        self.read().get(name).map(|open| open.channel.clone())
    }

    /// What the publisher of that channel has brought; `None`: there is none.
    pub fn counts(&self, name: &str) -> Option<FeedCounts> {
        let intake = self.read().get(name)?.intake.upgrade()?;
        Some(intake.counts())
    }

    fn records(&self, name: &str, intake: &Arc<Intake>) {
        if let Some(open) = self.write().get_mut(name) {
            open.intake = Arc::downgrade(intake);
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, BTreeMap<String, Open>> {
        self.channels.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, BTreeMap<String, Open>> {
        self.channels.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where a publisher's session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PublicationState {
    /// Announced.
    Init,
    /// A track is set up, or recording has paused.
    Ready,
    /// What comes is taken in.
    Recording,
}

/// How one track comes in.
#[derive(Debug)]
pub enum Inlet {
    /// To ports of its own, reports go by the way.
    Udp(TrackSockets, ReportWay),
    /// On a connection.
    Interleaved(ConnectionId, ReportWay),
}

/// The session of one publisher.
#[derive(Debug)]
pub struct Publication {
    /// The channel's, as the URL names it.
    pub name: String,
    /// Who it is, where users are told apart.
    pub user: Option<String>,
    /// From where it publishes: datagrams of others are passed over.
    pub address: IpAddr,
    /// What it has announced.
    pub description: Description,
    channel: Arc<Channel>,
    pushable: Pushable,
    /// On which it was announced.
    connection: ConnectionId,
    orphaned: bool,
    inlets: BTreeMap<usize, Inlet>,
    recording: Option<Recording>,
    paused: bool,
    last_sign: Instant,
}

/// What runs while it records.
#[derive(Debug)]
struct Recording {
    intake: Arc<Intake>,
    /// The place of each announced track in the intake.
    places: Vec<usize>,
    _tasks: Vec<Task>,
}

impl Publication {
    /// Announced, by a publisher at `address` on a connection.
    pub fn new(
        (pushable, channel): (&Pushable, Arc<Channel>),
        description: Description,
        user: Option<String>,
        (connection, address): (ConnectionId, IpAddr),
        now: Instant,
    ) -> Self {
        Self {
            name: channel.name().to_owned(),
            user,
            address,
            description,
            channel,
            pushable: pushable.clone(),
            connection,
            orphaned: false,
            inlets: BTreeMap::new(),
            recording: None,
            paused: false,
            last_sign: now,
        }
    }

    /// By RFC 2326 A.2.
    pub fn state(&self) -> PublicationState {
        match &self.recording {
            Some(_) if !self.paused => PublicationState::Recording,
            _ if self.inlets.is_empty() => PublicationState::Init,
            _ => PublicationState::Ready,
        }
    }

    /// The place in the description of what a control URL names, under the URL that was announced.
    pub fn which_track(&self, uri: &str) -> Option<usize> {
        let uri = uri.trim_end_matches('/');
        let named = |control: &str| {
            let control = control.trim_end_matches('/');
            let relative = control.split_once("://").map_or(control, |(_, rest)| rest);
            control == uri
                || uri
                    .strip_suffix(relative)
                    .is_some_and(|before| before.ends_with(['/', '?']) || before.ends_with("://"))
        };
        let controls = || self.description.media.iter().map(|media| media.control.as_deref().unwrap_or_default());
        let found = controls().position(|control| !control.is_empty() && control != "*" && named(control));
        // Its own URL will do where there is but one.
        found.or((self.description.media.len() == 1).then_some(0))
    }

    /// How a track comes in from now on.
    pub fn set_up(&mut self, track: usize, inlet: Inlet) {
        self.inlets.insert(track, inlet);
    }

    /// What comes from now on goes into the channel.
    ///
    /// # Errors
    /// The channel doesn't take it; why is for people.
    pub fn record(&mut self, now: Instant) -> Result<(), String> {
        self.paused = false;
        if let Some(recording) = &self.recording {
            recording.intake.pause(false);
            return Ok(());
        }
        let (mut tracks, mut places) = (Vec::new(), Vec::new());
        for (track, inlet) in &self.inlets {
            let media = self.description.media.get(*track);
            let Some((media, description)) = media.and_then(|media| media.track().map(|track| (media, track))) else {
                continue;
            };
            let ordered = matches!(inlet, Inlet::Interleaved(..));
            tracks.push(RtpTrack { description, payload_type: media.payload_type, latm: media.latm, ordered });
            places.push(*track);
        }
        let intake = Intake::new(self.channel.clone(), tracks, now).map_err(|error| error.to_string())?;
        let (mut tasks, mut ways) = (Vec::new(), Vec::new());
        for (place, inlet) in self.inlets.values().enumerate() {
            ways.push(match inlet {
                Inlet::Udp(sockets, way) => {
                    tasks.extend(sockets.receive(Senders::Only(self.address), &intake, place));
                    way.clone()
                }
                Inlet::Interleaved(_, way) => way.clone(),
            });
        }
        tasks.push(tend(&intake, ways));
        self.pushable.records(&self.name, &intake);
        self.recording = Some(Recording { intake, places, _tasks: tasks });
        Ok(())
    }

    /// It leaves: what it has sent before is still in the sockets where the machine is busy.
    pub fn take_rest(&self) {
        let Some(recording) = &self.recording else { return };
        for (place, inlet) in self.inlets.values().enumerate() {
            if let Inlet::Udp(sockets, _) = inlet {
                sockets.take_rest(Senders::Only(self.address), &recording.intake, place);
            }
        }
    }

    /// What comes from now on is passed over.
    pub fn pause(&mut self) {
        if let Some(recording) = &self.recording {
            recording.intake.pause(true);
        }
        self.paused = true;
    }

    /// Where packets that come on a connection go, and as which track.
    pub fn intake(&self, track: usize) -> Option<(&Arc<Intake>, usize)> {
        let recording = self.recording.as_ref()?;
        let place = recording.places.iter().position(|place| *place == track)?;
        Some((&recording.intake, place))
    }

    /// The publisher has given a sign of life.
    pub fn touch(&mut self, now: Instant) {
        self.last_sign = self.last_sign.max(now);
    }

    /// Why it has ended by itself, if it has.
    fn ended(&self, patience: Duration, now: Instant) -> Option<String> {
        let intake = self.recording.as_ref().map(|recording| &recording.intake);
        if let Some(reason) = intake.and_then(|intake| intake.over()) {
            return Some(reason);
        }
        if intake.is_some_and(|intake| intake.has_left(now)) {
            return Some("the publisher has said goodbye".to_owned());
        }
        let last =
            intake.and_then(|intake| intake.last_packet()).map_or(self.last_sign, |last| last.max(self.last_sign));
        let silent = now.saturating_duration_since(last);
        let carried = self.inlets.values().any(|inlet| matches!(inlet, Inlet::Interleaved(..)));
        let patience = if self.orphaned && !carried { ORPHAN } else { patience };
        (silent >= patience).then(|| "the publisher has gone".to_owned())
    }

    /// Whether another publisher may take its place without being asked.
    fn is_idle(&self) -> bool {
        self.orphaned || self.recording.is_none()
    }

    fn is_carried_by(&self, connection: ConnectionId) -> bool {
        self.inlets.values().any(|inlet| matches!(inlet, Inlet::Interleaved(carrier, _) if *carrier == connection))
    }
}

/// The publishers of a front.
#[derive(Debug, Default)]
pub struct Publications {
    all: HashMap<SessionId, Publication>,
}

impl Publications {
    /// Takes one in, in place of what there was for its channel. There are never more than channels.
    ///
    /// # Errors
    /// Another publishes there; why is for people.
    pub fn announce(&mut self, publication: Publication) -> Result<SessionId, String> {
        let before = self.all.iter().find(|(_, other)| other.name == publication.name).map(|(id, _)| id.clone());
        let before = before.and_then(|id| Some((self.all.get(&id)?.is_idle(), id)));
        match before {
            Some((true, id)) => drop(self.all.remove(&id)),
            _ if !publication.channel.takes_feed() => {
                return Err(format!("channel {} is fed already", publication.name));
            }
            Some((false, id)) => drop(self.all.remove(&id)),
            None => {}
        }
        let id = SessionId::new(format!("{:032x}", rand::random::<u128>()));
        self.all.insert(id.clone(), publication);
        Ok(id)
    }

    /// The session, if it is there.
    pub fn get(&mut self, id: &SessionId) -> Option<&mut Publication> {
        self.all.get_mut(id)
    }

    /// Whether it is there.
    pub fn contains(&self, id: &SessionId) -> bool {
        self.all.contains_key(id)
    }

    /// Forgets it: its channel waits for the next.
    pub fn remove(&mut self, id: &SessionId) -> Option<Publication> {
        self.all.remove(id)
    }

    /// A connection is gone: so are those whose packets it carried; of others it is no longer known whether they live.
    pub fn closed(&mut self, connection: ConnectionId) {
        self.all.retain(|id, publication| {
            publication.orphaned |= publication.connection == connection;
            let gone = publication.is_carried_by(connection);
            if gone {
                tracing::info!(session = %id, channel = publication.name, "publisher ended with its connection");
            }
            !gone
        });
    }

    /// Forgets those that have ended by themselves.
    pub fn sweep(&mut self, patience: Duration, now: Instant) {
        self.all.retain(|id, publication| {
            let ended = publication.ended(patience, now);
            if let Some(reason) = &ended {
                tracing::info!(session = %id, channel = publication.name, reason, "publisher ended");
            }
            ended.is_none()
        });
    }
}
