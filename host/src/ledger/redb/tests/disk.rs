//! A disk in memory that fails when it is told to, and that forgets, at a power loss, whatever it
//! likes of what was not synced.

use std::{io, sync::Arc};

use parking_lot::Mutex;
use redb::StorageBackend;

#[derive(Clone, Debug, Default)]
pub(super) struct Disk(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    current: Vec<u8>,
    durable: Vec<u8>,
    pending: Vec<Pending>,
    /// How many operations more succeed.
    left: Option<u64>,
}

#[derive(Debug)]
enum Pending {
    Length(usize),
    Bytes(usize, Vec<u8>),
}

impl Disk {
    /// Fails every write and sync after `operations` more.
    pub(super) fn fail_after(&self, operations: u64) {
        self.0.lock().left = Some(operations);
    }

    /// The same disk, as its process left it.
    pub(super) fn restarted(&self) -> Self {
        let bytes = self.0.lock().current.clone();
        Self::holding(bytes)
    }

    /// What the power left: all that was synced, and of the rest what `draw` says, whole or half.
    pub(super) fn after_power_loss(&self, mut draw: impl FnMut() -> u64) -> Self {
        let state = self.0.lock();
        let mut bytes = state.durable.clone();
        for pending in &state.pending {
            match (pending, draw() % 3) {
                (_, 0) => {}
                (Pending::Bytes(at, data), 1) => {
                    Pending::Bytes(*at, data[..data.len() / 2].to_vec()).apply(&mut bytes);
                }
                (pending, _) => pending.apply(&mut bytes),
            }
        }
        Self::holding(bytes)
    }

    fn holding(bytes: Vec<u8>) -> Self {
        let state = State { current: bytes.clone(), durable: bytes, ..State::default() };
        Self(Arc::new(Mutex::new(state)))
    }
}

impl State {
    fn step(&mut self) -> io::Result<()> {
        match &mut self.left {
            Some(0) => Err(io::ErrorKind::StorageFull.into()),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn change(&mut self, pending: Pending) -> io::Result<()> {
        self.step()?;
        pending.apply(&mut self.current);
        self.pending.push(pending);
        Ok(())
    }
}

impl Pending {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Length(length) => bytes.resize(*length, 0),
            Self::Bytes(at, data) => {
                let end = at + data.len();
                bytes.resize(bytes.len().max(end), 0);
                bytes[*at..end].copy_from_slice(data);
            }
        }
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.lock().current.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let start = usize::try_from(offset).unwrap();
        let bytes = &self.0.lock().current;
        let found = bytes.get(start..start + out.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(found);
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.0.lock().change(Pending::Length(usize::try_from(length).unwrap()))
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.0.lock();
        state.step()?;
        for pending in std::mem::take(&mut state.pending) {
            pending.apply(&mut state.durable);
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.lock().change(Pending::Bytes(usize::try_from(offset).unwrap(), data.to_vec()))
    }
}
