//! Rows grouped by the index they refer to: one pass where the rows stand in the order of their
//! owners, as the host's do; else by counting, in two, whatever their order.

/// Which rows belong to which owner.
#[derive(Debug)]
pub(crate) struct Groups {
    /// Row numbers, those of owner 0 first; none where the rows stand so already.
    rows: Option<Vec<u32>>,
    /// Where the rows of an owner start; one more entry than there are owners.
    starts: Vec<u32>,
}

impl Groups {
    /// `owners` has the owner of every row, each below `count`.
    pub(crate) fn new(
        owners: impl DoubleEndedIterator<Item = u32> + ExactSizeIterator + Clone,
        count: usize,
    ) -> Self {
        match in_order(owners.clone(), count) {
            Some(starts) => Self { rows: None, starts },
            None => by_counting(owners, count),
        }
    }

    /// The rows of one owner, in their order.
    pub(crate) fn of(&self, owner: u32) -> impl ExactSizeIterator<Item = u32> + Clone + '_ {
        let start = self.starts[owner as usize];
        let end = self.starts[owner as usize + 1];
        let rows = self.rows.as_deref();
        (start as usize..end as usize).map(move |at| rows.map_or(at as u32, |rows| rows[at]))
    }
}

/// Where the rows of each owner start; none if the rows do not stand in the order of their owners.
fn in_order(owners: impl ExactSizeIterator<Item = u32>, count: usize) -> Option<Vec<u32>> {
    let end = owners.len() as u32;
    let mut starts = vec![end; count + 1];
    let mut begun = 0;
    for (row, owner) in owners.enumerate() {
        let owner = owner as usize;
        if owner + 1 < begun {
            return None;
        }
        // Owners without rows start, and end, where the next one does.
        while begun <= owner {
            starts[begun] = row as u32;
            begun += 1;
        }
    }
    Some(starts)
}

fn by_counting(
    owners: impl DoubleEndedIterator<Item = u32> + ExactSizeIterator + Clone,
    count: usize,
) -> Groups {
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
    Groups { rows: Some(rows), starts }
}

#[cfg(test)]
mod tests {
    use super::Groups;

    fn rows<const N: usize>(owners: [u32; N], count: u32) -> Vec<Vec<u32>> {
        let groups = Groups::new(owners.into_iter(), count as usize);
        (0..count).map(|owner| groups.of(owner).collect()).collect()
    }

    #[test]
    fn rows_keep_their_order_within_a_group() {
        assert_eq!(rows([2, 0, 2, 1, 2], 4), [vec![1], vec![3], vec![0, 2, 4], vec![]]);
    }

    #[test]
    fn rows_in_the_order_of_their_owners_group_the_same() {
        assert_eq!(rows([1, 1, 3, 4], 6), [vec![], vec![0, 1], vec![], vec![2], vec![3], vec![]]);
        assert_eq!(rows([0, 0], 1), [[0, 1]]);
        assert_eq!(rows([1, 0], 2), [[1], [0]]);
    }

    #[test]
    fn nothing_to_group_is_fine() {
        assert_eq!(rows([], 1), [[0; 0]]);
    }
}
