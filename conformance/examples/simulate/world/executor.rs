//! A clock that jumps from one thing to do to the next, and the tasks that wait for it. Single-threaded: what happens
//! is a function of the order in which tasks are begun, and of nothing else.

use futures_util::future::{FutureExt, LocalBoxFuture};
use std::{
    cell::{Cell, RefCell},
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
    future::{Future, poll_fn},
    pin::Pin,
    rc::Rc,
    sync::{Arc, Mutex},
    task::{Context, Poll, Wake, Waker},
    time::{Duration, Instant},
};

/// Runs tasks in simulated time.
#[derive(Clone)]
pub struct Executor(Rc<Inner>);

struct Inner {
    base: Instant,
    now: Cell<Duration>,
    tasks: RefCell<Vec<Option<LocalBoxFuture<'static, ()>>>>,
    ready: Arc<Mutex<VecDeque<usize>>>,
    timers: RefCell<BinaryHeap<Reverse<(Duration, u64)>>>,
    /// By the timers' numbers.
    wakers: RefCell<std::collections::BTreeMap<u64, Waker>>,
    next_timer: Cell<u64>,
}

struct Ready {
    task: usize,
    ready: Arc<Mutex<VecDeque<usize>>>,
}

impl Wake for Ready {
    fn wake(self: Arc<Self>) {
        self.ready.lock().unwrap().push_back(self.task);
    }
}

impl Executor {
    pub fn new() -> Self {
        Self(Rc::new(Inner {
            base: Instant::now(),
            now: Cell::default(),
            tasks: RefCell::default(),
            ready: Arc::default(),
            timers: RefCell::default(),
            wakers: RefCell::default(),
            next_timer: Cell::default(),
        }))
    }

    /// Since the begin.
    pub fn elapsed(&self) -> Duration {
        self.0.now.get()
    }

    pub fn now(&self) -> Instant {
        self.0.base + self.0.now.get()
    }

    pub fn spawn(&self, task: impl Future<Output = ()> + 'static) -> usize {
        let mut tasks = self.0.tasks.borrow_mut();
        tasks.push(Some(task.boxed_local()));
        self.0.ready.lock().unwrap().push_back(tasks.len() - 1);
        tasks.len() - 1
    }

    /// Ends a task where it stands, as a crash would.
    pub fn cut_off(&self, task: usize) {
        let task = self.0.tasks.borrow_mut()[task].take();
        drop(task);
    }

    pub fn sleep(&self, time: Duration) -> Sleep {
        Sleep { inner: self.0.clone(), due: self.0.now.get() + time, number: None }
    }

    /// `None` if it takes longer.
    pub async fn within<T>(&self, time: Duration, work: impl Future<Output = T>) -> Option<T> {
        let (work, sleep) = (std::pin::pin!(work), std::pin::pin!(self.sleep(time)));
        match futures_util::future::select(work, sleep).await {
            futures_util::future::Either::Left((result, _)) => Some(result),
            futures_util::future::Either::Right(_) => None,
        }
    }

    /// Runs until `task` has ended; false if that is not within `limit` of the simulated clock, or nothing is left to
    /// do before.
    pub fn run(&self, task: usize, limit: Duration) -> bool {
        loop {
            loop {
                let next = self.0.ready.lock().unwrap().pop_front();
                let Some(next) = next else { break };
                self.poll(next);
            }
            if self.0.tasks.borrow()[task].is_none() {
                return true;
            }
            let Some(Reverse((due, number))) = self.0.timers.borrow_mut().pop() else { return false };
            // Nobody waits for it any more.
            let Some(waker) = self.0.wakers.borrow_mut().remove(&number) else { continue };
            if due > limit {
                return false;
            }
            self.0.now.set(due.max(self.0.now.get()));
            waker.wake();
        }
    }

    fn poll(&self, number: usize) {
        let Some(mut task) = self.0.tasks.borrow_mut()[number].take() else { return };
        let waker = Waker::from(Arc::new(Ready { task: number, ready: self.0.ready.clone() }));
        if task.poll_unpin(&mut Context::from_waker(&waker)).is_pending() {
            self.0.tasks.borrow_mut()[number] = Some(task);
        }
    }
}

/// Ends at a time of the simulated clock.
pub struct Sleep {
    inner: Rc<Inner>,
    due: Duration,
    /// Of the timer, once there is one.
    number: Option<u64>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let inner = self.inner.clone();
        if inner.now.get() >= self.due {
            return Poll::Ready(());
        }
        let due = self.due;
        let number = *self.number.get_or_insert_with(|| {
            let number = inner.next_timer.replace(inner.next_timer.get() + 1);
            inner.timers.borrow_mut().push(Reverse((due, number)));
            number
        });
        inner.wakers.borrow_mut().insert(number, cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            self.inner.wakers.borrow_mut().remove(&number);
        }
    }
}

/// Wakes all who wait.
#[derive(Default)]
pub struct Bell {
    rings: Cell<u64>,
    waiting: RefCell<Vec<Waker>>,
}

impl Bell {
    pub fn ring(&self) {
        self.rings.set(self.rings.get() + 1);
        self.waiting.take().into_iter().for_each(Waker::wake);
    }

    pub fn rings(&self) -> u64 {
        self.rings.get()
    }

    /// When it has rung more often than `heard`.
    pub async fn after(&self, heard: u64) {
        poll_fn(|cx| {
            if self.rings.get() > heard {
                return Poll::Ready(());
            }
            self.waiting.borrow_mut().push(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }
}
