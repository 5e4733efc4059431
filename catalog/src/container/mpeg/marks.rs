//! Which access unit a packet's time belongs to.

use super::timeline::Stamp;
use std::collections::VecDeque;

/// The times of packets by the place of their payload in the elementary stream.
///
/// A time belongs to the first access unit that begins in its packet (ISO 13818-1 2.4.3.7).
#[derive(Debug, Default)]
pub(super) struct Marks {
    marks: VecDeque<(u64, Stamp)>,
}

/// Times that wait for an access unit at most: packets of one byte with a time each, and a picture that never ends,
/// would fill the memory.
const MAX_MARKS: usize = 1024;

impl Marks {
    /// The packet whose payload begins at `offset` of the stream carries a time.
    pub fn add(&mut self, offset: u64, stamp: Stamp) {
        if self.marks.len() == MAX_MARKS {
            self.marks.pop_front();
        }
        self.marks.push_back((offset, stamp));
    }

    /// The time of the access unit that begins at `offset`: of the last packet at or before it that no unit had before.
    pub fn take(&mut self, offset: u64) -> Option<Stamp> {
        let mut found = None;
        while let Some(&(at, stamp)) = self.marks.front()
            && at <= offset
        {
            found = Some(stamp);
            self.marks.pop_front();
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::super::timeline::Timeline;
    use super::*;

    #[test]
    fn a_time_belongs_to_the_first_unit_in_its_packet() {
        let timeline = Timeline::default();
        let mut marks = Marks::default();
        for (offset, pts) in [(0, 1), (100, 2), (200, 3), (300, 4)] {
            marks.add(offset, timeline.stamp(pts));
        }
        let units = [(0, Some(1)), (50, None), (100, Some(2)), (310, Some(4)), (320, None)];
        for (offset, expected) in units {
            assert_eq!(marks.take(offset).map(|stamp| stamp.pts), expected, "unit at {offset}");
        }
    }

    #[test]
    fn marks_are_bounded_and_the_newest_stay() {
        let mut marks = Marks::default();
        for pts in 0..5000 {
            marks.add(pts, Timeline::default().stamp(pts));
        }
        assert_eq!(marks.marks.len(), MAX_MARKS);
        assert_eq!(marks.take(u64::MAX).map(|stamp| stamp.pts), Some(4999));
    }
}
