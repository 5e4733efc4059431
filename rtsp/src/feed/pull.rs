//! A feed that is fetched from an RTSP server: a camera, an encoder, another front.
//!
//! A client of our own rather than a library's: it takes every payload format that publishers may bring, by the same way
//! ([`super::rtp`]), sends receiver reports and puts tracks in step by sender reports.

mod alive;
mod credentials;
mod setup;
mod url;

use super::description::Description;
use super::intake::Intake;
use super::relay::{RelayRefused, Relayed, Relays};
use super::rtp::FeedCounts;
use crate::channel::Channel;
use crate::message::{Method, StatusCode};
use crate::net::client::{Client, FromServer};
use alive::{Alive, KeptSession, Sign};
use credentials::Credentials;
use rtsp_types::Response;
use rtsp_types::headers::{CONTENT_BASE, CONTENT_LOCATION, HeaderName, LOCATION, PUBLIC, VIA, WWW_AUTHENTICATE};
use setup::Inlet;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use url::{FeedUrl, resolve};

/// A source that sends nothing for so long has failed.
const SILENCE: Duration = Duration::from_secs(10);

/// Redirects and challenges one after the other; more is a circle.
const MAX_TURNS: usize = 5;

/// What is fetched, and how.
#[derive(Clone, PartialEq, Eq)]
pub struct PullOptions {
    /// The first that answers; the others are its fall-backs.
    pub urls: Vec<String>,
    /// Who we are there; what a URL says comes first.
    pub user: Option<String>,
    /// The password.
    pub password: Option<String>,
    /// Over UDP, and only where the server refuses that within the connection; else the other way round.
    pub udp: bool,
}

/// Why a feed could not be fetched, or no longer.
#[derive(Debug, thiserror::Error)]
pub enum PullError {
    /// No URL of ours.
    #[error("{0} is no rtsp:// or rtsps:// URL")]
    Url(String),
    /// The connection's.
    #[error("{0}: {1}")]
    Io(String, std::io::Error),
    /// The server's.
    #[error("{uri}: {method} is answered {status}")]
    Refused {
        /// What was asked for.
        uri: String,
        /// What was asked.
        method: &'static str,
        /// The answer.
        status: u16,
    },
    /// It goes in circles.
    #[error("{0}: too many redirects or challenges")]
    Turns(String),
    /// What it describes can't be read.
    #[error("{0}: {1}")]
    Description(String, super::description::DescriptionError),
    /// What it describes can't be taken.
    #[error("{0}: nothing of it can be taken: {1}")]
    Nothing(String, String),
    /// It has stopped to send.
    #[error("{0}: nothing has come for {s} s", s = SILENCE.as_secs())]
    Silent(String),
    /// It has said goodbye.
    #[error("{0}: the feed has ended")]
    Left(String),
    /// It can't be relayed.
    #[error("{0}: {1}")]
    Relay(String, RelayRefused),
    /// The channel takes no more of it.
    #[error("{0}")]
    Over(String),
}

/// Fetches into a channel until the source fails, or the channel takes no more; ends with whoever drops it. Fall-backs are
/// tried in their order, each once. `told` hears now and then what has come.
pub async fn pull(
    options: &PullOptions,
    channel: &Arc<Channel>,
    relays: &Relays,
    told: &(dyn Fn(FeedCounts) + Send + Sync),
) -> PullError {
    let mut failed = PullError::Url(String::new());
    for url in &options.urls {
        let (error, has_come) = fetch(url, options, channel, relays, told).await;
        if has_come {
            return error;
        }
        tracing::debug!(channel = channel.name(), %error, "the next source is tried");
        failed = error;
    }
    failed
}

/// Without the password.
fn shown(url: &str) -> String {
    FeedUrl::parse(url).map_or_else(|| "?".to_owned(), |url| url.uri)
}

/// One source: why it has failed, and whether it has brought anything.
async fn fetch(
    url: &str,
    options: &PullOptions,
    channel: &Arc<Channel>,
    relays: &Relays,
    told: &(dyn Fn(FeedCounts) + Send + Sync),
) -> (PullError, bool) {
    let begun = async {
        let mut asker = Asker::open(url, options).await?;
        let (description, base) = asker.describe().await?;
        let relayed = relays.begin(channel.name(), &asker.via).map_err(|refused| asker.circle(refused))?;
        asker.aggregate = resolve(&base, description.control.as_deref());
        let (intake, inlets) = asker.set_up_all(&description, &base, options.udp, channel).await?;
        let tasks = asker.attend(&intake, &inlets);
        asker.play().await?;
        tracing::info!(channel = channel.name(), url = asker.url.uri, tracks = inlets.len(), "fetched");
        Ok((asker, intake, inlets, (tasks, relayed)))
    };
    match begun.await {
        Ok((mut asker, intake, inlets, (_tasks, relayed))) => {
            let error = asker.follow((&intake, &inlets), &relayed, told).await;
            (error, intake.last_packet().is_some())
        }
        Err(error) => (error, false),
    }
}

/// What is asked of one server. Dropped, it ends its session: a camera has few of them, and would keep one that nobody
/// looks at for a minute.
struct Asker {
    url: FeedUrl,
    client: Client,
    credentials: Credentials,
    session: Option<KeptSession>,
    alive: Alive,
    /// The URL of all tracks together.
    aggregate: String,
    /// Through which fronts the feed comes, as the server said last.
    via: String,
}

impl Asker {
    async fn open(url: &str, options: &PullOptions) -> Result<Self, PullError> {
        let url = FeedUrl::parse(url).ok_or_else(|| PullError::Url(shown(url)))?;
        let given = options.user.clone().map(|user| (user, options.password.clone().unwrap_or_default()));
        let credentials = Credentials::new(url.user.clone().or(given));
        let client = Client::connect(&url.authority, url.secure).await;
        let client = client.map_err(|error| PullError::Io(url.uri.clone(), error))?;
        let (aggregate, via) = (url.uri.clone(), String::new());
        let mut asker = Self { url, client, credentials, session: None, alive: Alive::default(), aggregate, via };
        let answer = asker.ask(Method::Options, &asker.url.uri.clone(), String::new()).await?;
        if answer.status() == StatusCode::Unauthorized {
            // DESCRIBE with the same password would be one more failed attempt.
            return Err(asker.refused("OPTIONS", &answer));
        }
        asker.alive = Alive::new(said(&answer, &PUBLIC));
        Ok(asker)
    }

    /// Asks, proving who we are where that is wanted.
    async fn ask(&mut self, method: Method, uri: &str, field: String) -> Result<Response<Vec<u8>>, PullError> {
        for _ in 0..MAX_TURNS {
            let mut fields = self.fields(&method, uri);
            fields.extend((!field.is_empty()).then(|| field.clone()));
            let answer = self.client.ask(&method, uri, &fields).await.map_err(|error| self.broken(error))?;
            let challenge = said(&answer, &WWW_AUTHENTICATE).unwrap_or_default();
            if answer.status() != StatusCode::Unauthorized || !self.credentials.challenged(challenge) {
                return Ok(answer);
            }
        }
        Err(PullError::Turns(self.url.uri.clone()))
    }

    /// Who asks, and of which session.
    fn fields(&self, method: &Method, uri: &str) -> Vec<String> {
        let session = self.session.as_ref().map(|session| format!("Session: {}", session.id));
        self.credentials.field(method, uri).into_iter().chain(session).collect()
    }

    /// What there is, and the base of its controls.
    async fn describe(&mut self) -> Result<(Description, String), PullError> {
        for _ in 0..MAX_TURNS {
            let uri = self.url.uri.clone();
            let answer = self.ask(Method::Describe, &uri, "Accept: application/sdp".into()).await?;
            let place = said(&answer, &LOCATION).and_then(FeedUrl::parse);
            if let (300..400, Some(place)) = (u16::from(answer.status()), place) {
                // The password is for who was asked first, and for nobody whom that names.
                if place.authority != self.url.authority || place.secure != self.url.secure {
                    self.credentials = Credentials::new(None);
                    self.client =
                        Client::connect(&place.authority, place.secure).await.map_err(|error| self.broken(error))?;
                }
                self.url = place;
                continue;
            }
            self.good("DESCRIBE", &answer)?;
            self.via = said(&answer, &VIA).unwrap_or_default().to_owned();
            let base = said(&answer, &CONTENT_BASE).or(said(&answer, &CONTENT_LOCATION)).unwrap_or(&uri).to_owned();
            let description = Description::parse(answer.body());
            return Ok((description.map_err(|error| PullError::Description(uri, error))?, base));
        }
        Err(PullError::Turns(self.url.uri.clone()))
    }

    async fn play(&mut self) -> Result<(), PullError> {
        let answer = self.ask(Method::Play, &self.aggregate.clone(), "Range: npt=0.000-".into()).await?;
        self.good("PLAY", &answer)
    }

    /// Takes in what comes, until nothing does.
    async fn follow(
        &mut self,
        (intake, inlets): (&Arc<Intake>, &[Inlet]),
        relayed: &Relayed,
        told: &(dyn Fn(FeedCounts) + Send + Sync),
    ) -> PullError {
        let every = alive::every(self.session.as_ref());
        let mut sign = tokio::time::interval_at(tokio::time::Instant::now() + every, every);
        let mut look = tokio::time::interval(Duration::from_secs(1));
        let began = Instant::now();
        loop {
            tokio::select! {
                come = self.client.next() => match come {
                    Ok(FromServer::Frame(channel, payload)) => take(intake, inlets, channel, payload),
                    Ok(FromServer::Answer(answer)) => {
                        if let Err(refused) = relayed.comes(said(&answer, &VIA).unwrap_or_default()) {
                            return self.circle(refused);
                        }
                        if let Err(error) = self.sign_answered(&answer) {
                            return error;
                        }
                    }
                    Err(error) => return self.broken(error),
                },
                _ = sign.tick() => {
                    if let Err(error) = self.sign() {
                        return error;
                    }
                }
                _ = look.tick() => {
                    told(intake.counts());
                    if let Some(reason) = intake.over() {
                        return PullError::Over(reason);
                    }
                    let last = intake.last_packet().unwrap_or(began);
                    if intake.has_left(Instant::now()) {
                        return PullError::Left(self.url.uri.clone());
                    }
                    if last.elapsed() >= SILENCE {
                        return PullError::Silent(self.url.uri.clone());
                    }
                }
            }
        }
    }

    /// Says that somebody is there.
    fn sign(&mut self) -> Result<(), PullError> {
        let method = self.alive.method();
        let fields = self.fields(&method, &self.aggregate);
        self.client.send(&method, &self.aggregate, &fields).map(drop).map_err(|error| self.broken(error))
    }

    /// What a server makes of that.
    fn sign_answered(&mut self, answer: &Response<Vec<u8>>) -> Result<(), PullError> {
        match self.alive.answered(answer.status()) {
            Sign::Heard => Ok(()),
            Sign::Unknown => self.sign(),
            // A challenge lasts as long as its server likes.
            Sign::Unproved if self.credentials.challenged(said(answer, &WWW_AUTHENTICATE).unwrap_or_default()) => {
                self.sign()
            }
            Sign::Unproved | Sign::Over => Err(self.refused("a sign of life", answer)),
        }
    }

    fn broken(&self, error: std::io::Error) -> PullError {
        PullError::Io(self.url.uri.clone(), error)
    }

    fn circle(&self, refused: RelayRefused) -> PullError {
        PullError::Relay(self.url.uri.clone(), refused)
    }

    fn refused(&self, method: &'static str, answer: &Response<Vec<u8>>) -> PullError {
        PullError::Refused { uri: self.url.uri.clone(), method, status: answer.status().into() }
    }

    fn good(&self, method: &'static str, answer: &Response<Vec<u8>>) -> Result<(), PullError> {
        let good = (200..300).contains(&u16::from(answer.status()));
        if good { Ok(()) } else { Err(self.refused(method, answer)) }
    }
}

impl Drop for Asker {
    fn drop(&mut self) {
        if self.session.is_some() {
            let fields = self.fields(&Method::Teardown, &self.aggregate);
            self.client.send_last(&Method::Teardown, &self.aggregate, &fields);
        }
    }
}

/// A `$` frame.
fn take(intake: &Intake, inlets: &[Inlet], channel: u8, payload: bytes::Bytes) {
    let now = Instant::now();
    for (track, inlet) in inlets.iter().enumerate() {
        match inlet {
            Inlet::Channels(rtp) if *rtp == channel => return intake.rtp(track, payload, now),
            Inlet::Channels(rtp) if rtp.checked_add(1) == Some(channel) => return intake.rtcp(track, &payload, now),
            Inlet::Channels(_) | Inlet::Udp(..) => {}
        }
    }
}

fn said<'a>(answer: &'a Response<Vec<u8>>, name: &HeaderName) -> Option<&'a str> {
    answer.header(name).map(|value| value.as_str())
}

#[cfg(test)]
mod tests;
