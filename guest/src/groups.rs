//! Rows grouped by the index they refer to, by counting: two passes, whatever the rows' order.

/// Which rows belong to which owner.
#[derive(Debug)]
pub(crate) struct Groups {
    /// Row numbers, those of owner 0 first.
    rows: Vec<u32>,
    /// Where the rows of an owner start; one more entry than there are owners.
    starts: Vec<u32>,
}

impl Groups {
    /// `owners` has the owner of every row, each below `count`.
    pub(crate) fn new(
        owners: impl DoubleEndedIterator<Item = u32> + ExactSizeIterator + Clone,
        count: usize,
    ) -> Self {
        let mut starts = vec![0; count + 1];
        for owner in owners.clone() {
            starts[owner as usize] += 1;
        }
        let mut sum = 0;
        for start in &mut starts {
            sum += *start;
            *start = sum;
        }
        // Each start is now the end of its group; filling backwards moves it to the beginning and
        // keeps the rows in their order.
        let mut rows = vec![0; owners.len()];
        for (row, owner) in owners.enumerate().rev() {
            let start = &mut starts[owner as usize];
            *start -= 1;
            rows[*start as usize] = row as u32;
        }
        Self { rows, starts }
    }

    /// The rows of one owner, in their order.
    pub(crate) fn of(&self, owner: u32) -> &[u32] {
        let start = self.starts[owner as usize] as usize;
        let end = self.starts[owner as usize + 1] as usize;
        &self.rows[start..end]
    }
}

#[cfg(test)]
mod tests {
    use super::Groups;

    #[test]
    fn rows_keep_their_order_within_a_group() {
        let groups = Groups::new([2, 0, 2, 1, 2].into_iter(), 4);
        assert_eq!(groups.of(0), [1]);
        assert_eq!(groups.of(1), [3]);
        assert_eq!(groups.of(2), [0, 2, 4]);
        assert_eq!(groups.of(3), []);
    }

    #[test]
    fn nothing_to_group_is_fine() {
        assert_eq!(Groups::new([].into_iter(), 1).of(0), []);
    }
}
