//! Binary fields without ambiguity: integers little-endian, texts as u16 length and bytes. Used
//! for associated data, headers and the small files of the data directory; there is one way to
//! write each, and [`Reader::end`] refuses what is left over.

/// The bytes end early, go on too long, or are not the text they should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed at byte {offset}")]
pub struct Malformed {
    /// Where reading stopped.
    pub offset: usize,
}

/// Writes fields one after the other.
#[derive(Default)]
pub struct Writer(Vec<u8>);

impl Writer {
    /// Nothing written yet.
    #[must_use]
    pub fn new() -> Self {
        Self(Vec::with_capacity(256))
    }

    /// Bytes whose number the reader knows.
    #[must_use]
    pub fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// One byte.
    #[must_use]
    pub fn u8(self, number: u8) -> Self {
        self.raw(&[number])
    }

    /// Two bytes.
    #[must_use]
    pub fn u16(self, number: u16) -> Self {
        self.raw(&number.to_le_bytes())
    }

    /// Four bytes.
    #[must_use]
    pub fn u32(self, number: u32) -> Self {
        self.raw(&number.to_le_bytes())
    }

    /// Eight bytes.
    #[must_use]
    pub fn u64(self, number: u64) -> Self {
        self.raw(&number.to_le_bytes())
    }

    /// Eight bytes, signed.
    #[must_use]
    pub fn i64(self, number: i64) -> Self {
        self.raw(&number.to_le_bytes())
    }

    /// A text of at most 65,535 bytes. Callers write checked names; a longer text writes a length
    /// that no reader agrees with, so that it is refused rather than cut.
    #[must_use]
    pub fn text(self, text: &str) -> Self {
        self.u16(u16::try_from(text.len()).unwrap_or(u16::MAX)).raw(text.as_bytes())
    }

    /// The bytes.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.0
    }
}

/// Reads fields in the order in which they were written.
pub struct Reader<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    /// Starts at the first byte.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, offset: 0 }
    }

    /// The next `count` bytes.
    ///
    /// # Errors
    /// When fewer are left.
    pub fn raw(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let end = self.offset.checked_add(count).ok_or(self.malformed())?;
        let taken = self.bytes.get(self.offset..end).ok_or(self.malformed())?;
        self.offset = end;
        Ok(taken)
    }

    /// The next `N` bytes.
    ///
    /// # Errors
    /// When fewer are left.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let malformed = self.malformed();
        self.raw(N)?.try_into().map_err(|_| malformed)
    }

    /// One byte.
    ///
    /// # Errors
    /// When none is left.
    pub fn u8(&mut self) -> Result<u8, Malformed> {
        self.array().map(u8::from_le_bytes)
    }

    /// Two bytes.
    ///
    /// # Errors
    /// When fewer are left.
    pub fn u16(&mut self) -> Result<u16, Malformed> {
        self.array().map(u16::from_le_bytes)
    }

    /// Four bytes.
    ///
    /// # Errors
    /// When fewer are left.
    pub fn u32(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_le_bytes)
    }

    /// Eight bytes.
    ///
    /// # Errors
    /// When fewer are left.
    pub fn u64(&mut self) -> Result<u64, Malformed> {
        self.array().map(u64::from_le_bytes)
    }

    /// Eight bytes, signed.
    ///
    /// # Errors
    /// When fewer are left.
    pub fn i64(&mut self) -> Result<i64, Malformed> {
        self.array().map(i64::from_le_bytes)
    }

    /// A text.
    ///
    /// # Errors
    /// When it is cut short or not UTF-8.
    pub fn text(&mut self) -> Result<&'a str, Malformed> {
        let malformed = self.malformed();
        let length = self.u16()?;
        std::str::from_utf8(self.raw(length.into())?).map_err(|_| malformed)
    }

    /// Everything that is left.
    pub fn rest(&mut self) -> &'a [u8] {
        let rest = self.bytes.get(self.offset..).unwrap_or_default();
        self.offset = self.bytes.len();
        rest
    }

    /// Where the next field starts.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// Refuses bytes after the last field.
    ///
    /// # Errors
    /// When there are any.
    pub fn end(self) -> Result<(), Malformed> {
        if self.offset == self.bytes.len() { Ok(()) } else { Err(self.malformed()) }
    }

    /// An error at the next field, for a caller that found it meaningless.
    #[must_use]
    pub fn malformed(&self) -> Malformed {
        Malformed { offset: self.offset }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_over_or_missing_is_refused() {
        let bytes = Writer::new().u16(7).text("ab").finish();
        let mut reader = Reader::new(&bytes);
        assert_eq!((reader.u16(), reader.text()), (Ok(7), Ok("ab")));
        assert_eq!(reader.end(), Ok(()));
        assert_eq!(Reader::new(&bytes).end(), Err(Malformed { offset: 0 }));
        let mut short = Reader::new(bytes.get(..5).unwrap());
        assert!(short.u16().is_ok() && short.text().is_err());
    }
}
