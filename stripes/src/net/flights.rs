//! Work that several wait for is done once.

use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared, WeakShared},
};
use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, PoisonError},
};

/// What is under way, by its key. It goes on as long as anybody waits for it, and ends with the last who gives up.
pub(super) struct Flights<K, T>(Arc<Mutex<HashMap<K, Flight<T>>>>);

struct Flight<T> {
    /// Tells it from a later one with the same key.
    number: u64,
    work: WeakShared<BoxFuture<'static, T>>,
}

/// Takes its flight off the list when the work ends or is given up.
struct Landing<K: Eq + Hash, T> {
    flights: Arc<Mutex<HashMap<K, Flight<T>>>>,
    key: K,
    number: u64,
}

impl<K: Copy + Eq + Hash + Send + 'static, T: Clone + Send + Sync + 'static> Flights<K, T> {
    pub fn new() -> Self {
        Self(Arc::default())
    }

    /// The work with this key that is under way, else what `begin` says: work that is now begun, or a result at once.
    pub fn join(
        &self,
        key: K,
        begin: impl FnOnce() -> Result<T, BoxFuture<'static, T>>,
    ) -> Result<T, Shared<BoxFuture<'static, T>>> {
        let mut flights = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = flights.get(&key);
        if let Some(work) = known.and_then(|flight| flight.work.upgrade()) {
            return Err(work);
        }
        let number = known.map_or(0, |flight| flight.number + 1);
        let work = match begin() {
            Ok(result) => return Ok(result),
            Err(work) => work,
        };
        let landing = Landing { flights: self.0.clone(), key, number };
        let work = async move {
            let result = work.await;
            drop(landing);
            result
        };
        let work = work.boxed().shared();
        if let Some(weak) = work.downgrade() {
            flights.insert(key, Flight { number, work: weak });
        }
        Err(work)
    }
}

impl<K: Eq + Hash, T> Drop for Landing<K, T> {
    fn drop(&mut self) {
        let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        if flights.get(&self.key).is_some_and(|flight| flight.number == self.number) {
            flights.remove(&self.key);
        }
    }
}
