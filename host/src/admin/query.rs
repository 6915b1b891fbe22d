//! What a query says: each name once, and of a list, which part.

use std::{cmp::Ordering, collections::BTreeSet, fmt::Display, str::FromStr};

use percent_encoding::percent_decode_str;

use super::Caller;
use crate::{id::EnvironmentName, serve::respond::Problem};

/// The one value of a query parameter.
///
/// # Errors
/// 400 when it is given twice or is not UTF-8.
pub(super) fn parameter(query: Option<&str>, name: &str) -> Result<Option<String>, Problem> {
    let mut given = parameters(query, name)?;
    match given.len() {
        0 | 1 => Ok(given.pop()),
        _ => Err(Problem::bad_request(format!("`{name}` is given twice; give it once"))),
    }
}

/// Every value of a query parameter.
///
/// # Errors
/// 400 when one is not UTF-8.
pub(super) fn parameters(query: Option<&str>, name: &str) -> Result<Vec<String>, Problem> {
    let pairs = query.unwrap_or("").split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let given = pairs.filter(|(key, _)| *key == name).map(|(_, value)| value);
    let decoded = given.map(|value| percent_decode_str(value).decode_utf8().map(String::from));
    decoded.collect::<Result<_, _>>().map_err(|_| Problem::bad_request("the query is not UTF-8"))
}

/// The names that `confirm` says: several times, or with a comma between.
///
/// # Errors
/// 400 when one is not UTF-8.
pub(super) fn confirmed(query: Option<&str>) -> Result<BTreeSet<String>, Problem> {
    let given = parameters(query, "confirm")?;
    Ok(given.iter().flat_map(|names| names.split(',')).map(str::to_owned).collect())
}

/// The same, as something else than text: 400 where it is not `what`.
pub(super) fn parsed<T: FromStr>(query: Option<&str>, name: &str, what: &str) -> Result<Option<T>, Problem> {
    let parse = |text: String| text.parse().map_err(|_| Problem::bad_request(format!("`{name}` is {what}")));
    parameter(query, name)?.map(parse).transpose()
}

/// The environment that is asked about, if one is: 404 for what names none, and for one that the
/// token does not see.
pub(super) fn environment(caller: &Caller, query: Option<&str>) -> Result<Option<EnvironmentName>, Problem> {
    let Some(name) = parameter(query, "environment")? else { return Ok(None) };
    let name = name.parse().ok().filter(|name| caller.sees(name));
    name.map(Some).ok_or_else(Problem::not_found)
}

/// Entries on a page of a list, and the most that there may be.
pub(super) const PAGE: usize = 200;
pub(super) const MAX_PAGE: usize = 1000;

/// Which part of a list is wanted: so many entries, behind the one that the cursor names.
pub(super) struct Paging<K> {
    pub(super) limit: usize,
    pub(super) after: Option<K>,
}

impl<K: FromStr> Paging<K> {
    /// What `limit` and `cursor` say; `usual` entries where they say nothing.
    ///
    /// # Errors
    /// 400 for no number, more than `most`, or a cursor that no page gave.
    pub(super) fn asked(query: Option<&str>, usual: usize, most: usize) -> Result<Self, Problem> {
        let limit = parsed(query, "limit", &format!("1 to {most}"))?.unwrap_or(usual);
        if !(1..=most).contains(&limit) {
            return Err(Problem::bad_request(format!("`limit` is 1 to {most}")));
        }
        Ok(Self { limit, after: parsed(query, "cursor", "`next` of the page before")? })
    }
}

impl<K: Display + Ord> Paging<K> {
    /// The page, and the cursor of the next one, if there is more. The keys of `list` grow
    /// ([`Ordering::Greater`]) or fall ([`Ordering::Less`]).
    pub(super) fn of<T>(
        &self,
        list: impl IntoIterator<Item = T>,
        order: Ordering,
        key: impl Fn(&T) -> K,
    ) -> (Vec<T>, Option<String>) {
        let is_behind = |one: &T| self.after.as_ref().is_none_or(|after| key(one).cmp(after) == order);
        let mut page: Vec<_> = list.into_iter().filter(is_behind).take(self.limit + 1).collect();
        let has_more = page.len() > self.limit;
        page.truncate(self.limit);
        let next = page.last().filter(|_| has_more).map(|last| key(last).to_string());
        (page, next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(query: &str) -> Result<(Vec<u64>, Option<String>), u16> {
        let paging = Paging::asked(Some(query), 2, 3).map_err(|problem| problem.status())?;
        Ok(paging.of([9, 7, 5, 3], Ordering::Less, |one| *one))
    }

    #[test]
    fn pages_follow_each_other_whatever_became_of_the_entry_that_the_cursor_names() {
        assert_eq!(page(""), Ok((vec![9, 7], Some("7".into()))));
        assert_eq!(page("cursor=7"), Ok((vec![5, 3], None)));
        assert_eq!(page("cursor=8&limit=1"), Ok((vec![7], Some("7".into()))));
        assert_eq!(page("cursor=3"), Ok((vec![], None)));
    }

    #[test]
    fn what_no_page_gave_is_refused() {
        for wrong in ["limit=0", "limit=4", "limit=x", "limit=", "cursor=x", "cursor=", "limit=1&limit=1"] {
            assert_eq!(page(wrong), Err(400), "{wrong}");
        }
    }
}
