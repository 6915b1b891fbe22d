use bootlace_policy::testing::{deferred, promotion};
use bootlace_policy::wire::Attribute;
use bootlace_policy::{Evaluation, PolicyError, Settings, Verdict};
use jiff_core::{civil::Date, tz::Offset};

const BERLIN: &str = "CET-1CEST,M3.5.0,M10.5.0/3";
const NEW_YORK: &str = "EST5EDT,M3.2.0,M11.1.0";
/// The clocks of the southern half: summer time over the turn of the year.
const SYDNEY: &str = "AEST-10AEDT,M10.1.0,M4.1.0/3";
/// Rules of half an hour, and an offset that is no whole hour.
const LORD_HOWE: &str = "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0";
const INDIA: &str = "IST-5:30";

fn evaluate(settings: &[(&str, &str)], at: &str) -> Evaluation {
    let mut request = promotion();
    request.settings = settings.iter().map(|(key, value)| Attribute::new(*key, *value)).collect();
    request.evaluated_at = seconds(at);
    super::evaluate(&request).unwrap()
}

/// Of `2026-01-23T15:00:00Z`, since the Unix epoch.
fn seconds(at: &str) -> u64 {
    let numbers: Vec<i16> =
        at.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse().ok()).collect();
    let small = |place: usize| numbers[place].try_into().unwrap();
    let date = Date::new(numbers[0], small(1), small(2)).unwrap();
    let time = date.at(small(3), small(4), small(5), 0);
    time.to_timestamp(Offset::UTC).unwrap().as_second().try_into().unwrap()
}

/// For each case: when it is asked, and how many seconds are left; 0 if it may move.
fn check(zone: &str, frozen: &str, cases: &[(&str, u32)]) {
    for (at, left) in cases {
        let evaluation = evaluate(&[("timezone", zone), ("frozen", frozen)], at);
        match left {
            0 => assert_eq!(evaluation.verdict, Verdict::Allow, "{zone} {frozen} {at}"),
            left => assert_eq!(deferred(evaluation).retry_after_seconds, Some(*left), "{zone} {frozen} {at}"),
        }
    }
}

#[test]
fn a_weekend_begins_and_ends_by_the_clocks_of_the_zone() {
    let weekend = "fri 16:00-mon 08:00";
    // Winter: an hour ahead of UTC. 23 January 2026 is a Friday.
    let winter = [
        ("2026-01-23T14:59:59Z", 0),
        ("2026-01-23T15:00:00Z", 64 * 3_600),
        ("2026-01-24T15:00:00Z", 40 * 3_600),
        ("2026-01-26T06:59:59Z", 1),
        ("2026-01-26T07:00:00Z", 0),
        ("2026-01-21T12:00:00Z", 0),
    ];
    check(BERLIN, weekend, &winter);
    // Summer: two.
    check(BERLIN, weekend, &[("2026-07-24T13:59:59Z", 0), ("2026-07-24T14:00:00Z", 64 * 3_600)]);
    check(INDIA, weekend, &[("2026-01-23T10:29:59Z", 0), ("2026-01-23T10:30:00Z", 64 * 3_600)]);
    check("UTC0", weekend, &[("2026-01-23T15:59:59Z", 0), ("2026-01-23T16:00:00Z", 64 * 3_600)]);
    check("<-03>3", weekend, &[("2026-01-23T18:59:59Z", 0), ("2026-01-23T19:00:00Z", 64 * 3_600)]);
}

#[test]
fn a_weekend_is_an_hour_shorter_or_longer_where_the_clocks_change_in_it() {
    let weekend = "fri 16:00-mon 08:00";
    // Put forward on Sunday, 29 March 2026, back on 25 October.
    check(BERLIN, weekend, &[("2026-03-27T15:00:00Z", 63 * 3_600), ("2026-03-30T06:00:00Z", 0)]);
    check(BERLIN, weekend, &[("2026-10-23T14:00:00Z", 65 * 3_600), ("2026-10-26T06:59:59Z", 1)]);
    // Forward on 8 March 2026, back on 1 November.
    check(NEW_YORK, weekend, &[("2026-03-06T21:00:00Z", 63 * 3_600)]);
    check(NEW_YORK, weekend, &[("2026-10-30T20:00:00Z", 65 * 3_600)]);
    // The other way round: back on 5 April 2026, forward on 4 October.
    check(SYDNEY, weekend, &[("2026-04-03T05:00:00Z", 65 * 3_600), ("2026-10-02T06:00:00Z", 63 * 3_600)]);
    check(LORD_HOWE, weekend, &[("2026-10-02T05:30:00Z", 63 * 3_600 + 1_800)]);
}

#[test]
fn a_freeze_is_the_longer_one_where_a_time_comes_twice_or_not_at_all() {
    // 02:30 comes at 00:30 and at 01:30 UTC.
    let back = [
        ("2026-10-25T00:29:59Z", 0),
        ("2026-10-25T00:30:00Z", 5_400),
        ("2026-10-25T01:30:00Z", 1_800),
        ("2026-10-25T02:00:00Z", 0),
    ];
    check(BERLIN, "sun 02:30-03:00", &back);
    let into = [("2026-10-25T00:00:00Z", 5_400), ("2026-10-25T01:29:59Z", 1), ("2026-10-25T01:30:00Z", 0)];
    check(BERLIN, "sun 01:00-02:30", &into);
    // 02:30 does not come: the clocks go from 02:00 to 03:00 at 01:00 UTC.
    let forward = [("2026-03-29T00:29:59Z", 0), ("2026-03-29T01:00:00Z", 3_600), ("2026-03-29T02:00:00Z", 0)];
    check(BERLIN, "sun 02:30-04:00", &forward);
    check(BERLIN, "sun 01:00-02:30", &[("2026-03-29T00:00:00Z", 5_400), ("2026-03-29T01:30:00Z", 0)]);
}

#[test]
fn a_window_may_be_within_a_day_over_a_night_or_over_the_turn_of_the_week() {
    check("UTC0", "wed 12:00-14:00", &[("2026-01-21T11:59:59Z", 0), ("2026-01-21T12:00:00Z", 7_200)]);
    check("UTC0", "wed 12:00-24:00", &[("2026-01-21T23:59:59Z", 1), ("2026-01-22T00:00:00Z", 0)]);
    check("UTC0", "wed 22:00-thu 06:00", &[("2026-01-22T05:59:00Z", 60)]);
    check("UTC0", "sun 22:00-mon 06:00", &[("2026-01-25T22:00:00Z", 8 * 3_600), ("2026-01-26T05:59:59Z", 1)]);
    // All but an hour.
    check("UTC0", "mon 10:00-mon 09:00", &[("2026-01-26T09:30:00Z", 0), ("2026-01-26T08:59:59Z", 1)]);
}

#[test]
fn holidays_are_whole_days_and_join_the_weekend_before_them() {
    let settings = |at| {
        let holidays = "2026-12-24..2027-01-01, 2026-05-25";
        evaluate(&[("timezone", BERLIN), ("frozen", "fri 16:00-mon 08:00"), ("holidays", holidays)], at)
    };
    let left = |at| deferred(settings(at)).retry_after_seconds.unwrap();
    assert_eq!(settings("2026-12-23T22:59:59Z").verdict, Verdict::Allow);
    // From Thursday, 24 December, to Friday, 1 January, whose afternoon begins a weekend, to Monday morning.
    assert_eq!(left("2026-12-23T23:00:00Z"), 11 * 86_400 + 8 * 3_600);
    // Whit Monday: the weekend before it, and the day.
    assert_eq!(left("2026-05-22T14:00:00Z"), (8 + 72) * 3_600);
    assert_eq!(settings("2026-05-25T22:00:00Z").verdict, Verdict::Allow);
    let deferral = deferred(settings("2026-05-23T10:00:00Z"));
    assert_eq!(deferral.reason, "production is frozen until 2026-05-26 00:00");
    assert!(deferral.required_approvals.is_empty());
}

#[test]
fn a_freeze_without_an_end_is_told_in_parts() {
    let forever = [("timezone", "UTC0"), ("frozen", "mon 00:00-fri 12:00, thu 00:00-mon 12:00")];
    let left = deferred(evaluate(&forever, "2026-01-23T10:00:00Z")).retry_after_seconds.unwrap();
    assert!(left > 30 * 86_400, "{left}");
}

#[test]
fn everything_wrong_with_the_settings_is_listed() {
    let fields = |settings: &[(&str, &str)]| {
        let settings: Vec<_> = settings.iter().map(|(key, value)| Attribute::new(*key, *value)).collect();
        let violations = super::validate(Settings::new(&settings)).into_iter();
        violations.filter_map(|one| one.field).collect::<Vec<_>>()
    };
    assert_eq!(fields(&[]), ["timezone", "frozen"]);
    let all = [("timezone", "Berlin"), ("frozen", "fri-mon,sat"), ("holidays", "2026-02-30")];
    assert_eq!(fields(&all), ["timezone", "frozen", "frozen", "holidays"]);
    for zone in [
        "",
        "UTC",
        "Europe/Berlin",
        "CET-1CEST",
        "CET-1CEST,M3.5.0",
        "CET-1CEST,M13.5.0,M10.5.0",
        "UTC0 ",
        "CET-30",
        "CET-1CEST,M3.5.0,M10.5.0/3x",
    ] {
        assert_eq!(fields(&[("timezone", zone), ("frozen", "fri 16:00-mon 08:00")]), ["timezone"], "{zone}");
    }
    for window in [
        "fri 16:00",
        "fri-mon",
        "fri 16:00-",
        "-mon 08:00",
        "fri 16:00-fri 16:00",
        "fri 16:00-15:00",
        "fri 16:00-16:00",
        "fri 24:00-mon 08:00",
        "fri 16:60-mon 08:00",
        "fri 4:00-mon 08:00",
        "Fri 16:00-mon 08:00",
        "friday 16:00-mon 08:00",
        "fri  16:00-mon 08:00",
        "fri +1:00-mon 08:00",
        "fri 16:00-mon 24:01",
        "fri 16:00-mon 08:00-tue 09:00",
    ] {
        assert_eq!(fields(&[("timezone", "UTC0"), ("frozen", window)]), ["frozen"], "{window}");
    }
    for date in [
        "2026-2-3",
        "2026-13-01",
        "26-01-01",
        "2026-01-02..2026-01-01",
        "2026-01-01..",
        "..2026-01-01",
        "2026-01-01..2026-01-02..2026-01-03",
        "+026-01-01",
    ] {
        assert_eq!(fields(&[("timezone", "UTC0"), ("holidays", date)]), ["holidays"], "{date}");
    }
    let mut request = promotion();
    request.settings = vec![Attribute::new("timezone", "Berlin")];
    assert!(matches!(super::evaluate(&request), Err(PolicyError::InvalidSettings(_))));
}
