//! The task of one channel's group: leases it, starts and ends what is sent, has it announced.

use super::{
    caster::{Group, Place, Shared},
    socket::{GroupSocket, WayOut},
    thread::GroupTap,
};
use crate::{
    channel::{Channel, Live, NotStreamed, TapId, Want, Watching},
    multicast::{GroupAddress, GroupSender, PAIRS, is_source_specific, is_usable},
};
use catalog::{
    channel::MulticastSettings,
    db::{CatalogError, GroupLease},
};
use std::{
    collections::HashSet,
    io,
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use tokio::sync::watch;

/// A group stays a channel's for so many seconds after the front was last heard of.
const LEASE_S: i64 = 90;

/// How often it says that it lives.
const RENEW: Duration = Duration::from_secs(20);

/// Between tries where there is no group to be had.
const RETRY: Duration = Duration::from_secs(5);

/// How often channels are looked at for what nobody tells.
const LOOK: Duration = Duration::from_secs(1);

/// Leases that are tried; the candidates before were free a moment ago.
const TRIES: usize = 32;

/// Why a channel has no group.
#[derive(Debug, thiserror::Error)]
enum NoGroup {
    #[error("{address}:{port} is another's: channel {channel} of front {front} has it", address = .0.address, port = .0.port, channel = .0.channel, front = .0.front)]
    Taken(GroupLease),
    #[error("{0} is no multicast group that can be used")]
    Unusable(IpAddr),
    #[error("no group is free in the configured ranges")]
    Full,
    #[error(transparent)]
    Way(#[from] io::Error),
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}

/// A group that is ours.
struct Leased {
    lease: GroupLease,
    alone: bool,
    way: WayOut,
    until: Instant,
}

/// Runs until `stop` says so or is dropped.
pub(super) async fn run(
    shared: Arc<Shared>,
    name: String,
    settings: MulticastSettings,
    place: Arc<Place>,
    mut stop: watch::Receiver<bool>,
) {
    loop {
        let leased = match lease(&shared, &name, &settings).await {
            Ok(leased) => leased,
            Err(error) => {
                tracing::error!(channel = name, %error, "no multicast group");
                tokio::select! {
                    () = stopped(&mut stop) => return,
                    () = tokio::time::sleep(RETRY) => continue,
                }
            }
        };
        let GroupLease { address, port, .. } = leased.lease;
        let source_specific = settings.source.is_some() || is_source_specific(address);
        let address =
            GroupAddress { group: address, port, ttl: settings.ttl, source: leased.way.source, source_specific };
        tracing::info!(channel = name, group = %address.group, port, ttl = settings.ttl, "multicast group");
        let group = Group::new(address, settings.always);
        place.set(Some(group.clone()));
        let lost = cast(&shared, &name, &settings, leased, group, &mut stop).await;
        place.set(None);
        if !lost {
            if let Err(error) = shared.catalog.end_group_lease(&name, &shared.front).await {
                tracing::debug!(channel = name, %error, "its lease runs out by itself");
            }
            return;
        }
        tracing::error!(channel = name, group = %address.group, "the group is another's now; taking another one");
    }
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// What is sent now.
struct Sending {
    /// The channel's description.
    live: Arc<Live>,
    /// The form in which it is sent.
    form: Watching,
    tap: Arc<GroupTap>,
    id: TapId,
}

impl Sending {
    fn end(self) {
        self.form.channel.leave(self.id);
        self.tap.end();
    }
}

/// Sends while the group is ours; false: it is to stop, true: it was lost.
async fn cast(
    shared: &Shared,
    name: &str,
    settings: &MulticastSettings,
    mut leased: Leased,
    group: Group,
    stop: &mut watch::Receiver<bool>,
) -> bool {
    let mut holders = group.watch_holders();
    let mut renew = tokio::time::interval_at((Instant::now() + RENEW).into(), RENEW);
    let (mut sending, mut want): (Option<Sending>, Option<Want>) = (None, None);
    let mut complaint = String::new();
    let lost = loop {
        let channel = shared.channels.get(name);
        let mut described = channel.as_ref().map(|channel| channel.described());
        // What is there counts from here on; a change wakes us.
        let live = described.as_mut().and_then(|described| described.borrow_and_update().clone());
        want = match (&channel, group.is_wanted()) {
            (Some(channel), true) => want.filter(|want| want.is_of(channel)).or_else(|| Some(channel.want())),
            _ => None,
        };
        let wanted = live.filter(|_| group.is_wanted());
        let same = |sending: &Sending| {
            !sending.tap.is_over() && wanted.as_ref().is_some_and(|live| Arc::ptr_eq(live, &sending.live))
        };
        if sending.as_ref().is_some_and(|sending| !same(sending)) {
            sending.take().into_iter().for_each(Sending::end);
            group.set_sent(None);
            if let Some(announcing) = &shared.announcing {
                announcing.withdraw(name).await;
            }
        }
        if let (None, Some(live), Some(channel)) = (&sending, wanted, channel) {
            match start(shared, settings, &group, &leased.way, channel, live) {
                Ok(started) => sending = started,
                // It is tried every second.
                Err(error) if error.to_string() != complaint => {
                    complaint = error.to_string();
                    tracing::error!(channel = name, complaint, "the group can't be sent to");
                }
                Err(_) => {}
            }
            if let (Some(sending), Some(announcing)) =
                (&sending, shared.announcing.as_ref().filter(|_| settings.always))
            {
                let description = group.address().describe(&sending.form.live);
                announcing.announce(name, group.address().group, leased.way, description).await;
            }
        }
        let changed = async {
            match &mut described {
                Some(described) => drop(described.changed().await),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = stopped(stop) => break false,
            () = changed => {}
            _ = holders.changed() => {}
            () = tokio::time::sleep(LOOK) => {}
            _ = renew.tick() => match renewed(shared, &mut leased).await {
                true => {}
                false => break true,
            },
        }
    };
    sending.into_iter().for_each(Sending::end);
    group.set_sent(None);
    if let Some(announcing) = &shared.announcing {
        announcing.withdraw(name).await;
    }
    lost
}

/// Begins to send; `None`: the description has changed meanwhile.
fn start(
    shared: &Shared,
    settings: &MulticastSettings,
    group: &Group,
    way: &WayOut,
    channel: Arc<Channel>,
    live: Arc<Live>,
) -> io::Result<Option<Sending>> {
    let form = match settings.mp2t {
        false => Watching::new(channel, live.clone()),
        true => match channel.as_transport_stream(&live) {
            Ok(form) => form,
            Err(NotStreamed::Over) => return Ok(None),
            Err(error) => return Err(io::Error::other(error)),
        },
    };
    let tracks = form.live.index.tracks.len();
    if tracks > usize::from(PAIRS) {
        tracing::warn!(
            channel = form.channel.name(),
            tracks,
            "a group has ports for {PAIRS} tracks: the others are left out"
        );
    }
    let socket = GroupSocket::open(*group.address(), way, tracks)?;
    let cname = rtp::cname::cname(rand::random());
    let sender = GroupSender::new(form.live.clone(), shared.options.send, cname, rand::random(), Instant::now());
    let behind = || io::Error::new(io::ErrorKind::WouldBlock, "the sending thread is far behind");
    let tap = shared.thread.group(sender, socket, group.statistics().clone()).ok_or_else(behind)?;
    let Some(joined) = form.channel.join(&form.live, tap.clone()) else {
        tap.end();
        return Ok(None);
    };
    group.set_sent(Some(form.live.clone()));
    Ok(Some(Sending { live, form, tap, id: joined.tap }))
}

/// Whether the group is still ours.
async fn renewed(shared: &Shared, leased: &mut Leased) -> bool {
    match shared.catalog.lease_group(&leased.lease, leased.alone, LEASE_S).await {
        Ok(Ok(())) => {
            leased.until = Instant::now() + Duration::from_secs(LEASE_S.unsigned_abs());
            true
        }
        Ok(Err(_)) => false,
        Err(error) => {
            tracing::warn!(channel = leased.lease.channel, %error, "a group's lease could not be renewed");
            // Nobody else can have it before that.
            Instant::now() + RENEW < leased.until
        }
    }
}

/// Leases the group that is wanted, or the first free one.
async fn lease(shared: &Shared, name: &str, settings: &MulticastSettings) -> Result<Leased, NoGroup> {
    let ranges = &shared.options.ranges;
    let interface = settings.interface.as_deref().or(shared.options.interface.as_deref());
    let find = |group| WayOut::find(group, interface, settings.source);
    let of = |address, port| {
        let (channel, front) = (name.to_owned(), shared.front.clone());
        GroupLease { channel, front, address, port, pairs: PAIRS, until: 0 }
    };
    let all = shared.catalog.group_leases().await?;
    let own = all.iter().find(|lease| lease.channel == name && lease.front == shared.front);
    let mut candidates: Vec<(GroupLease, bool)> = Vec::new();
    if let Some(group) = settings.group {
        if !is_usable(group) {
            return Err(NoGroup::Unusable(group));
        }
        let own = own.filter(|own| own.address == group).map(|own| own.port);
        let ports = settings.port.into_iter().chain(own).chain(ranges.ports_of(&shared.front, name));
        let most = if settings.port.is_some() { 1 } else { TRIES };
        candidates.extend(ports.take(most).map(|port| (of(group, port), false)));
    } else {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64);
        let others = all.iter().filter(|lease| lease.until > now && own != Some(lease));
        let taken: HashSet<IpAddr> = others.map(|lease| lease.address).collect();
        // Whoever names the source wants a group of those, where there are any.
        let specific = settings.source.is_some() && ranges.has_source_specific();
        let fits = |group: IpAddr| {
            !taken.contains(&group)
                && (!specific || is_source_specific(group))
                && settings.source.is_none_or(|source| source.is_ipv4() == group.is_ipv4())
        };
        let own = own.filter(|own| ranges.contains(own.address)).map(|own| (own.address, own.port));
        let free = own.into_iter().chain(ranges.candidates(&shared.front, name)).filter(|(group, _)| fits(*group));
        candidates.extend(free.take(TRIES).map(|(group, port)| (of(group, settings.port.unwrap_or(port)), true)));
    }
    let mut last = NoGroup::Full;
    for (lease, alone) in candidates {
        let way = match find(lease.address) {
            Ok(way) => way,
            Err(error) => {
                last = error.into();
                continue;
            }
        };
        match shared.catalog.lease_group(&lease, alone, LEASE_S).await? {
            Ok(()) => {
                let until = Instant::now() + Duration::from_secs(LEASE_S.unsigned_abs());
                return Ok(Leased { lease, alone, way, until });
            }
            Err(other) => last = NoGroup::Taken(other),
        }
    }
    Err(last)
}
