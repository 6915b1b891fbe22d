use std::ops::Range;

use zeroize::Zeroizing;

/// The buffer has too little capacity left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the buffer is too small")]
pub struct NoRoom;

/// Where opened bytes live: one allocation that never grows, because growing leaves a copy behind,
/// wiped in full when it is dropped. No `Debug`, no `Clone`.
pub struct Buffer(Zeroizing<Vec<u8>>);

impl Buffer {
    /// An empty buffer for `capacity` bytes.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        Self(Zeroizing::new(Vec::with_capacity(capacity)))
    }

    /// The bytes at `range`, for as long as the borrow lasts; none when it is out of bounds.
    #[must_use]
    pub fn expose(&self, range: Range<usize>) -> &[u8] {
        self.0.get(range).unwrap_or_default()
    }

    /// Copies `bytes` behind what is already there and returns where they are.
    ///
    /// # Errors
    /// When there is no room for them.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Range<usize>, NoRoom> {
        if bytes.len() > self.0.capacity() - self.0.len() {
            return Err(NoRoom);
        }
        let start = self.0.len();
        self.0.extend_from_slice(bytes);
        Ok(start..self.0.len())
    }

    /// How many bytes are in use.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether none are.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Hands over the allocation. Whoever takes it wipes it.
    #[must_use]
    pub fn into_inner(self) -> Zeroizing<Vec<u8>> {
        self.0
    }

    pub(super) fn tail(&mut self, start: usize) -> &mut [u8] {
        self.0.get_mut(start..).unwrap_or_default()
    }

    /// Forgets what is behind `len`. For ciphertext that did not open: nothing secret is left.
    pub(super) fn rewind(&mut self, len: usize) {
        self.0.truncate(len);
    }
}
