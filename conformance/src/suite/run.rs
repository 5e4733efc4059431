//! Runs cases: those that mostly wait at once, the others over several connections, those that must be alone last.

use crate::suite::{
    capture::Captures,
    case::{Case, Need, Outcome, Stop},
    context::{Context, Options},
    digest::Credentials,
    message::Request,
    offer::Offer,
    record::{Line, Record},
    session::Lower,
    wire::Wire,
};
use rand::{SeedableRng, rngs::StdRng};
use std::{
    collections::{HashSet, VecDeque},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// A server under test: what it offers under one URL, and what was captured of it.
pub struct Target {
    /// What was found.
    pub offer: Arc<Offer>,
    captures: Arc<Captures>,
}

/// How to run.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Cases at a time, beside those that mostly wait.
    pub threads: usize,
    /// Nothing is begun after this.
    pub time_limit: Duration,
    /// Of everything random.
    pub seed: u64,
}

/// A case that was run.
#[derive(Clone, Debug)]
pub struct Finished {
    /// What was tried.
    pub case: Case,
    /// The case's id, with the transport where it ran over each and the presentation where it isn't the first.
    pub name: String,
    /// The URL.
    pub url: String,
    /// How it ended.
    pub outcome: Outcome,
    /// How long it took.
    pub took: Duration,
    /// What was said; empty where it passed.
    pub dialogue: Vec<Line>,
}

struct Job {
    case: Case,
    target: usize,
    lower: Lower,
    name: String,
}

impl std::fmt::Debug for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.id)
    }
}

impl Target {
    /// Of an offer.
    pub fn new(offer: Offer) -> Self {
        Self { offer: Arc::new(offer), captures: Arc::default() }
    }
}

/// Runs the cases against the first target, those on packets against all of them; `progress` hears of each.
pub fn run(
    targets: &[Target],
    cases: &[Case],
    options: &Arc<Options>,
    pace: Pace,
    progress: &(dyn Fn(&Finished) + Sync),
) -> Vec<Finished> {
    let start = Instant::now();
    let jobs = jobs(targets, cases, options);
    let packets = |job: &&Job| ["RTP-", "RTCP-", "PAY-"].iter().any(|chapter| job.case.id.starts_with(chapter));
    let captured = |job: &&Job| job.case.needs(Need::EachTransport) && packets(job);
    let captures: HashSet<(usize, Lower)> = jobs.iter().filter(captured).map(|job| (job.target, job.lower)).collect();
    let order: Vec<String> = jobs.iter().map(|job| job.name.clone()).collect();
    let (waiting, rest): (Vec<Job>, Vec<Job>) = jobs.into_iter().partition(|job| job.case.needs(Need::Timeout));
    let (alone, shared): (Vec<Job>, Vec<Job>) = rest.into_iter().partition(|job| job.case.needs(Need::Alone));
    let done = Mutex::new(Vec::new());
    let one = |job: Job| {
        let finished = run_one(job, targets, options, pace, start);
        progress(&finished);
        lock(&done).push(finished);
    };
    let shared = Mutex::new(VecDeque::from(shared));
    std::thread::scope(|scope| {
        // Made all at once: who needs one would otherwise hold up the others.
        for (place, lower) in captures {
            let Some(target) = targets.get(place) else { continue };
            scope.spawn(move || {
                let mut context = context(target, options, lower, Record::default(), pace.seed);
                let _ = context.capture();
            });
        }
        for job in waiting {
            scope.spawn(|| one(job));
        }
        for _ in 0..pace.threads.max(1) {
            scope.spawn(|| {
                loop {
                    let Some(job) = lock(&shared).pop_front() else { return };
                    one(job);
                }
            });
        }
    });
    for job in alone {
        one(job);
    }
    // A server that is busy with one case may fail another: what failed beside others is tried again alone.
    let again: Vec<Finished> = lock(&done).iter().filter(|finished| finished.suspect(pace)).cloned().collect();
    for finished in again {
        if start.elapsed() > pace.time_limit {
            break;
        }
        let Some(job) = jobs_again(targets, &finished, options) else { continue };
        if let Some(target) = targets.get(job.target) {
            settle(&target.offer, options);
        }
        let second = run_one(job, targets, options, pace, start);
        lock(&done).retain(|first| first.name != finished.name);
        lock(&done).push(second);
    }
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|finished| order.iter().position(|name| *name == finished.name));
    done
}

/// How many runs of cases that will be.
pub fn count(targets: &[Target], cases: &[Case], options: &Options) -> usize {
    jobs(targets, cases, options).len()
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Finished {
    /// It failed while others ran, and is not one of those that wait for minutes.
    fn suspect(&self, pace: Pace) -> bool {
        let shared = pace.threads > 1 && !self.case.needs(Need::Alone) && !self.case.needs(Need::Timeout);
        shared && matches!(self.outcome, Outcome::Fail(..))
    }
}

/// Longest wait for a server that is still busy with what came before.
const SETTLE_LIMIT: Duration = Duration::from_secs(30);

/// Waits until the server takes a SETUP again: what an earlier case left it busy with is not the next case's failure.
fn settle(offer: &Offer, options: &Options) {
    let Some(control) = offer.controls.first() else { return };
    let end = Instant::now() + SETTLE_LIMIT;
    while Instant::now() < end {
        let record = Record::default();
        let Ok(mut wire) = Wire::connect(offer.address, offer.tls.as_deref(), &record, options) else {
            continue;
        };
        wire.credentials = options.credentials.as_ref().map(|(user, word)| Credentials::new(user, word));
        let setup = Request::new("SETUP", control).header("Transport", "RTP/AVP/TCP;unicast;interleaved=0-1");
        let Ok(answer) = wire.ask(&setup) else { continue };
        if let Some(id) = answer.session() {
            let _ = wire.ask(&Request::new("TEARDOWN", &offer.aggregate).header("Session", id));
        }
        return;
    }
}

/// The job of a case that was run.
fn jobs_again(targets: &[Target], finished: &Finished, options: &Options) -> Option<Job> {
    jobs(targets, &[finished.case], options).into_iter().find(|job| job.name == finished.name)
}

fn jobs(targets: &[Target], cases: &[Case], options: &Options) -> Vec<Job> {
    let mut jobs = Vec::new();
    for (place, target) in targets.iter().enumerate() {
        let presentation = if place == 0 { String::new() } else { format!("@{}", target.offer.name) };
        for &case in cases {
            let each = case.needs(Need::EachTransport);
            let elsewhere =
                matches!(case.needs.first(), Some(Need::Encoding(_))) && unmet(&case, &target.offer, options).is_some();
            if place > 0 && (!each || elsewhere || case.needs(Need::Publish)) {
                continue;
            }
            let job = |lower, suffix: &str| {
                let name = format!("{}{suffix}{presentation}", case.id);
                Job { case, target: place, lower, name }
            };
            let (udp, tcp) = (options.udp && target.offer.udp, options.tcp && target.offer.tcp);
            if each && (udp || tcp) {
                jobs.extend(udp.then(|| job(Lower::Udp, "/udp")));
                jobs.extend(tcp.then(|| job(Lower::Tcp, "/tcp")));
            } else {
                jobs.push(job(if tcp || !udp { Lower::Tcp } else { Lower::Udp }, ""));
            }
        }
    }
    jobs
}

fn run_one(job: Job, targets: &[Target], options: &Arc<Options>, pace: Pace, start: Instant) -> Finished {
    let began = Instant::now();
    let record = Record::default();
    let url = targets.get(job.target).map(|target| target.offer.url.clone()).unwrap_or_default();
    let outcome = match targets.get(job.target) {
        None => Outcome::Skip("no server".into()),
        Some(_) if start.elapsed() > pace.time_limit => Outcome::Skip("the time limit was over".into()),
        Some(target) => match unmet(&job.case, &target.offer, options) {
            Some(reason) => Outcome::Skip(reason),
            None => {
                let seed = job.name.bytes().fold(pace.seed, |seed, byte| seed.rotate_left(5) ^ u64::from(byte));
                let mut context = context(target, options, job.lower, record.clone(), seed);
                judge(&job.case, &mut context)
            }
        },
    };
    let dialogue = if matches!(outcome, Outcome::Fail(..)) { record.lines() } else { Vec::new() };
    Finished { case: job.case, name: job.name, url, outcome, took: began.elapsed(), dialogue }
}

fn context(target: &Target, options: &Arc<Options>, lower: Lower, record: Record, seed: u64) -> Context {
    Context {
        offer: target.offer.clone(),
        options: options.clone(),
        record,
        lower,
        rng: StdRng::seed_from_u64(seed),
        captures: target.captures.clone(),
    }
}

fn judge(case: &Case, context: &mut Context) -> Outcome {
    match catch_unwind(AssertUnwindSafe(|| (case.run)(context))) {
        Ok(Ok(())) => Outcome::Pass,
        Ok(Err(Stop::Fail { expected, came })) => Outcome::Fail(expected, came),
        Ok(Err(Stop::Skip(reason))) => Outcome::Skip(reason),
        Err(_) => Outcome::Fail("something that the suite's parsers can read".into(), "a parser panicked".into()),
    }
}

/// Why the case can't be tried, if it can't.
fn unmet(case: &Case, offer: &Offer, options: &Options) -> Option<String> {
    let udp = options.udp && offer.udp;
    let tcp = options.tcp && offer.tcp;
    for need in case.needs {
        let tracks = offer.controls.len();
        let reason: Option<String> = match need {
            Need::Tracks => (tracks == 0).then(|| format!("DESCRIBE gave no tracks ({})", offer.describe.first)),
            Need::SeveralTracks => (tracks < 2).then(|| format!("needs two tracks, there are {tracks}")),
            Need::Seekable => offer.length.is_none().then(|| "not seekable: no a=range with both ends".into()),
            Need::Live => (!offer.live).then(|| "not live".into()),
            Need::Udp => (!udp).then(|| "UDP is not offered or not wanted".into()),
            Need::Tcp => (!tcp).then(|| "interleaving is not offered or not wanted".into()),
            Need::EachTransport => (!udp && !tcp).then(|| "neither UDP nor interleaving is offered".into()),
            Need::Multicast => offer.multicast.is_none().then(|| "multicast is not offered".into()),
            Need::Version2 => (!offer.version2).then(|| "RTSP 2.0 is not spoken".into()),
            Need::Open => offer.protected.then(|| "the URL is protected".into()),
            Need::Credentials if !offer.protected => Some("the URL is not protected".into()),
            Need::Credentials => options.credentials.is_none().then(|| "needs --user and --password".into()),
            Need::Encoding(name) => {
                let has = |media: &crate::suite::description::Media| media.encoding().is_some_and(|(n, _)| n == *name);
                (!offer.description.media.iter().any(has)).then(|| format!("no {name} track"))
            }
            Need::Publish => {
                options.publish.is_none().then(|| "needs --publish and a URL that may be published to".into())
            }
            Need::Moved => options.moved.is_none().then(|| "needs a URL that is redirected: --moved".into()),
            Need::SecondUrl => options.second.is_none().then(|| "needs the URL of a second presentation".into()),
            Need::Timeout => (offer.timeout > options.longest_timeout.as_secs())
                .then(|| format!("the session timeout of {} s is longer than --longest-timeout", offer.timeout)),
            Need::Hostile => (!options.hostile).then(|| "only with --hostile".into()),
            Need::Announced => options.announcements.is_zero().then(|| "needs --announcements".into()),
            Need::LockOut => (!options.lock_out).then(|| "only with --lock-out".into()),
            Need::Alone => None,
        };
        if reason.is_some() {
            return reason;
        }
    }
    None
}
