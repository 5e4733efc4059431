//! What was shown and heard, and what of the film that is.

use anyhow::{Result, bail, ensure};
use std::{collections::HashMap, fmt, time::Duration};

/// Nanoseconds. What comes first does not say how far sound and pictures are apart: before the second sender reports a player
/// guesses.
const SETTLING: i64 = 4_000_000_000;

/// Pictures that may be missing at the very end: those that a player's decoder held back when its source broke off.
const TAIL: usize = 4;

/// Pictures with the hashes of their pixels and coded frames of sound with theirs, each with its time in nanoseconds.
#[derive(Clone, Debug, Default)]
pub struct Shown {
    /// In the order in which they were shown.
    pub pictures: Vec<(i64, String)>,
    /// In the order in which they were heard. Where it is empty, both are among the pictures.
    pub sound: Vec<(i64, String)>,
    /// The player has ended by itself.
    pub ended: bool,
    /// What it complained of.
    pub said: String,
}

/// What a viewer saw of a film: a part of it, from some place on without a gap.
#[derive(Clone, Debug)]
pub struct Watched {
    /// Which picture came first, and how many of how many that follow came.
    pub pictures: Part,
    /// The same of frames of sound.
    pub sound: Part,
    /// How far apart a picture and its sound were at most, nanoseconds.
    pub apart: i64,
}

/// A run of pictures or frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its first one's number in the film.
    pub first: usize,
    /// How many.
    pub count: usize,
    /// Of the film.
    pub all: usize,
    /// Came before the first that could be decoded whole: who joins a running group meets it anywhere.
    pub before: usize,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{} of {}", self.first, self.first + self.count, self.all)?;
        if self.before > 0 {
            write!(f, " ({} before)", self.before)?;
        }
        Ok(())
    }
}

impl fmt::Display for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let apart = self.apart as f64 / 1e6;
        write!(f, "pictures {}, sound {}, apart by {apart:.1} ms at most", self.pictures, self.sound)
    }
}

impl Watched {
    /// What is seen and heard together is no farther apart than that.
    pub(super) fn in_step(self, most: Option<Duration>) -> Result<Self> {
        let is = most.is_none_or(|most| Duration::from_nanos(self.apart.unsigned_abs()) <= most);
        ensure!(is, "sound and pictures are {:.1} ms apart", self.apart as f64 / 1e6);
        Ok(self)
    }
}

impl Shown {
    /// Holds it against the film, whose pictures come in groups of `group`.
    ///
    /// # Errors
    /// Where it differs: every picture and every frame from the first on must be the film's next, to its end.
    pub fn compare(mut self, film: &Self, group: usize) -> Result<Watched> {
        let places = |rows: &[(i64, String)]| -> HashMap<String, usize> {
            rows.iter().enumerate().map(|(place, (_, hash))| (hash.clone(), place)).collect()
        };
        let (pictures, sound) = (places(&film.pictures), places(&film.sound));
        ensure!(pictures.len() == film.pictures.len(), "pictures of the film are like others of it");
        if self.sound.is_empty() {
            let (heard, seen) = self.pictures.into_iter().partition(|(_, hash)| sound.contains_key(hash));
            (self.sound, self.pictures) = (heard, seen);
        }
        ensure!(self.ended, "the player never came to an end: {}", self.said);
        let seen = part("picture", &self.pictures, &film.pictures, &pictures, group);
        let seen = seen.map_err(|error| error.context(self.said.clone()))?;
        ensure!(seen.first + seen.count + TAIL >= seen.all, "only pictures {seen}: {}", self.said);
        let heard = part("frame of sound", &self.sound, &film.sound, &sound, 1)?;
        // What is heard ends with what is seen, as far as one can hear.
        ensure!(heard.first + heard.count + 2 * TAIL >= heard.all, "only sound {heard}: {}", self.said);
        let apart = self.apart(film, seen, heard)?;
        Ok(Watched { pictures: seen, sound: heard, apart })
    }

    /// How far what was heard with a picture is from what the film has with it, at most. What comes last does not say it, either:
    /// of a transport stream it is known to be whole only when its feed is given up, which GStreamer takes for its time.
    fn apart(&self, film: &Self, seen: Part, heard: Part) -> Result<i64> {
        let shift = |own: &[(i64, String)], of: &[(i64, String)], part: Part| -> Vec<(i64, i64)> {
            let own = own.get(part.before..).unwrap_or_default();
            let of = of.get(part.first..).unwrap_or_default();
            own.iter().zip(of).map(|((time, _), (film, _))| (*film, time - film)).collect()
        };
        let mut sound = shift(&self.sound, &film.sound, heard);
        let mut pictures = shift(&self.pictures, &film.pictures, seen);
        sound.truncate(sound.len() - (2 * TAIL).min(sound.len() / 4));
        pictures.truncate(pictures.len() - TAIL.min(pictures.len() / 4));
        let from = pictures.first().map_or(0, |(time, _)| time + SETTLING.min(span(&pictures) / 2));
        let late = pictures.iter().filter(|(time, _)| *time >= from);
        let apart = late.filter_map(|(time, shift)| {
            let place = sound.partition_point(|(heard, _)| heard < time);
            Some((shift - sound.get(place)?.1).abs())
        });
        apart.max().ok_or_else(|| anyhow::anyhow!("no sound was heard with any picture"))
    }
}

fn span(rows: &[(i64, i64)]) -> i64 {
    rows.first().zip(rows.last()).map_or(0, |(first, last)| last.0 - first.0)
}

/// Where in the film `own` lies. Up to a group may come before the first that is whole.
fn part(
    what: &str,
    own: &[(i64, String)],
    film: &[(i64, String)],
    places: &HashMap<String, usize>,
    group: usize,
) -> Result<Part> {
    let begins = |(_, hash): &(i64, String)| places.get(hash).filter(|place| place.is_multiple_of(group)).copied();
    let begun = own.iter().take(group).enumerate().find_map(|(before, row)| Some((before, begins(row)?)));
    let Some((before, first)) = begun else {
        bail!("no {what} of the first {} that came begins a group of the film", own.len().min(group));
    };
    for (number, ((_, hash), (_, expected))) in own.iter().skip(before).zip(film.iter().skip(first)).enumerate() {
        if hash != expected {
            let place = places.get(hash).map_or("none of the film's".to_owned(), |place| format!("number {place}"));
            bail!("after {number} right ones, {what} {} is {place}", first + number);
        }
    }
    let count = own.len() - before;
    ensure!(first + count <= film.len(), "{} more of {what} than the film has", first + count - film.len());
    Ok(Part { first, count, all: film.len(), before })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pictures and sound of one film, by letters, 40 ms each; the sound `late` by so many milliseconds.
    fn shown(pictures: &str, sound: &str, late: i64) -> Shown {
        let rows = |text: &str, late: i64| -> Vec<(i64, String)> {
            text.chars().zip(0..).map(|(hash, number)| ((number * 40 + late) * 1_000_000, hash.to_string())).collect()
        };
        Shown { pictures: rows(pictures, 0), sound: rows(sound, late), ended: true, said: String::new() }
    }

    #[test]
    fn a_part_without_a_gap_is_told_from_everything_else() {
        let film = shown("abcdefghijkl", "ABCDEFGHIJKL", 0);
        for (pictures, sound, late, expected) in [
            ("abcdefghijkl", "ABCDEFGHIJKL", 0, "pictures 0..12 of 12, sound 0..12 of 12, apart by 0.0 ms at most"),
            ("efghijkl", "EFGHIJKL", 7, "pictures 4..12 of 12, sound 4..12 of 12, apart by 7.0 ms at most"),
            (
                "xyefghijkl",
                "EFGHIJKL",
                80,
                "pictures 4..12 of 12 (2 before), sound 4..12 of 12, apart by 0.0 ms at most",
            ),
            ("abcdefghijkl", "ABCDEFGHIJKL", 41, "sound and pictures are 41.0 ms apart"),
            ("abcdefhijkl", "ABCDEFGHIJKL", 0, "after 6 right ones, picture 6 is number 7"),
            ("abcdefgXijkl", "ABCDEFGHIJKL", 0, "after 7 right ones, picture 7 is none of the film's"),
            ("bcd", "ABCDEFGHIJKL", 0, "no picture of the first 3 that came begins a group of the film"),
            ("abcd", "ABCDEFGHIJKL", 0, "only pictures 0..4 of 12: "),
            ("abcdefghijkl", "ABCDEGHIJKL", 0, "after 5 right ones, frame of sound 5 is number 6"),
            ("abcdefghijkl", "ABC", 0, "only sound 0..3 of 12: "),
        ] {
            let result = shown(pictures, sound, late).compare(&film, 4);
            let result = result.and_then(|watched| watched.in_step(Some(Duration::from_millis(40))));
            let said = result.map_or_else(|error| error.root_cause().to_string(), |watched| watched.to_string());
            assert_eq!(said, expected, "{pictures} {sound}");
        }
        // GStreamer prints both on one page.
        let both = Shown { sound: Vec::new(), ..shown("abcdefghijkl", "", 0) };
        let mixed = Shown { pictures: [both.pictures, film.sound.clone()].concat(), ..both };
        assert!(mixed.compare(&film, 4).is_ok());
    }
}
