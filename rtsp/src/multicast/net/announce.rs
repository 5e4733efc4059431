//! The task that announces a front's groups, and listens to what others announce.

use super::socket::WayOut;
use crate::multicast::{Announcer, AnnouncerOptions, Outgoing, sap};
use socket2::{Domain, Protocol, Socket, Type};
use std::{
    collections::{BTreeMap, HashMap},
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Instant,
};
use tokio::{
    net::UdpSocket,
    sync::mpsc::{Receiver, Sender, channel},
    task::JoinSet,
};

/// Routers that announcements may pass: the scope bounds them, not the TTL (RFC 2974 section 3).
const TTL: u8 = 255;

/// Things that wait for the task; what is heard beyond it is not counted.
const QUEUE: usize = 256;

enum Said {
    Announce { key: String, group: IpAddr, way: WayOut, sdp: String },
    Withdraw { key: String },
    Heard { on: IpAddr, bytes: Vec<u8> },
    End,
}

/// The task, as others see it.
#[derive(Clone, Debug)]
pub(super) struct Announcing(Sender<Said>);

impl Announcing {
    /// Starts it within the runtime.
    pub(super) fn start(options: AnnouncerOptions) -> (Self, tokio::task::JoinHandle<()>) {
        let (to, from) = channel(QUEUE);
        let task = tokio::spawn(run(options, from));
        (Self(to), task)
    }

    /// Announces `sdp`, of a group that leaves by `way`.
    pub(super) async fn announce(&self, key: &str, group: IpAddr, way: WayOut, sdp: String) {
        let _ = self.0.send(Said::Announce { key: key.to_owned(), group, way, sdp }).await;
    }

    /// Deletes all that was announced, and ends the task.
    pub(super) async fn end(&self) {
        let _ = self.0.send(Said::End).await;
    }

    /// It is over.
    pub(super) async fn withdraw(&self, key: &str) {
        let _ = self.0.send(Said::Withdraw { key: key.to_owned() }).await;
    }
}

async fn run(options: AnnouncerOptions, mut from: Receiver<Said>) {
    let mut announcer = Announcer::new(options, rand::random());
    let mut sockets = Sockets::default();
    let mut ways: BTreeMap<String, WayOut> = BTreeMap::new();
    let (heard, mut hear) = channel(QUEUE);
    loop {
        let now = Instant::now();
        while let Some(outgoing) = announcer.poll(now) {
            if let Some(way) = ways.get(&outgoing.key) {
                sockets.send(way, &outgoing).await;
            }
        }
        ways.retain(|key, _| announcer.announces(key));
        let next = announcer.next(now);
        let due = async {
            match next {
                Some(next) => tokio::time::sleep_until(next.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            said = from.recv() => match said {
                None | Some(Said::End) => break,
                Some(said) => {
                    if let Said::Announce { key, group, way, .. } = &said {
                        ways.insert(key.clone(), *way);
                        sockets.listen(way, sap::group_of(*group), &heard);
                    }
                    take(&mut announcer, said);
                }
            },
            Some(said) = hear.recv() => take(&mut announcer, said),
            () = due => {}
        }
    }
    for key in ways.keys() {
        announcer.withdraw(key);
    }
    while let Some(outgoing) = announcer.poll(Instant::now()) {
        if let Some(way) = ways.get(&outgoing.key) {
            sockets.send(way, &outgoing).await;
        }
    }
}

fn take(announcer: &mut Announcer, said: Said) {
    match said {
        Said::Announce { key, group, way, sdp } => {
            if sdp.len() > sap::RECOMMENDED {
                tracing::debug!(channel = key, bytes = sdp.len(), "an announcement that networks may cut");
            }
            announcer.announce(&key, sap::group_of(group), way.source, &sdp);
        }
        Said::Withdraw { key } => announcer.withdraw(&key),
        Said::Heard { on, bytes } => drop(announcer.handle(on, &bytes, Instant::now())),
        Said::End => {}
    }
}

#[derive(Default)]
struct Sockets {
    /// By the address that packets have.
    sending: HashMap<IpAddr, UdpSocket>,
    /// Who listens where: each ends with this.
    listening: HashMap<(IpAddr, IpAddr), ()>,
    listeners: JoinSet<()>,
}

impl Sockets {
    async fn send(&mut self, way: &WayOut, outgoing: &Outgoing) {
        let sent = async {
            let socket = match self.sending.get(&way.source) {
                Some(socket) => socket,
                None => self.sending.entry(way.source).or_insert(open(way)?),
            };
            socket.send_to(&outgoing.bytes, (outgoing.to, sap::PORT)).await
        };
        if let Err(error) = sent.await {
            tracing::warn!(to = %outgoing.to, channel = outgoing.key, %error, "an announcement could not be sent");
        }
    }

    /// Others' announcements on that group are counted from now on.
    fn listen(&mut self, way: &WayOut, on: IpAddr, heard: &Sender<Said>) {
        if self.listening.insert((on, way.source), ()).is_some() {
            return;
        }
        let open = || {
            let socket = way.hear(SocketAddr::new(on, sap::PORT))?;
            UdpSocket::from_std(socket.into())
        };
        let socket = match open() {
            Ok(socket) => Arc::new(socket),
            Err(error) => return tracing::warn!(%on, %error, "others' announcements can't be counted"),
        };
        let heard = heard.clone();
        self.listeners.spawn(async move {
            let mut buffer = vec![0; sap::MAX_PACKET];
            loop {
                match socket.recv(&mut buffer).await {
                    Ok(count) => {
                        let bytes = buffer.get(..count).unwrap_or_default().to_vec();
                        let _ = heard.try_send(Said::Heard { on, bytes });
                    }
                    Err(error) => return tracing::debug!(%on, %error, "no longer listened to"),
                }
            }
        });
    }
}

fn open(way: &WayOut) -> io::Result<UdpSocket> {
    let at = SocketAddr::new(way.source, 0);
    let socket = Socket::new(Domain::for_address(at), Type::DGRAM.nonblocking(), Some(Protocol::UDP))?;
    socket.bind(&at.into())?;
    way.set(&socket, TTL)?;
    UdpSocket::from_std(socket.into())
}
