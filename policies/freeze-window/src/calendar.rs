//! Weekly windows and holidays, by the clock on the wall.

use jiff_core::civil::{Date, DateTime};

const MINUTES_OF_DAY: i32 = 24 * 60;
const MINUTES_OF_WEEK: i32 = 7 * MINUTES_OF_DAY;
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// A part of every week.
pub(crate) struct Window {
    /// Minutes since Monday, 00:00.
    start: i32,
    /// Minutes, by the clock.
    length: i32,
}

/// Whole days.
pub(crate) struct Holiday {
    first: Date,
    last: Date,
}

impl Window {
    /// `fri 16:00-mon 08:00`, or `wed 12:00-14:00` within a day.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (from, to) = text.split_once('-')?;
        let (from, to) = (from.trim_ascii(), to.trim_ascii());
        let (day, time) = from.split_once(' ')?;
        let start =
            day_of(day)? * MINUTES_OF_DAY + minute_of(time).filter(|minute| *minute < MINUTES_OF_DAY)?;
        let length = match to.split_once(' ') {
            Some((day, time)) => {
                let end = day_of(day)? * MINUTES_OF_DAY + minute_of(time)?;
                (end - start).rem_euclid(MINUTES_OF_WEEK)
            }
            None => minute_of(to)? - start % MINUTES_OF_DAY,
        };
        (length > 0).then_some(Self { start, length })
    }

    /// The windows of the weeks around `today`: each may have begun last week.
    pub(crate) fn around(&self, today: Date) -> impl Iterator<Item = (DateTime, DateTime)> {
        let since_monday = i32::from(today.weekday().to_monday_zero_offset());
        let midnight = midnight(today);
        [-1, 0, 1].into_iter().filter_map(move |week| {
            let start = (week * 7 - since_monday) * MINUTES_OF_DAY + self.start;
            let at = |minutes| midnight.checked_add_seconds(minutes * 60).ok();
            Some((at(start)?, at(start + self.length)?))
        })
    }
}

impl Holiday {
    /// `2026-12-24`, or `2026-12-24..2027-01-01` with both ends.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (first, last) = text.split_once("..").unwrap_or((text, text));
        let (first, last) = (date(first.trim_ascii())?, date(last.trim_ascii())?);
        (first <= last).then_some(Self { first, last })
    }

    pub(crate) fn span(&self) -> Option<(DateTime, DateTime)> {
        let after = self.last.tomorrow().ok()?;
        Some((midnight(self.first), midnight(after)))
    }
}

fn midnight(date: Date) -> DateTime {
    date.at(0, 0, 0, 0)
}

fn day_of(text: &str) -> Option<i32> {
    (0..).zip(DAYS).find(|(_, day)| *day == text).map(|(place, _)| place)
}

/// `HH:MM`, up to `24:00`.
fn minute_of(text: &str) -> Option<i32> {
    let (hours, minutes) = text.split_once(':')?;
    let (hours, minutes) = (number(hours, 2)?, number(minutes, 2)?);
    let minute = hours * 60 + minutes;
    (minutes < 60 && minute <= MINUTES_OF_DAY).then_some(minute)
}

/// `YYYY-MM-DD`.
fn date(text: &str) -> Option<Date> {
    let (year, rest) = text.split_once('-')?;
    let (month, day) = rest.split_once('-')?;
    let (year, month, day) = (number(year, 4)?, number(month, 2)?, number(day, 2)?);
    Date::new(year.try_into().ok()?, month.try_into().ok()?, day.try_into().ok()?).ok()
}

/// So many digits and nothing else.
fn number(text: &str, digits: usize) -> Option<i32> {
    let fits = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
    fits.then(|| text.parse().ok())?
}
