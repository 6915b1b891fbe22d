use std::ops::Range;

/// The buffer has too little capacity left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the buffer is too small")]
pub struct NoRoom;

/// Where opened bytes live: one allocation that never grows, because growing leaves a copy behind,
/// wiped in full when it is dropped. No `Debug`, no `Clone`.
pub struct Buffer(Vec<u8>);

impl Buffer {
    /// An empty buffer for `capacity` bytes.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        Self(Vec::with_capacity(capacity))
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

    pub(super) fn tail(&mut self, start: usize) -> &mut [u8] {
        self.0.get_mut(start..).unwrap_or_default()
    }

    /// Wipes and forgets what is behind `len`.
    pub(super) fn rewind(&mut self, len: usize) {
        wipe(self.tail(len));
        self.0.truncate(len);
    }
}

/// Takes over bytes that stand elsewhere already, to be wiped from now on.
impl From<Vec<u8>> for Buffer {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

/// For a body on its way out, which is wiped once it was sent.
impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // Nothing is ever written behind the length: what `rewind` gave up, it has wiped.
        wipe(&mut self.0);
    }
}

/// As `zeroize`, which writes byte by byte, but as one `memset`: a boot wipes kilobytes. The
/// barrier keeps the compiler from taking the writes for useless.
fn wipe(bytes: &mut [u8]) {
    bytes.fill(0);
    zeroize::optimization_barrier(bytes);
}
