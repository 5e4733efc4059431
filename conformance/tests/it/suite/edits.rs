//! What faults do to packets.

/// Every `nth` packet.
pub fn now_and_then(count: &mut u32, nth: u32) -> bool {
    *count += 1;
    count.is_multiple_of(nth)
}

/// The 32 bits at `at` made something else.
pub fn edit(packet: &mut [u8], at: usize, change: impl FnOnce(u32) -> u32) {
    let value = u32::from_be_bytes(packet[at..at + 4].try_into().unwrap());
    packet[at..at + 4].copy_from_slice(&change(value).to_be_bytes());
}

/// The SSRC stays what it was at first.
pub fn keep_name(packet: &mut [u8], first: &mut u32) {
    edit(packet, 8, |name| {
        *first = if *first == 0 { name } else { *first };
        *first
    });
}

/// Two sender reports at once.
pub const TWICE: [u8; 64] = {
    let mut frames = [0; 64];
    let head = [b'$', 1, 0, 28, 0x80, 200, 0, 6, 0, 0, 0, 7];
    let mut at = 0;
    while at < 64 {
        frames[at] = if at % 32 < head.len() { head[at % 32] } else { 0 };
        at += 1;
    }
    frames
};

/// Of either film's sound.
pub fn is_audio(packet: &[u8]) -> bool {
    packet[1] & 0x7f == 97 || packet[1] & 0x7f == 14
}
