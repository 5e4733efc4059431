//! Network namespaces, each with `eth0`, on one bridge that forwards groups only to where they were joined.

use std::{
    fs::File,
    os::fd::AsRawFd,
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
    thread,
};

/// The address of the first namespace, the next ones' follow it.
pub const FRONT: &str = "10.77.0.1";

/// Namespaces of this process alone; they are gone when this is dropped. It takes root.
#[derive(Debug)]
pub struct Net {
    names: Vec<String>,
    bridge: String,
}

impl Net {
    /// The front's, number 0 with address [`FRONT`] and fd77::1, and so many more.
    ///
    /// # Errors
    /// What `ip` says.
    pub fn new(viewers: usize) -> Result<Self, String> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let id = format!("{}x{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let names: Vec<String> = (0..=viewers).map(|number| format!("mobidic{id}n{number}")).collect();
        let net = Self { names, bridge: format!("mobidic{id}br") };
        ip(&format!("netns add {}", net.bridge))?;
        let within = |namespace: &str, what: &str| ip(&format!("-n {namespace} {what}"));
        within(&net.bridge, "link add br0 type bridge mcast_snooping 1 mcast_querier 1")?;
        within(&net.bridge, "link set br0 up")?;
        for (name, number) in net.names.iter().zip(1..) {
            ip(&format!("netns add {name}"))?;
            within(&net.bridge, &format!("link add port{number} type veth peer name eth0 netns {name}"))?;
            within(&net.bridge, &format!("link set port{number} master br0 up"))?;
            within(name, "link set lo up")?;
            within(name, "link set eth0 up")?;
            within(name, &format!("addr add 10.77.0.{number}/24 dev eth0"))?;
            within(name, &format!("addr add fd77::{number}/64 dev eth0 nodad"))?;
            // Players join where the group's route leads.
            within(name, "route add default dev eth0")?;
        }
        Ok(net)
    }

    /// The namespace of that number.
    pub fn name(&self, number: usize) -> &str {
        &self.names[number]
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        for name in self.names.iter().chain([&self.bridge]) {
            let _ = ip(&format!("netns del {name}"));
        }
    }
}

fn ip(arguments: &str) -> Result<(), String> {
    let output = Command::new("ip").args(arguments.split(' ')).output();
    let output = output.map_err(|error| format!("no `ip` to make network namespaces with: {error}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!("ip {arguments}: {}", String::from_utf8_lossy(&output.stderr).trim())),
    }
}

/// Runs `what` on a thread of that namespace: its sockets, and the programs that it starts, are there.
pub fn within<T: Send>(namespace: &str, what: impl FnOnce() -> T + Send) -> T {
    thread::scope(|threads| {
        let thread = threads.spawn(|| {
            let file = File::open(format!("/run/netns/{namespace}")).unwrap();
            // SAFETY: a descriptor that is open through the call, which changes this thread alone.
            let moved = unsafe { libc::setns(file.as_raw_fd(), libc::CLONE_NEWNET) };
            assert_eq!(moved, 0, "{namespace}: {}", std::io::Error::last_os_error());
            what()
        });
        thread.join().unwrap()
    })
}
