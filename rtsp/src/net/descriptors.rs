//! How many files and sockets this process may have.

use std::io;

/// Raises the soft limit on descriptors to the hard one, and answers it: each connection takes one, and the usual soft
/// limit of 1,024 would end a front's service there.
///
/// # Errors
/// The system refuses to tell or to change the limit.
pub fn raise_limit() -> io::Result<u64> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointer is to a live rlimit of ours for the length of the call.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) } != 0 {
        return Err(io::Error::last_os_error());
    }
    limit.rlim_cur = limit.rlim_max;
    // SAFETY: as above; the call only reads it.
    if unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(limit.rlim_cur)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_limit_is_raised_and_stays() {
        let first = super::raise_limit().unwrap();
        assert!(first > 0);
        assert_eq!(super::raise_limit().unwrap(), first);
    }
}
