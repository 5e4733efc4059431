//! Fuzz targets over everything that reads what strangers wrote, and the bounds that each input must keep.
//!
//! - [`entry`]: the targets; the ordinary tests run the seeds through the same functions
//! - [`run`]: one input within [`MAX_CPU`] and [`MAX_MEMORY`]
//! - [`target`]: a target's program

pub mod entry;
mod memory;

use std::time::Duration;

/// Of one input of at most 64 KiB: a file may be slow by its length, never by its content. Time of the processor, so
/// that a busy machine is no finding.
pub const MAX_CPU: Duration = Duration::from_secs(2);
/// Bytes that one input may have allocated at once.
pub const MAX_MEMORY: usize = 100 << 20;

/// Runs the target `name` over one input.
///
/// # Panics
/// Where the input breaks a rule of the target, or takes too long or too much.
pub fn run(name: &str, input: &[u8]) {
    let target = entry::TARGETS.iter().find(|(known, _)| *known == name);
    let (_, target) = target.unwrap_or_else(|| panic!("no target {name}"));
    memory::start(MAX_MEMORY);
    let began = processor_time();
    target(input);
    let took = processor_time().saturating_sub(began);
    assert!(took < MAX_CPU, "{} bytes took {took:?}", input.len());
}

/// What this thread has had of the processor.
fn processor_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: it writes one timespec, which is ours.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// The program of the target that has the program's name.
#[macro_export]
macro_rules! target {
    () => {
        libfuzzer_sys::fuzz_target!(|input: &[u8]| $crate::run(env!("CARGO_BIN_NAME"), input));
    };
}
