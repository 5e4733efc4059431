//! The audio's part of the comparison.

use super::{Report, Sound, VIDEO_TICK};

/// Most samples that may come before the file's first: what a decoder is primed with, at most two frames of HE-AAC.
/// An edit list or a Xing header has the file's player leave them out; neither travels.
const MAX_PRIMING: usize = 4096;

/// Access units that may share the first packet, whose times ffmpeg guesses.
const FIRST_PACKET: usize = 16;

/// What sound is held against: the pictures, if there are any.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pictures {
    /// Nanoseconds from the file's to the received ones.
    pub offset: Option<i64>,
    /// What the file's container rounds their times to, nanoseconds.
    pub rounded: i64,
}

/// Every sample the same, and heard at its time. `damaged`: ffmpeg told errors of the file.
pub(super) fn compare(file: &Sound, received: &Sound, pictures: Pictures, damaged: bool, report: &mut Report) {
    let left = (2 * file.block == received.block).then(|| received.left()).flatten();
    if let Some(left) = &left {
        report.notes.push("one channel in the file comes as two that are the same".into());
        return compare(file, left, pictures, damaged, report);
    }
    if file.rate != received.rate || file.block != received.block {
        report.differences.push(format!(
            "audio of {} Hz in blocks of {} bytes in the file, {} Hz and {} received",
            file.rate, file.block, received.rate, received.block
        ));
        return;
    }
    let block = file.block.max(1);
    report.samples = (file.len(), received.len());
    let extra = report.samples.1.saturating_sub(report.samples.0).min(MAX_PRIMING);
    // All of what is more, first: in silence every place looks right.
    let shift = std::iter::once(extra)
        .chain(0..extra)
        .find(|shift| received.samples[shift * block..].starts_with(&file.samples));
    let Some(shift) = shift else {
        let same = file.samples.iter().zip(&received.samples).take_while(|(a, b)| a == b).count() / block;
        let (expected, seen) = report.samples;
        if damaged && seen >= expected {
            report.notes.push(format!("ffmpeg fails on parts of the file: {expected} samples, {seen} received"));
        } else {
            report.differences.push(format!(
                "audio differs: {expected} samples in the file, {seen} received, the first {same} are the same"
            ));
        }
        return;
    };
    if shift > 0 {
        report.notes.push(format!("{shift} samples of priming come first, which the file has its player leave out"));
    }
    times(file, received, shift, pictures, report);
}

impl Sound {
    /// One of two channels that are the same: Opus is always received as stereo (RFC 7587 section 7).
    fn left(&self) -> Option<Self> {
        let pairs = || self.samples.chunks_exact(4);
        let same = self.block == 4 && pairs().all(|pair| pair[..2] == pair[2..]);
        let samples = || pairs().flat_map(|pair| [pair[0], pair[1]]).collect();
        same.then(|| Self { samples: samples(), block: 2, times: self.times.clone(), ..*self })
    }
}

fn times(file: &Sound, received: &Sound, shift: usize, pictures: Pictures, report: &mut Report) {
    let offset = pictures.offset;
    // Frames up to the last gap among those of the first packet stand where ffmpeg guessed.
    let is_gap = |pair: &[(usize, i64)]| {
        let gap = pair[1].1 - pair[0].1 - received.duration(pair[1].0 - pair[0].0);
        gap.abs() > 2 * received.tick.max(VIDEO_TICK)
    };
    let first_packet = received.times.windows(2).take(FIRST_PACKET).enumerate();
    let guessed = first_packet.filter(|(_, pair)| is_gap(pair)).map(|(index, _)| index).next_back();
    let known = guessed.map_or(0, |index| received.times[index + 1].0);
    let error = |time: &dyn Fn(usize, i64) -> i64, guess: bool, offset: Option<i64>| -> Option<(i64, i64)> {
        let frames = file.times.iter().filter(|(first, _)| (first + shift < known) == guess);
        let gaps: Vec<i64> =
            frames.filter_map(|(first, own)| Some(received.time_of(first + shift)? - time(*first, *own))).collect();
        let (least, most) = gaps.iter().min().zip(gaps.iter().max())?;
        let offset = offset.unwrap_or((least + most) / 2);
        Some(((least - offset).abs().max((most - offset).abs()), offset))
    };
    let Some((told, common)) = error(&|_, own| own, false, offset) else { return };
    // What ffmpeg counts from lengths in bytes drifts from what its own samples last.
    let start = file.times.iter().find(|(first, _)| first + shift >= known).copied().unwrap_or_default();
    let counted = error(&|first, _| start.1 + file.duration(first.saturating_sub(start.0)), false, offset);
    report.sound_time_error = told;
    report.first_sound_error = error(&|_, own| own, true, Some(common)).map_or(0, |(error, _)| error);
    let bound = received.tick.max(1_000_000_000 / i64::from(file.rate.max(1)) + 1).max(VIDEO_TICK) + VIDEO_TICK;
    if told > bound {
        match counted {
            // Its own first time is rounded, too, and so are the pictures' that it is held against.
            Some((counted, _)) if counted <= bound + file.tick + pictures.rounded => {
                report.notes.push(format!(
                    "ffmpeg's times of the file are up to {:.3} ms off its own count of samples, which is what came",
                    told as f64 / 1e6
                ));
                report.sound_time_error = counted;
            }
            _ => report.differences.push(format!("audio is {:.3} ms off its time", told as f64 / 1e6)),
        }
    }
}

/// The last sample is heard as much later than in the file as the last picture is shown, within one frame.
pub(super) fn compare_ends(file: &Sound, received: &Sound, offset: Option<i64>, report: &mut Report) {
    report.samples = (file.len(), received.len());
    let (Some(offset), Some(a), Some(b)) = (offset, file.end(), received.end()) else { return };
    report.sound_time_error = (b - a - offset).abs();
    let frames: Vec<usize> = received.times.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
    let frame = received.duration(frames.iter().copied().max().unwrap_or(1024));
    if report.sound_time_error > frame {
        let error = report.sound_time_error as f64 / 1e6;
        report.differences.push(format!("after the seek the audio is {error:.3} ms off the pictures"));
    }
}
