//! Keeps releases from moving while nobody is there to look after them.
//!
//! Settings: `timezone`, a POSIX rule such as `CET-1CEST,M3.5.0,M10.5.0/3` (or `UTC0`); at least one of
//! `frozen`, weekly windows, comma-separated, such as `fri 16:00-mon 08:00, wed 12:00-14:00`; and
//! `holidays`, dates and ranges of dates, comma-separated, such as `2026-12-24..2027-01-01, 2027-05-01`.
//! They begin and end by the clocks of that zone. What is frozen is deferred until the freeze is over.
//!
//! A guest has no database of time zones, and one that it brought along would be out of date unseen; a
//! rule says what it does.

mod calendar;

use bootlace_policy::{
    Deferral, Evaluation, PolicyError, PromotionRequest, Settings, Violation, promotion_policy,
};
use jiff_core::{Timestamp, civil::DateTime, tz::posix::TimeZone};

use calendar::{Holiday, Window};

promotion_policy!(
    name: "freeze-window",
    version: "0.1.0",
    settings: ["timezone", "frozen", "holidays"],
    evaluate: evaluate,
    validate: validate,
);

/// Freezes that follow each other without a gap, counted as one. More are a year without a day's work,
/// and whoever asks again then is told the rest.
const IN_A_ROW: usize = 64;

struct Calendar {
    zone: TimeZone,
    windows: Vec<Window>,
    holidays: Vec<Holiday>,
}

/// Looks at the clock.
pub fn evaluate(request: &PromotionRequest) -> Result<Evaluation, PolicyError> {
    let calendar = read(request.settings())?;
    let seconds = i64::try_from(request.evaluated_at).ok();
    let now = seconds.and_then(|seconds| Timestamp::from_second(seconds).ok());
    let now = now.ok_or_else(|| PolicyError::InvalidInput("evaluated-at is beyond the calendar".into()))?;
    let mut over = now;
    for _ in 0..IN_A_ROW {
        let Some(end) = calendar.frozen_until(over) else { break };
        over = end;
    }
    if over == now {
        return Ok(Evaluation::allow());
    }
    let target = &request.target.environment.name;
    let end = calendar.local(over);
    let (date, time) = (end.date(), end.time());
    let (year, month, day) = (date.year(), date.month(), date.day());
    let (hour, minute) = (time.hour(), time.minute());
    let reason = format!("{target} is frozen until {year:04}-{month:02}-{day:02} {hour:02}:{minute:02}");
    let left = u64::try_from(over.as_second() - now.as_second()).unwrap_or(1);
    Ok(Deferral::new(reason).retry_after(left).into())
}

impl Calendar {
    /// What the clocks of the zone show.
    fn local(&self, at: Timestamp) -> DateTime {
        at.to_datetime(self.zone.to_offset(at))
    }

    /// When the last of the freezes that `at` is in ends.
    fn frozen_until(&self, at: Timestamp) -> Option<Timestamp> {
        let today = self.local(at).date();
        let windows = self.windows.iter().flat_map(|window| window.around(today));
        let spans = windows.chain(self.holidays.iter().filter_map(Holiday::span));
        let instants = spans.filter_map(|(start, end)| {
            // Where the clocks are put back, a time comes twice, and where they are put forward one does
            // not come: a freeze is then the longer one.
            let start = self.zone.to_ambiguous_timestamp(start).earlier().ok()?;
            let end = self.zone.to_ambiguous_timestamp(end).later().ok()?;
            (start <= at && at < end).then_some(end)
        });
        instants.max()
    }
}

/// All that is wrong with the settings.
pub fn validate(settings: Settings<'_>) -> Vec<Violation> {
    read(settings).err().unwrap_or_default()
}

fn read(settings: Settings<'_>) -> Result<Calendar, Vec<Violation>> {
    let mut violations = Vec::new();
    let mut wrong = |key: &str, code: &str, message: String| {
        violations.push(Violation::new(code, message).about(key));
    };
    let zone = settings.get("timezone").and_then(|rule| TimeZone::parse(rule).ok());
    if zone.is_none() {
        let message = "a POSIX rule is needed, such as UTC0 or CET-1CEST,M3.5.0,M10.5.0/3";
        wrong("timezone", "invalid-timezone", message.into());
    }
    let (mut windows, mut holidays) = (Vec::new(), Vec::new());
    for text in settings.list("frozen").into_iter().flatten() {
        match Window::parse(text) {
            Some(window) => windows.push(window),
            None => {
                wrong("frozen", "invalid-window", format!("{text} is no window such as fri 16:00-mon 08:00"))
            }
        }
    }
    for text in settings.list("holidays").into_iter().flatten() {
        match Holiday::parse(text) {
            Some(holiday) => holidays.push(holiday),
            None => wrong(
                "holidays",
                "invalid-date",
                format!("{text} is no date and no range such as 2026-12-24..2027-01-01"),
            ),
        }
    }
    let names_one = |key| settings.list(key).is_some_and(|mut list| list.next().is_some());
    if !names_one("frozen") && !names_one("holidays") {
        wrong("frozen", "missing-setting", "frozen or holidays is needed".into());
    }
    match zone {
        Some(zone) if violations.is_empty() => Ok(Calendar { zone, windows, holidays }),
        _ => Err(violations),
    }
}

#[cfg(test)]
mod tests;
