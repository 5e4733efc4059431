//! The local time of day.

use catalog::channel::TimeOfDay;
use std::{
    mem,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

const DAY: Duration = Duration::from_secs(24 * 3_600);

/// Since midnight, by the local clock.
pub(super) fn now() -> Duration {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = libc::time_t::try_from(since.as_secs()).unwrap_or(0);
    // SAFETY: a plain C structure for which zero bytes are a valid value; both pointers live through the call.
    let local = unsafe {
        let mut local: libc::tm = mem::zeroed();
        libc::localtime_r(&raw const seconds, &raw mut local);
        local
    };
    let whole = local.tm_hour * 3_600 + local.tm_min * 60 + local.tm_sec;
    Duration::from_secs(u64::try_from(whole).unwrap_or(0)) + Duration::from_nanos(u64::from(since.subsec_nanos()))
}

/// From `now` to the next of these times; a whole day where it is just that time.
pub(super) fn until_next(times: &[TimeOfDay], now: Duration) -> Duration {
    let waits = times.iter().map(|time| {
        let at = Duration::from_secs(u64::from(time.seconds()));
        if at > now { at - now } else { (at + DAY).saturating_sub(now) }
    });
    waits.min().unwrap_or(DAY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_time_is_found() {
        let time = |text: &str| text.parse::<TimeOfDay>().unwrap();
        let at = |hours: u64, seconds: u64| Duration::from_secs(hours * 3_600 + seconds);
        for (times, now, wait) in [
            (vec!["20:15"], at(20, 0), at(0, 900)),
            (vec!["20:15"], at(20, 900), at(24, 0)),
            (vec!["20:15"], at(20, 901), at(24, 0) - Duration::from_secs(1)),
            (vec!["20:15", "07:00"], at(20, 901), at(10, 2_699)),
            (vec!["00:00"], at(23, 3_599), at(0, 1)),
        ] {
            let times: Vec<TimeOfDay> = times.into_iter().map(time).collect();
            assert_eq!(until_next(&times, now), wait, "{times:?} {now:?}");
        }
        assert!(now() < DAY + Duration::from_secs(2));
    }
}
