//! Keys in memory that is neither swapped out nor dumped.
//!
//! Argument for the `unsafe` here: each call names exactly the bytes of one boxed slice of pages
//! that this type owns from before the call until after its `munlock`. A page is 4096 bytes long
//! and aligned, and holds nothing but keys, so that locking and unlocking touches nobody else's
//! memory on machines with pages of 4 KiB; on machines with larger pages it may lock a neighbour
//! too, and unlocking may unlock it, which costs protection, never correctness. The kernel only
//! changes how the pages are treated: their contents, and Rust's view of them, stay as they are.
#![allow(unsafe_code)]

use rustix::mm::{Advice, madvise, mlock, munlock};

/// How many keys share a page.
const KEYS_PER_PAGE: usize = 64;

/// Keys of one kind, in pages of their own.
pub(super) struct Locked<K> {
    pages: Box<[Page<K>]>,
}

#[repr(C, align(4096))]
struct Page<K>([Option<K>; KEYS_PER_PAGE]);

impl<K> Locked<K> {
    /// Locks empty pages, then moves the keys there.
    pub(super) fn new(keys: Vec<K>) -> Self {
        const { assert!(size_of::<Page<K>>() == 4096, "a page holds its keys and nothing else") };
        let empty = || Page(std::array::from_fn(|_| None));
        let mut pages: Box<[_]> = (0..keys.len().div_ceil(KEYS_PER_PAGE)).map(|_| empty()).collect();
        protect(&mut pages);
        for (slot, key) in pages.iter_mut().flat_map(|page| &mut page.0).zip(keys) {
            *slot = Some(key);
        }
        Self { pages }
    }

    /// The key that was at `index` of what this was made from.
    pub(super) fn at(&self, index: usize) -> Option<&K> {
        self.pages.get(index / KEYS_PER_PAGE)?.0.get(index % KEYS_PER_PAGE)?.as_ref()
    }
}

impl<K> Drop for Locked<K> {
    /// The keys wipe themselves first, then the pages go back to what they were.
    fn drop(&mut self) {
        self.pages.iter_mut().flat_map(|page| &mut page.0).for_each(|slot| *slot = None);
        let (start, length) = extent(&mut self.pages);
        if length > 0 {
            // SAFETY: the pages are ours until this returns. Neither call touches their contents,
            // and a refusal leaves them as protected as they were.
            unsafe {
                let _ = munlock(start, length);
                let _ = madvise(start, length, Advice::LinuxDoDump);
            }
        }
    }
}

/// As far as the kernel agrees: a container without `RLIMIT_MEMLOCK` serves, too.
fn protect<K>(pages: &mut [Page<K>]) {
    let (start, length) = extent(pages);
    if length == 0 {
        return;
    }
    // SAFETY: the pages are ours, whole and aligned, and outlive the lock (see `Drop`). MADV_DONTDUMP
    // does not change what is in them.
    unsafe {
        let _ = mlock(start, length);
        let _ = madvise(start, length, Advice::LinuxDontDump);
    }
}

fn extent<K>(pages: &mut [Page<K>]) -> (*mut std::ffi::c_void, usize) {
    (pages.as_mut_ptr().cast(), size_of_val(pages))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As large as a data key.
    struct Key([u64; 6]);

    #[test]
    fn keys_are_found_again_across_pages() {
        for count in [0, 1, 64, 65, 200] {
            let locked = Locked::new((0..count).map(|number| Key([number; 6])).collect());
            for number in 0..count {
                assert_eq!(locked.at(number as usize).map(|key| key.0), Some([number; 6]));
            }
            assert!(locked.at(count as usize).is_none());
            let (start, length) = (locked.pages.as_ptr() as usize, size_of_val(&*locked.pages));
            assert!(start.is_multiple_of(4096) && length.is_multiple_of(4096));
        }
    }
}
