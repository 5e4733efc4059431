//! Work that several wait for is done once.
//!
//! Of two kinds, by what it finds out: [`Flights::join`] is for what never changes, as a unit's bytes; [`Flights::next`]
//! for what may, as rows of a database: there nobody is told what was found before they asked.

use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared, WeakShared},
};
use std::{
    collections::HashMap,
    fmt,
    hash::Hash,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
};

/// What is under way, by its key. It goes on as long as anybody waits for it, and ends with the last who gives up.
pub struct Flights<K, T>(Arc<Mutex<HashMap<K, Flight<T>>>>);

struct Flight<T> {
    /// Tells it from a later one with the same key.
    number: u64,
    work: WeakShared<BoxFuture<'static, T>>,
    /// Whether it has begun; with [`Flights::next`] nobody joins it then.
    begun: Arc<AtomicBool>,
}

/// Takes its flight off the list when the work ends or is given up.
struct Landing<K: Eq + Hash, T> {
    flights: Arc<Mutex<HashMap<K, Flight<T>>>>,
    key: K,
    number: u64,
}

impl<K: Clone + Eq + Hash + Send + 'static, T: Clone + Send + Sync + 'static> Flights<K, T> {
    /// Nothing is under way.
    pub fn new() -> Self {
        Self::default()
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
        Err(self.depart(&mut flights, key, number, Arc::default(), work))
    }

    /// The work with this key that waits to begin, else what `begin` says, which begins as soon as what is under way with
    /// this key has ended. So all who ask while one works share the next, and none of them hears what was found before
    /// they asked.
    pub fn next(&self, key: K, begin: impl FnOnce() -> BoxFuture<'static, T>) -> Shared<BoxFuture<'static, T>> {
        let mut flights = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = flights.get(&key);
        let number = known.map_or(0, |flight| flight.number + 1);
        let before = known.and_then(|flight| Some((flight.work.upgrade()?, flight.begun.load(SeqCst))));
        let before = match before {
            Some((waiting, false)) => return waiting,
            Some((under_way, true)) => Some(under_way),
            None => None,
        };
        let (begun, work) = (Arc::new(AtomicBool::new(false)), begin());
        let begins = begun.clone();
        let work = async move {
            if let Some(before) = before {
                before.await;
            }
            begins.store(true, SeqCst);
            work.await
        };
        self.depart(&mut flights, key, number, begun, work.boxed())
    }

    fn depart(
        &self,
        flights: &mut HashMap<K, Flight<T>>,
        key: K,
        number: u64,
        begun: Arc<AtomicBool>,
        work: BoxFuture<'static, T>,
    ) -> Shared<BoxFuture<'static, T>> {
        let landing = Landing { flights: self.0.clone(), key: key.clone(), number };
        let work = async move {
            let result = work.await;
            drop(landing);
            result
        };
        let work = work.boxed().shared();
        if let Some(weak) = work.downgrade() {
            flights.insert(key, Flight { number, work: weak, begun });
        }
        work
    }
}

impl<K, T> Default for Flights<K, T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<K, T> fmt::Debug for Flights<K, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let under_way = self.0.lock().unwrap_or_else(PoisonError::into_inner).len();
        f.debug_struct("Flights").field("under_way", &under_way).finish()
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

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::future::join_all;
    use std::{
        sync::atomic::{AtomicU32, Ordering::SeqCst},
        task::{Context, Poll, Waker},
    };
    use tokio::sync::Semaphore;

    /// What changes, how often it was looked at, and who lets a look end.
    struct World {
        flights: Flights<String, u32>,
        value: Arc<AtomicU32>,
        looks: Arc<AtomicU32>,
        let_end: Arc<Semaphore>,
    }

    impl World {
        fn new() -> Self {
            let (flights, let_end) = (Flights::new(), Arc::new(Semaphore::new(0)));
            Self { flights, value: Arc::default(), looks: Arc::default(), let_end }
        }

        fn next(&self) -> Shared<BoxFuture<'static, u32>> {
            let (value, looks, let_end) = (self.value.clone(), self.looks.clone(), self.let_end.clone());
            let look = async move {
                looks.fetch_add(1, SeqCst);
                let found = value.load(SeqCst);
                let_end.acquire().await.unwrap().forget();
                found
            };
            self.flights.next("film".into(), || look.boxed())
        }

        fn under_way(&self) -> usize {
            self.flights.0.lock().unwrap().len()
        }
    }

    fn poll(work: &mut Shared<BoxFuture<'static, u32>>) -> Poll<u32> {
        work.poll_unpin(&mut Context::from_waker(Waker::noop()))
    }

    #[tokio::test]
    async fn who_asks_while_one_looks_shares_the_next_look() {
        let world = World::new();
        let mut first = world.next();
        assert!(poll(&mut first).is_pending());
        world.value.store(1, SeqCst);
        // None of these may hear of 0.
        let rest: Vec<_> = (0..300).map(|_| world.next()).collect();
        world.let_end.add_permits(1);
        assert_eq!(first.await, 0);
        world.let_end.add_permits(1);
        assert!(join_all(rest).await.iter().all(|found| *found == 1));
        assert_eq!((world.looks.load(SeqCst), world.under_way()), (2, 0));
    }

    #[tokio::test]
    async fn who_gives_up_holds_nobody_up_and_leaves_nothing() {
        let world = World::new();
        let mut first = world.next();
        assert!(poll(&mut first).is_pending());
        let mut second = world.next();
        assert!(poll(&mut second).is_pending());
        drop(first);
        // The second saw the first to its end.
        world.let_end.add_permits(2);
        assert_eq!(second.await, 0);
        let mut third = world.next();
        assert!(poll(&mut third).is_pending());
        drop(third);
        assert_eq!((world.looks.load(SeqCst), world.under_way()), (3, 0));
    }
}
