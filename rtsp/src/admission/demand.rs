//! What one viewer takes, by the rate at which it plays.

use crate::{
    plan::RTP_SHARE,
    playback::{BEAT, Rate, Selection},
};
use catalog::index::{Index, Track};
use rtp::format::Media;

/// Sync samples that are looked at to see what all come to: enough for a mean, few enough for a PLAY.
const LOOKED_AT: usize = 256;

/// Bytes that a node reads around a picture that is asked for alone: it begins and ends anywhere in blocks that have a
/// checksum each.
const AROUND: u64 = 16 << 10;

/// What one viewer asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Demand {
    /// Bits a second from the nodes: all tracks of the film, since its units hold them all.
    pub read_bps: u64,
    /// Bits a second to the viewer.
    pub sent_bps: u64,
}

impl Demand {
    /// What a viewer of these tracks of a film takes at a rate, `tracks` by their places in the index. Both grow with
    /// the rate; where only sync pictures are sent, they are what those come to in the mean, and what is read in vain
    /// around them. A player made of LIVE555's library gets beats of sound where others get none.
    pub fn of(index: &Index, tracks: impl Iterator<Item = usize>, rate: Rate, live555: bool) -> Self {
        let times = rate.scale().abs() * rate.speed();
        let most = |track: &Track| u64::from(track.bandwidth_bps);
        let all = scaled(index.tracks.iter().map(most).fold(0, u64::saturating_add), times);
        let (mut read, mut sent) = (0u64, 0u64);
        for track in tracks.filter_map(|track| index.tracks.get(track)) {
            let whole = scaled(most(track), times);
            let (of_nodes, of_viewer) = match (rate.selection(), track.format.media()) {
                (Selection::All, _) | (Selection::Pictures, Media::Video) => (whole, whole),
                (Selection::SyncPictures, Media::Video) => sync_pictures(track, rate),
                (_, Media::Audio) if live555 => beats(track, rate),
                _ => (0, 0),
            };
            (read, sent) = (read.saturating_add(of_nodes), sent.saturating_add(of_viewer));
        }
        let read_bps = match rate.selection() {
            Selection::All | Selection::Pictures => all,
            // More than everything is never read.
            Selection::SyncPictures => read.min(all),
        };
        Self { read_bps, sent_bps: scaled(sent, 1.0 / RTP_SHARE) }
    }
}

/// Bits a second that sync pictures of a track take from the nodes, and that are sent of them.
fn sync_pictures(track: &Track, rate: Rate) -> (u64, u64) {
    let samples = &track.samples;
    let (mut cursor, mut pictures, mut bytes, mut ticks) = (0, 0u64, 0u64, 0i64);
    // Both ways they are the same; forwards they are found from the first on.
    let forwards = Rate::nearest(rate.scale().abs(), rate.speed(), true);
    for _ in 0..LOOKED_AT {
        let Some(sample) = samples.get(cursor) else { break };
        let (next, step) = forwards.next_sync(samples, cursor);
        (pictures, bytes) = (pictures + 1, bytes.saturating_add(u64::from(sample.size)));
        ticks = ticks.saturating_add(step.0);
        match next {
            Some(next) => cursor = next,
            None => break,
        }
    }
    let seconds = ticks as f64 / f64::from(track.format.clock_rate().hz()) / (rate.scale().abs() * rate.speed());
    if pictures == 0 || seconds <= 0.0 {
        let all = scaled(u64::from(track.bandwidth_bps), rate.scale().abs() * rate.speed());
        return (all, all);
    }
    let around = pictures.saturating_mul(AROUND);
    let bps = |bytes: u64| (bytes as f64 * 8.0 / seconds) as u64;
    (bps(bytes.saturating_add(around)), bps(bytes))
}

/// The same of beats of a track's sound: a unit of mean size in each [`BEAT`] of showing.
fn beats(track: &Track, rate: Rate) -> (u64, u64) {
    let samples = &track.samples;
    let ticks = samples.end().0.saturating_sub(samples.start().0).max(0);
    let bits = u64::from(track.average_bps) as f64 * ticks as f64 / f64::from(track.format.clock_rate().hz());
    let unit = bits / samples.len().max(1) as f64;
    let a_second = rate.speed() / BEAT.as_secs_f64();
    (((unit + (AROUND * 8) as f64) * a_second) as u64, (unit * a_second) as u64)
}

fn scaled(bps: u64, times: f64) -> u64 {
    (bps as f64 * times) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use catalog::sample::{Sample, TableBuilder};
    use rtp::clock::Ticks;

    /// A minute of 25 pictures a second, each 12th of them a sync sample of 20,000 bytes, the others of 3,750; and 40 units
    /// of sound a second.
    fn film() -> Index {
        let mut film = crate::server::fake::film();
        let mut samples = TableBuilder::new();
        for number in 0..1_500i64 {
            let sync = number % 12 == 0;
            let (size, at) = (if sync { 20_000 } else { 3_750 }, Ticks(number * 3_600));
            let sample = Sample { offset: number as u64 * 20_000, size, dts: at, pts: at, sync };
            samples.push(sample, Ticks(3_600)).unwrap();
        }
        film.tracks[0].samples = samples.finish();
        let mut samples = TableBuilder::new();
        for number in 0..2_400i64 {
            let at = Ticks(number * 2_250);
            let sample = Sample { offset: number as u64 * 400, size: 400, dts: at, pts: at, sync: true };
            samples.push(sample, Ticks(2_250)).unwrap();
        }
        film.tracks[1].samples = samples.finish();
        film
    }

    #[test]
    fn what_is_taken_grows_with_the_rate() {
        let film = film();
        let (video, audio) = (1_000_000, 128_000);
        let wire = |bps: u64| (bps as f64 / RTP_SHARE) as u64;
        let whole = [0, 1];
        for (scale, speed, tracks, read, sent) in [
            (1.0, 1.0, &whole[..], video + audio, wire(video + audio)),
            (1.0, 1.0, &[1], video + audio, wire(audio)),
            (1.0, 4.0, &whole, 4 * (video + audio), wire(4 * (video + audio))),
            // No sound but at scale 1.
            (0.5, 1.0, &whole, (video + audio) / 2, wire(video / 2)),
            (1.5, 2.0, &whole, 3 * (video + audio), wire(3 * video)),
        ] {
            let demand = Demand::of(&film, tracks.iter().copied(), Rate::nearest(scale, speed, true), false);
            assert_eq!(demand, Demand { read_bps: read, sent_bps: sent }, "{scale} {speed}");
        }
        // Sync pictures: 25/12 of them in a second of the film, of which so many pass in a second.
        for (scale, speed, times) in [(2.0, 1.0, 2.0), (-2.0, 1.0, 2.0), (-1.0, 1.0, 1.0), (8.0, 2.0, 16.0)] {
            let Demand { read_bps, sent_bps } = Demand::of(&film, 0..2, Rate::nearest(scale, speed, true), false);
            let a_second = times * 25.0 / 12.0 * 8.0;
            let (read, sent) = (a_second * (20_000 + AROUND) as f64, wire((a_second * 20_000.0) as u64) as f64);
            let read = read.min(times * (video + audio) as f64);
            let near = |found: u64, expected: f64| (found as f64 - expected).abs() < 0.02 * expected;
            assert!(near(read_bps, read) && near(sent_bps, sent), "{scale}: {read_bps} {read}, {sent_bps} {sent}");
        }
        // At 32 times every 32nd picture is sent at most: 25 of them a second.
        let Demand { sent_bps, .. } = Demand::of(&film, 0..2, Rate::nearest(32.0, 1.0, true), false);
        assert!(sent_bps <= wire(25 * 20_000 * 8 * 12 / 10), "{sent_bps}");
    }

    #[test]
    fn beats_of_sound_are_counted_for_who_gets_them() {
        let film = film();
        let unit = 400.0 * 8.0;
        for (scale, speed, beats) in
            [(1.0, 1.0, 0.0), (1.0, 4.0, 0.0), (0.5, 1.0, 4.0), (1.5, 2.0, 8.0), (4.0, 1.0, 4.0)]
        {
            let rate = Rate::nearest(scale, speed, true);
            let [others, live555] = [false, true].map(|live555| Demand::of(&film, 0..2, rate, live555));
            let more = (live555.sent_bps - others.sent_bps) as f64 * RTP_SHARE;
            assert!((more - beats * unit).abs() <= 2.0, "{scale} {speed}: {more} bits more, {}", beats * unit);
            let all = (1_128_000.0 * scale * speed) as u64;
            let around = (beats * (unit + (AROUND * 8) as f64)) as u64;
            let read = if scale < 2.0 { all } else { all.min(others.read_bps + around) };
            assert!(live555.read_bps.abs_diff(read) <= 2, "{scale} {speed}: {} read, {read}", live555.read_bps);
        }
    }
}
