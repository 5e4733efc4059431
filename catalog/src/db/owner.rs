//! Who writes an object, so that a sweep never takes one from a process that lives.

use std::fs;
use std::sync::LazyLock;
use std::time::Duration;

/// How often a writer says that it lives.
pub const HEARTBEAT: Duration = Duration::from_secs(10);
/// A writer on another host that has said nothing for so long is dead.
pub const STALE: Duration = Duration::from_secs(120);

/// A process, told apart from every other that was or will be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The kernel's boot and the process id namespace: within one, process ids can be asked for.
    pub host: String,
    /// Process id.
    pub pid: i64,
    /// When the process started, clock ticks since boot: ids come again, times don't.
    pub start: i64,
}

static THIS_PROCESS: LazyLock<Owner> = LazyLock::new(|| {
    let pid = i64::from(std::process::id());
    match (this_host(), started(pid)) {
        (Some(host), Some(start)) => Owner { host, pid, start },
        // Without /proc nobody can be asked: a host of its own, so that only the heartbeat counts.
        _ => Owner { host: format!("process-{:032x}", rand::random::<u128>()), pid, start: 0 },
    }
});

impl Owner {
    /// Ours.
    pub fn this_process() -> &'static Owner {
        &THIS_PROCESS
    }

    /// Whether it may still be writing, where its last `heartbeat` was at that second and it is now `now`.
    pub fn is_alive(&self, heartbeat: i64, now: i64) -> bool {
        if self.host == THIS_PROCESS.host {
            return started(self.pid) == Some(self.start) || *self == *THIS_PROCESS;
        }
        now.saturating_sub(heartbeat) < STALE.as_secs() as i64
    }
}

fn this_host() -> Option<String> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let namespace = fs::read_link("/proc/self/ns/pid").ok()?;
    Some(format!("{} {}", boot.trim(), namespace.display()))
}

/// Field 22 of /proc/PID/stat (proc(5)); the second field, the name, may hold blanks and brackets.
fn started(pid: i64) -> Option<i64> {
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    let after_name = stat.iter().rposition(|byte| *byte == b')')?;
    let fields = std::str::from_utf8(&stat[after_name + 1..]).ok()?;
    let mut fields = fields.split_ascii_whitespace();
    // A zombie writes no more.
    if fields.next()? == "Z" {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_living_and_the_dead() {
        let me = Owner::this_process().clone();
        assert!(me.is_alive(0, i64::MAX));
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let pid = i64::from(child.id());
        let other = Owner { pid, start: started(pid).unwrap(), ..me.clone() };
        assert!(other.is_alive(0, i64::MAX));
        let reused = Owner { start: other.start - 1, ..other.clone() };
        assert!(!reused.is_alive(i64::MAX, i64::MAX));
        child.kill().unwrap();
        while started(pid).is_some() {
            std::thread::yield_now();
        }
        assert!(!other.is_alive(i64::MAX, i64::MAX));
        child.wait().unwrap();
        let far = Owner { host: "elsewhere".into(), ..me };
        assert!(far.is_alive(1_000, 1_000 + STALE.as_secs() as i64 - 1));
        assert!(!far.is_alive(1_000, 1_000 + STALE.as_secs() as i64));
    }
}
