//! An allocator that counts, and ends the program at the allocation that is too much, so that its trace tells where.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

static USED: AtomicUsize = AtomicUsize::new(0);
static LIMIT: AtomicUsize = AtomicUsize::new(usize::MAX);

/// From here on `more` bytes may be allocated.
pub fn start(more: usize) {
    LIMIT.store(USED.load(Relaxed).saturating_add(more), Relaxed);
}

struct Counting;

impl Counting {
    fn take(&self, size: usize) {
        if USED.fetch_add(size, Relaxed).saturating_add(size) > LIMIT.load(Relaxed) {
            // To panic takes memory too.
            LIMIT.store(usize::MAX, Relaxed);
            panic!("an allocation of {size} bytes passes the limit");
        }
    }
}

// SAFETY: all memory is the system's, layouts are passed on as they came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.take(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        USED.fetch_sub(layout.size(), Relaxed);
        unsafe { System.dealloc(pointer, layout) }
    }
}
