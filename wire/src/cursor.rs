//! Bounded reading and the few integer codes that the wire forms share.
//!
//! A reader never goes past its slice and never allocates; a code that does not fit is an error, so that damaged
//! bytes end in a refusal.

/// The bytes ended early, or a number is longer than its code allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("damaged or truncated bytes")]
pub struct Damaged;

/// Reads forward over a slice.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    /// A reader of all of `bytes`.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// Whether everything has been read.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Bytes left.
    #[must_use]
    pub const fn rest(&self) -> &'a [u8] {
        self.bytes
    }

    /// The next `count` bytes.
    ///
    /// # Errors
    /// [`Damaged`] when fewer are left.
    #[inline]
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], Damaged> {
        let (head, rest) = self.bytes.split_at_checked(count).ok_or(Damaged)?;
        self.bytes = rest;
        Ok(head)
    }

    /// The next byte.
    ///
    /// # Errors
    /// [`Damaged`] at the end.
    #[inline]
    pub fn u8(&mut self) -> Result<u8, Damaged> {
        let (first, rest) = self.bytes.split_first().ok_or(Damaged)?;
        self.bytes = rest;
        Ok(*first)
    }

    /// A reader of the next `count` bytes alone.
    ///
    /// # Errors
    /// [`Damaged`] when fewer are left.
    pub fn part(&mut self, count: usize) -> Result<Self, Damaged> {
        self.take(count).map(Self::new)
    }

    /// A little-endian number of 0 to 8 bytes.
    ///
    /// # Errors
    /// [`Damaged`] when fewer bytes are left.
    #[inline]
    pub fn little(&mut self, count: usize) -> Result<u64, Damaged> {
        // Away from the end one load and a mask; the loop below costs a branch a byte.
        if let Some(eight) = self.bytes.first_chunk::<8>()
            && count < 8
        {
            self.bytes = &self.bytes[count..];
            return Ok(u64::from_le_bytes(*eight) & ((1 << (8 * count)) - 1));
        }
        let mut value = 0;
        for (i, byte) in self.take(count)?.iter().enumerate() {
            value |= u64::from(*byte) << (8 * i);
        }
        Ok(value)
    }

    /// A varint: seven bits a byte, low first, at most ten bytes.
    ///
    /// # Errors
    /// [`Damaged`] when it ends early or does not fit 64 bits.
    #[inline]
    pub fn varint(&mut self) -> Result<u64, Damaged> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return Err(Damaged);
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Damaged)
    }

    /// A zigzag varint.
    ///
    /// # Errors
    /// As [`Reader::varint`].
    #[inline]
    pub fn signed(&mut self) -> Result<i64, Damaged> {
        self.varint().map(unzigzag)
    }
}

/// Small magnitudes of either sign as small numbers: 0, −1, 1, −2 … become 0, 1, 2, 3 …
#[must_use]
#[inline]
#[expect(clippy::cast_sign_loss, reason = "zigzag is defined on the bits")]
pub const fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// The inverse of [`zigzag`].
#[must_use]
#[inline]
#[expect(clippy::cast_possible_wrap, reason = "zigzag is defined on the bits")]
pub const fn unzigzag(code: u64) -> i64 {
    (code >> 1) as i64 ^ -((code & 1) as i64)
}

/// Appends a varint.
#[inline]
pub fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(low_byte(value) | 0x80);
        value >>= 7;
    }
    out.push(low_byte(value));
}

/// Appends a zigzag varint.
#[inline]
pub fn put_signed(out: &mut Vec<u8>, value: i64) {
    put_varint(out, zigzag(value));
}

/// Appends the low `count` bytes, little-endian.
#[inline]
pub fn put_little(out: &mut Vec<u8>, value: u64, count: usize) {
    out.extend_from_slice(&value.to_le_bytes()[..count]);
}

/// Bytes that a number needs, 0 for zero.
#[must_use]
#[inline]
pub const fn bytes_of(value: u64) -> usize {
    (71 - value.leading_zeros() as usize) / 8
}

/// The low byte.
#[must_use]
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the cut is the purpose")]
pub const fn low_byte(value: u64) -> u8 {
    value as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_round_trip_at_every_length() {
        for shift in 0..64 {
            for value in [1_u64 << shift, (1_u64 << shift) - 1, u64::MAX >> shift] {
                let mut out = Vec::new();
                put_varint(&mut out, value);
                assert_eq!(Reader::new(&out).varint(), Ok(value));
                assert_eq!(unzigzag(zigzag(value.cast_signed())), value.cast_signed());
                for end in 0..out.len() {
                    assert_eq!(Reader::new(&out[..end]).varint(), Err(Damaged));
                }
            }
        }
        assert_eq!(Reader::new(&[0xff; 11]).varint(), Err(Damaged));
    }

    #[test]
    fn lengths_are_the_least_that_hold() {
        for (value, bytes) in [(0, 0), (1, 1), (255, 1), (256, 2), (65_535, 2), (65_536, 3), (u64::MAX, 8)] {
            assert_eq!(bytes_of(value), bytes);
        }
    }
}
