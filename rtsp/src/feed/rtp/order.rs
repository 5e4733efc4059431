//! Decode times of pictures that come in decode order, with only the times at which they are shown.

use rtp::codec::{h264, h265};
use rtp::format::Format;

/// Pictures that may wait for one shown before them: no codec of ours has more.
const MAX_DEPTH: usize = 16;

/// Gives pictures decode times: those at which they are shown, sorted, and as many pictures later as one may have to wait.
#[derive(Debug)]
pub(super) struct DecodeOrder {
    depth: usize,
    /// The latest times of all seen: one more than `depth`, ascending.
    latest: Vec<i64>,
    /// The decode time that was given last.
    last: Option<i64>,
}

impl DecodeOrder {
    /// By what the codec says of itself; it grows where pictures show that it must.
    pub(super) fn new(format: &Format) -> Self {
        let depth = match format {
            Format::H264 { sps, .. } => {
                let sps = sps.first().and_then(|sps| h264::Sps::parse(sps).ok());
                usize::from(sps.and_then(|sps| sps.vui).and_then(|vui| vui.reorder_frames).unwrap_or(0))
            }
            Format::H265 { sps, .. } => {
                let sps = sps.first().and_then(|sps| h265::Sps::parse(sps).ok());
                usize::from(sps.map_or(0, |sps| sps.reorder_pictures))
            }
            Format::Mpv { .. } | Format::Mp4vEs { .. } => 1,
            _ => 0,
        };
        Self { depth: depth.min(MAX_DEPTH), latest: Vec::new(), last: None }
    }

    /// The decode time of the next picture, which is shown at `pts`. It never falls, and is no later than `pts`, except
    /// where a picture comes from farther back than any before: that one is late.
    pub(super) fn next(&mut self, pts: i64) -> i64 {
        let place = self.latest.partition_point(|time| *time <= pts);
        if place == 0 && self.latest.len() > self.depth && self.depth < MAX_DEPTH {
            self.depth += 1;
        } else {
            self.latest.insert(place, pts);
            if self.latest.len() > self.depth + 1 {
                self.latest.remove(0);
            }
        }
        let first = self.latest.first().copied().unwrap_or(pts);
        let dts = self.last.map_or(first, |last| first.max(last));
        self.last = Some(dts);
        dts
    }

    /// The times begin anew.
    pub(super) fn restart(&mut self) {
        self.latest.clear();
        self.last = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(depth: usize, shown: &[i64], expected: &[i64]) {
        let mut order = DecodeOrder { depth, latest: Vec::new(), last: None };
        let seen: Vec<i64> = shown.iter().map(|pts| order.next(*pts)).collect();
        assert_eq!(seen, expected, "depth {depth}, {shown:?}");
        assert!(seen.is_sorted());
    }

    #[test]
    fn decode_times_rise_and_come_before_what_they_are_for() {
        check(0, &[0, 1, 2, 3], &[0, 1, 2, 3]);
        check(1, &[0, 1, 2, 3], &[0, 0, 1, 2]);
        check(1, &[0, 3, 1, 2, 6, 4, 5], &[0, 0, 1, 2, 3, 4, 5]);
        // A pyramid.
        check(2, &[0, 4, 2, 1, 3, 8, 6, 5, 7], &[0, 0, 0, 1, 2, 3, 4, 5, 6]);
        // It is found out that pictures wait, once.
        check(0, &[0, 3, 1, 2, 6, 4, 5], &[0, 3, 3, 3, 3, 4, 5]);
        check(0, &[5, 5, 5], &[5, 5, 5]);
    }
}
