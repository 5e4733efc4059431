//! The trains of one worker: a few buffers, used over and over.

use rtp::train::{Framing, Train};

/// A train that is back on the shelf keeps at most this much memory, bytes.
const KEEP: usize = 64 << 10;

/// Names a train in [`Trains`] from [`Trains::take`] until [`Trains::give_back`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrainId(usize);

/// The trains of one worker.
#[derive(Debug, Default)]
pub struct Trains {
    trains: Vec<Train>,
    free: Vec<usize>,
}

impl Trains {
    /// An empty train.
    pub fn take(&mut self, framing: Framing) -> TrainId {
        match self.free.pop() {
            Some(index) => {
                self.trains[index].clear(framing);
                TrainId(index)
            }
            None => {
                self.trains.push(Train::new(framing));
                TrainId(self.trains.len() - 1)
            }
        }
    }

    /// Puts a train back that has been sent.
    pub fn give_back(&mut self, id: TrainId) {
        let train = &mut self.trains[id.0];
        if train.bytes().len() > KEEP {
            *train = Train::new(Framing::Datagram);
        }
        debug_assert!(!self.free.contains(&id.0));
        self.free.push(id.0);
    }

    /// The train.
    pub fn get(&self, id: TrainId) -> &Train {
        &self.trains[id.0]
    }

    /// The train, to lay packets down.
    pub fn get_mut(&mut self, id: TrainId) -> &mut Train {
        &mut self.trains[id.0]
    }

    /// How many are out.
    pub fn out(&self) -> usize {
        self.trains.len() - self.free.len()
    }
}
