//! The allocator of a policy: a bump arena.
//!
//! An instance answers one question and is dropped, so nothing needs to be given back. The arena is
//! what is left of the initial memory behind the stack and the data; a policy that stays within it
//! never grows its memory, which would cost the host two `mprotect`s a question and stop it from
//! scaling across cores. When the arena is spent it grows the memory rather than failing: the bound
//! on memory is the host's.

#![allow(unsafe_code, reason = "a global allocator is an unsafe contract, and this file is only that")]

use core::alloc::{GlobalAlloc, Layout};
use core::arch::wasm32::{memory_grow, memory_size};
use core::cell::Cell;
use core::ptr;

#[global_allocator]
static ARENA: Arena = Arena { next: Cell::new(0), end: Cell::new(0) };

/// Bytes in a page of linear memory.
const PAGE: usize = 64 * 1024;

struct Arena {
    /// Address of the first free byte; 0 before the first allocation.
    next: Cell<usize>,
    /// Address of the first byte that is not ours.
    end: Cell<usize>,
}

// SAFETY: `wasm32-unknown-unknown` without the threads proposal has one thread, and the host refuses
// modules with shared memory.
unsafe impl Sync for Arena {}

// SAFETY: `claim` hands out ranges of linear memory that lie in [next, end), are aligned as asked,
// and advances `next` past them, so that no two live blocks overlap. Only the block that ends at
// `next` is ever extended or taken back, which touches no other block. Linear memory from
// `__heap_base` to its end belongs to nobody else: the linker puts stack and data below, and pages
// that somebody else grew are left out by `make_room`.
unsafe impl GlobalAlloc for Arena {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.claim(layout.align(), layout.size())
    }

    /// Takes back the block only if it is the last one: enough for a `String` that was a detour.
    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if self.is_last(block, layout.size()) {
            self.next.set(block as usize);
        }
    }

    /// Extends the last block in place: a vector that grows alone is never copied.
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        if self.is_last(block, layout.size()) && self.resize_last(block, new_size) {
            return block;
        }
        if new_size <= layout.size() {
            return block;
        }
        let moved = self.claim(layout.align(), new_size);
        if !moved.is_null() {
            // SAFETY: `moved` is a new block of at least `layout.size()` bytes apart from `block`.
            unsafe { ptr::copy_nonoverlapping(block, moved, layout.size()) };
        }
        moved
    }
}

impl Arena {
    /// A block of `size` bytes, or null when the host refuses more memory. Inlined, as a question
    /// is one call of this for every string in it.
    #[inline]
    fn claim(&self, align: usize, size: usize) -> *mut u8 {
        if self.end.get() == 0 {
            self.begin();
        }
        loop {
            let Some(padded) = self.next.get().checked_add(align - 1) else {
                return ptr::null_mut();
            };
            let start = padded & !(align - 1);
            let Some(after) = start.checked_add(size) else {
                return ptr::null_mut();
            };
            if after <= self.end.get() {
                self.next.set(after);
                return start as *mut u8;
            }
            if !self.make_room(after - self.end.get()) {
                return ptr::null_mut();
            }
        }
    }

    #[cold]
    fn begin(&self) {
        self.next.set(heap_base());
        self.end.set(memory_end());
    }

    /// Moves the end of the last block; false when it cannot stay where it is.
    fn resize_last(&self, block: *mut u8, new_size: usize) -> bool {
        let Some(after) = (block as usize).checked_add(new_size) else {
            return false;
        };
        let next = self.next.get();
        if after > self.end.get() && !self.make_room(after - self.end.get()) {
            return false;
        }
        let in_place = self.next.get() == next;
        if in_place {
            self.next.set(after);
        }
        in_place
    }

    /// Grows the memory by at least `missing` bytes; false when the host refuses.
    #[cold]
    fn make_room(&self, missing: usize) -> bool {
        let grown = memory_grow::<0>(missing.div_ceil(PAGE));
        if grown == usize::MAX {
            return false;
        }
        if grown * PAGE != self.end.get() {
            // Somebody else grew the memory in between: go on behind what is theirs.
            self.next.set(grown * PAGE);
        }
        self.end.set(memory_end());
        true
    }

    fn is_last(&self, block: *mut u8, size: usize) -> bool {
        block as usize + size == self.next.get()
    }
}

/// Saturating: 65,536 pages are one byte more than an address can say.
fn memory_end() -> usize {
    memory_size::<0>().saturating_mul(PAGE)
}

fn heap_base() -> usize {
    unsafe extern "C" {
        /// The linker's: the first address behind stack and data.
        static __heap_base: u8;
    }
    &raw const __heap_base as usize
}
