//! The canonical name by which a receiver knows that tracks are of one presentation (RFC 3550 section 6.5.1).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// A CNAME of RFC 7022's short-term kind (section 4.2): 96 random bits, in 16 characters. One for all tracks of what a
/// viewer plays, and not told from any other's.
pub fn cname(random: [u8; 12]) -> String {
    STANDARD.encode(random)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_and_differ() {
        assert_eq!(cname([0; 12]), "AAAAAAAAAAAAAAAA");
        assert_eq!(cname([0xFF; 12]), "////////////////");
        assert_eq!(cname([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]), "AQIDBAUGBwgJCgsM");
    }
}
