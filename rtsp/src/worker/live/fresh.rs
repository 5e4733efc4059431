//! Bursts that have come and have not been sent yet: several only where a worker is behind.

use super::station::StationId;
use crate::channel::Burst;
use std::{collections::VecDeque, sync::Arc};

/// In the order in which they came.
#[derive(Default)]
pub(super) struct Fresh(VecDeque<(StationId, Arc<Burst>)>);

impl Fresh {
    /// Adds one. While an earlier one of its track waits, both become one: the further a worker is behind, the fewer sends it
    /// needs to catch up. `train_packets` leave together at most; `joined` is the number of the first burst that comes to
    /// whoever has joined last: what that one has had must stay apart from what it has not.
    pub(super) fn add(&mut self, station: StationId, burst: Arc<Burst>, train_packets: usize, joined: u64) {
        let same = |(of, waiting): &&mut (StationId, Arc<Burst>)| *of == station && waiting.track == burst.track;
        if let Some((_, waiting)) = self.0.iter_mut().rev().find(same)
            && waiting.number >= joined
            && let Some(both) = waiting.with(&burst, train_packets)
        {
            *waiting = Arc::new(both);
            return;
        }
        self.0.push_back((station, burst));
    }

    /// The next to send.
    pub(super) fn take(&mut self) -> Option<(StationId, Arc<Burst>)> {
        self.0.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::{Channel, ChannelOptions, LiveUnit, Tap, TrackDescription};
    use rtp::{
        clock::Ticks,
        format::{Format, PcmCoding},
        packet::RtpPacket,
    };
    use std::{sync::Mutex, time::Instant};

    /// Keeps what it hears.
    #[derive(Default)]
    struct Ear(Mutex<Vec<Arc<Burst>>>);

    impl Tap for Ear {
        fn burst(&self, burst: &Arc<Burst>) {
            self.0.lock().unwrap().push(burst.clone());
        }

        fn ended(&self, _: &str) {}
    }

    /// What a feed brings: pictures by their bytes, `k` before those where decoding may begin, `s`: sound.
    fn bursts(script: &str) -> Vec<Arc<Burst>> {
        let channel = Channel::new("news", ChannelOptions { max_packet: 1_212, ..ChannelOptions::default() });
        let video = Format::Mp4vEs { config: vec![], width: 16, height: 16 };
        let audio = Format::Pcm { coding: PcmCoding::Mulaw, sample_rate: 8000, channels: 1 };
        let describe = |format| TrackDescription { format, language: None, bandwidth_bps: None };
        let feeder = channel.feed([video, audio].map(describe).into(), Instant::now()).unwrap();
        let ear = Arc::new(Ear::default());
        channel.join(&channel.live().unwrap(), ear.clone()).unwrap();
        for (number, word) in script.split_whitespace().enumerate() {
            let at = number as i64;
            if word == "s" {
                feeder.unit(1, LiveUnit::sound(vec![1; 160], Ticks(at * 320)), Instant::now());
                continue;
            }
            let (sync, bytes) = word.strip_prefix('k').map_or((false, word), |bytes| (true, bytes));
            let mut data = vec![number as u8; bytes.parse().unwrap()];
            data[..5].copy_from_slice(&[0, 0, 1, 0xB6, if sync { 0 } else { 0x40 }]);
            let (dts, pts) = (Ticks(at * 3_600), Ticks(at * 3_600));
            feeder.unit(0, LiveUnit { data: data.into(), dts, pts, sync }, Instant::now());
        }
        ear.0.lock().unwrap().clone()
    }

    /// What leaves of that when all has waited, each as `number:packets`, where somebody joined before burst `joined`.
    fn check(name: &str, script: &str, joined: u64, expected: &str) {
        let mut fresh = Fresh::default();
        let bursts = bursts(script);
        for burst in &bursts {
            fresh.add(StationId(1), burst.clone(), 16, joined);
        }
        let mut left = Vec::new();
        while let Some((_, burst)) = fresh.take() {
            left.push(burst);
        }
        let words: Vec<String> = left.iter().map(|burst| format!("{}:{}", burst.number, burst.train.len())).collect();
        assert_eq!(words.join(" "), expected, "{name}");
        // Nothing is lost or changed, whatever became one.
        for track in [0, 1] {
            let of = |bursts: &[Arc<Burst>]| -> Vec<(u16, Vec<u8>)> {
                let trains = bursts.iter().filter(|burst| burst.track == track).map(|burst| &burst.train);
                let packets = trains.flat_map(|train| (0..train.len()).map(|number| train.packet(number)));
                packets.map(|p| RtpPacket::parse(p).map(|p| (p.sequence.0, p.payload.to_vec())).unwrap()).collect()
            };
            assert_eq!(of(&left), of(&bursts), "{name}: track {track}");
        }
    }

    #[test]
    fn what_waits_becomes_one_with_what_comes_after_it() {
        check("one", "k6000", 0, "1:5");
        check("two", "k6000 2400", 0, "1:7");
        check("sound lies between", "k6000 s 2400 s 1000", 0, "1:8 2:2");
        check("no more than leave at once", "k12000 6000 2400", 0, "1:15 3:2");
        check("a group begins", "2400 2400 k2400 2400", 0, "1:4 3:4");
        check("somebody joined between", "k2400 2400 2400 2400", 3, "1:2 2:2 3:4");
    }

    #[test]
    fn channels_stay_apart() {
        let mut fresh = Fresh::default();
        for (station, burst) in [1, 2].into_iter().cycle().zip(bursts("k2400 2400")) {
            fresh.add(StationId(station), burst, 16, 0);
        }
        assert_eq!(std::iter::from_fn(|| fresh.take()).count(), 2);
    }
}
