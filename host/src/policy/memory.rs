//! Linear memory that somebody looks at: tests and `policy check` search all of a policy's memory,
//! after its question, for what it must never have seen.
#![allow(unsafe_code)]

use std::{ffi::c_void, ptr, sync::Arc};

use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap_anonymous, mprotect, munmap};
use wasmtime::{LinearMemory, MemoryCreator, MemoryType};

/// Is handed all bytes of a linear memory when its question is over.
pub type MemoryObserver = Arc<dyn Fn(&[u8]) + Send + Sync>;

/// Creates memories that are handed to an observer when they are dropped.
pub(super) struct ObservedMemories(MemoryObserver);

impl ObservedMemories {
    pub(super) fn new(observer: MemoryObserver) -> Self {
        Self(observer)
    }
}

// SAFETY: the memory is zeroed by the kernel, page aligned, and followed (and preceded) by
// `guard` bytes that nothing may touch, as wasmtime's code relies on; `reserved` bytes are mapped
// at once, so that growing never moves them.
unsafe impl MemoryCreator for ObservedMemories {
    fn new_memory(
        &self,
        _: MemoryType,
        minimum: usize,
        _: Option<usize>,
        reserved: Option<usize>,
        guard: usize,
    ) -> Result<Box<dyn LinearMemory>, String> {
        let capacity = reserved.unwrap_or(minimum).max(minimum);
        let mapped = guard.checked_mul(2).and_then(|guards| guards.checked_add(capacity));
        let mapped = mapped.ok_or("a memory larger than the address space")?;
        // SAFETY: a fresh private mapping that aliases nothing.
        let start = unsafe { mmap_anonymous(ptr::null_mut(), mapped, ProtFlags::empty(), MapFlags::PRIVATE) }
            .map_err(|error| error.to_string())?;
        let observer = Arc::clone(&self.0);
        let mut memory = ObservedMemory { start, mapped, guard, capacity, size: 0, observer };
        memory.grow_to(minimum).map_err(|error| error.to_string())?;
        Ok(Box::new(memory))
    }
}

struct ObservedMemory {
    start: *mut c_void,
    mapped: usize,
    guard: usize,
    capacity: usize,
    size: usize,
    observer: MemoryObserver,
}

// SAFETY: the mapping belongs to this value alone, and its address is the same in every thread.
unsafe impl Send for ObservedMemory {}
// SAFETY: as above; through `&self` only sizes and the address are read.
unsafe impl Sync for ObservedMemory {}

// SAFETY: `as_ptr` is valid for `byte_size` bytes as long as the value lives and never moves.
unsafe impl LinearMemory for ObservedMemory {
    fn byte_size(&self) -> usize {
        self.size
    }

    fn byte_capacity(&self) -> usize {
        self.capacity
    }

    fn grow_to(&mut self, size: usize) -> wasmtime::Result<()> {
        if size > self.capacity {
            return Err(wasmtime::Error::msg("a memory larger than its reservation"));
        }
        if size > 0 {
            let readable = MprotectFlags::READ | MprotectFlags::WRITE;
            // SAFETY: the first `size <= capacity` bytes after the guard lie inside the mapping.
            unsafe { mprotect(self.as_ptr().cast(), size, readable) }?;
        }
        self.size = size;
        Ok(())
    }

    fn as_ptr(&self) -> *mut u8 {
        self.start.cast::<u8>().wrapping_add(self.guard)
    }
}

impl Drop for ObservedMemory {
    fn drop(&mut self) {
        // SAFETY: `size` bytes at `as_ptr` are readable, and the instance that wrote them is gone.
        let bytes = unsafe { std::slice::from_raw_parts(self.as_ptr(), self.size) };
        (self.observer)(bytes);
        // SAFETY: the whole mapping, made by `new_memory` and owned by this value. A failure leaks
        // it and nothing else.
        let _ = unsafe { munmap(self.start, self.mapped) };
    }
}
