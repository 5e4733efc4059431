//! Fields of some bits, most significant first: quick, as each sample has some.

/// A cursor over bits.
pub(super) struct Bits<'a> {
    rest: &'a [u8],
    /// Those taken from `rest`, at the upper end.
    window: u64,
    /// How many of them there are.
    held: u32,
}

/// The bytes end inside a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Short;

impl<'a> Bits<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, window: 0, held: 0 }
    }

    fn fill(&mut self) {
        while self.held <= 56
            && let Some((&byte, rest)) = self.rest.split_first()
        {
            self.window |= u64::from(byte) << (56 - self.held);
            self.held += 8;
            self.rest = rest;
        }
    }

    /// The next `count` bits, at most 32.
    pub fn read(&mut self, count: u32) -> Result<u32, Short> {
        debug_assert!(count <= 32);
        if self.held < count {
            self.fill();
        }
        if self.held < count {
            return Err(Short);
        }
        // In two steps, as a shift by 64 is none.
        let value = self.window >> 32 >> (32 - count);
        self.window <<= count;
        self.held -= count;
        Ok(value as u32)
    }

    /// The next `count` bits as a number with a sign, at most 32.
    pub fn signed(&mut self, count: u32) -> Result<i32, Short> {
        let value = self.read(count)?;
        Ok(if count == 0 { 0 } else { value.cast_signed() << (32 - count) >> (32 - count) })
    }

    /// How many zeros come before the next one, which is taken too.
    pub fn zeros(&mut self) -> Result<u32, Short> {
        let mut count = 0;
        loop {
            self.fill();
            if self.held == 0 {
                return Err(Short);
            }
            let zeros = self.window.leading_zeros().min(self.held);
            count += zeros;
            if zeros < self.held {
                self.window = self.window << zeros << 1;
                self.held -= zeros + 1;
                return Ok(count);
            }
            (self.window, self.held) = (0, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_over_all_borders() {
        let mut bits = Bits::new(&[0b1010_0000, 0, 0, 0, 0, 0, 0, 0, 0, 0b0000_0110, 0xFF, 0x7F]);
        assert_eq!((bits.read(3), bits.read(0)), (Ok(5), Ok(0)));
        assert_eq!(bits.zeros(), Ok(74));
        assert_eq!(bits.signed(2), Ok(-2));
        assert_eq!(bits.signed(16), Ok(-129));
        assert_eq!((bits.read(1), bits.zeros()), (Err(Short), Err(Short)));
        assert_eq!(Bits::new(&[1, 2, 3, 4, 5]).read(32), Ok(0x0102_0304));
        assert_eq!(Bits::new(&[0, 0]).zeros(), Err(Short));
    }
}
