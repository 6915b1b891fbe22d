//! The promotion policies on the real engine: what each of the samples answers, what several come to
//! together, and what one that misbehaves can and cannot do.

use super::super::{
    promotion::{
        Judgement, Outcome, POLICY_FAILED, PromotionChain,
        answer::{ANNOTATIONS, APPROVALS, RETRY_SECONDS, TEXT_BYTES, VIOLATIONS, WARNINGS},
    },
    tests::*,
};
use crate::model::{
    Role,
    promotion::{
        Approval, Conclusion, KeyDifference, KeyDifferenceKind, Question, RequiredApproval, Verdict,
    },
    question::Sensitivity,
};

type Settings<'a> = &'a [(&'a str, &'a str)];

static GATECRASH: LazyLock<Arc<Loaded>> = LazyLock::new(|| load(&ENGINE, "gatecrash.wasm"));

/// What policies with these settings say to a question.
fn judge(policies: &[(&Arc<Loaded>, Settings<'_>)], question: &Question) -> Judgement {
    let links = policies.iter().map(|(loaded, settings)| link(loaded, settings)).collect();
    PromotionChain::new(links).unwrap().judge(question)
}

fn sample(name: &str, settings: Settings<'_>, change: impl FnOnce(&mut Question)) -> Judgement {
    let loaded = load(&ENGINE, &format!("{name}.wasm"));
    assert_eq!((loaded.kind(), loaded.descriptor().name.as_str()), (PolicyKind::Promotion, name));
    let mut question = fixtures::promotion();
    change(&mut question);
    judge(&[(&loaded, settings)], &question)
}

fn modes(modes: &[&str]) -> Judgement {
    let settings: Vec<_> = modes.iter().map(|mode| [("mode", *mode)]).collect();
    let policies: Vec<_> = settings.iter().map(|settings| (&*GATECRASH, settings.as_slice())).collect();
    judge(&policies, &fixtures::promotion())
}

fn codes(judgement: &Judgement) -> Vec<&str> {
    judgement.violations.iter().map(|one| one.violation.code.as_str()).collect()
}

/// What one policy's question comes to: its codes where it denies, its reason where it defers.
fn said(judgement: &Judgement) -> String {
    match judgement.outcome() {
        Outcome::Allowed => "allowed".to_owned(),
        Outcome::Denied => codes(judgement).join(" "),
        Outcome::Deferred => judgement.reasons[0].text.clone(),
    }
}

#[test]
fn required_checks_reads_checks_measures_and_the_clock() {
    let cases: [(Settings<'_>, &str, Option<u32>); 9] = [
        (&[("checks", "e2e")], "allowed", None),
        (&[("checks", "smoke")], "check smoke was not reported in staging", None),
        (&[("soak", "1h")], "allowed", None),
        (&[("soak", "2h")], "release 7 is active in staging for 3600 of 7200 seconds", Some(3_600)),
        (&[("thresholds", "p99<250 ms")], "allowed", None),
        (&[("thresholds", "p99<=212.5ms")], "allowed", None),
        (&[("thresholds", "p99<212.5ms, p99>0ms")], "threshold", None),
        (&[("thresholds", "p99<1s")], "unit-mismatch", None),
        (&[("thresholds", "p50<1ms")], "no check reported p50 in staging", None),
    ];
    for (settings, expected, retry) in cases {
        let judgement = sample("required-checks", settings, |_| ());
        assert_eq!(
            (said(&judgement).as_str(), judgement.retry_after_seconds),
            (expected, retry),
            "{settings:?}"
        );
    }
    for (conclusion, expected) in [
        (Conclusion::Neutral, "allowed"),
        (Conclusion::Failure, "check-failed"),
        (Conclusion::Pending, "check e2e is pending in staging"),
    ] {
        let judgement = sample("required-checks", &[("checks", "e2e")], |question| {
            question.source.checks[0].conclusion = conclusion;
        });
        assert_eq!(said(&judgement), expected);
    }
    let breach = sample("required-checks", &[("thresholds", "p99<200ms")], |_| ());
    let violation = &breach.violations[0].violation;
    assert_eq!(violation.message, "p99 is 212.5ms in check e2e, and has to be < 200ms");
    assert_eq!(violation.field.as_deref(), Some("p99"));
}

#[test]
fn four_eyes_counts_others() {
    let given = |settings: Settings<'_>, given: &[(&str, Role)]| {
        let judgement = sample("four-eyes", settings, |question| {
            let one = |(principal, role): &(&str, Role)| Approval {
                principal: (*principal).into(),
                role: *role,
                approved_at: 1,
            };
            question.approvals = given.iter().map(one).collect();
        });
        judgement.required_approvals
    };
    let missing = |role, missing| vec![RequiredApproval { role, missing }];
    let releaser = Role::Releaser;
    assert_eq!(given(&[], &[("ana", releaser)]), []);
    assert_eq!(given(&[], &[("dana", releaser)]), missing(releaser, 1));
    assert_eq!(given(&[("approvals", "2")], &[("ana", releaser), ("ana", releaser)]), missing(releaser, 1));
    assert_eq!(given(&[("role", "admin")], &[("ana", releaser)]), missing(Role::Admin, 1));
}

#[test]
fn freeze_window_says_when_it_is_over() {
    // 1 January 2026 was a Thursday; it is 02:00 UTC.
    let cases: [(Settings<'_>, Option<u32>); 6] = [
        (&[("timezone", "UTC0"), ("frozen", "thu 00:00-02:00")], None),
        (&[("timezone", "UTC0"), ("frozen", "thu 02:00-03:00")], Some(3_600)),
        (&[("timezone", "CET-1CEST,M3.5.0,M10.5.0/3"), ("frozen", "thu 00:00-03:30")], Some(1_800)),
        (&[("timezone", "EST5EDT,M3.2.0,M11.1.0"), ("frozen", "thu 00:00-12:00")], None),
        (&[("timezone", "UTC0"), ("holidays", "2026-01-01")], Some(22 * 3_600)),
        (&[("timezone", "EST5EDT,M3.2.0,M11.1.0"), ("holidays", "2025-12-24..2025-12-31")], Some(3 * 3_600)),
    ];
    for (settings, left) in cases {
        let judgement = sample("freeze-window", settings, |_| ());
        assert_eq!(judgement.retry_after_seconds, left, "{settings:?}");
        assert_eq!(judgement.outcome() == Outcome::Allowed, left.is_none(), "{settings:?}");
    }
}

#[test]
fn parity_compares_names() {
    let with = |settings: Settings<'_>, kind| {
        said(&sample("parity", settings, |question| question.key_differences[0].kind = kind))
    };
    assert_eq!(with(&[], KeyDifferenceKind::Missing), "key-missing");
    assert_eq!(with(&[("ignore", "SERVICE_1_*")], KeyDifferenceKind::Missing), "allowed");
    assert_eq!(with(&[], KeyDifferenceKind::ValueType), "key-type");
    assert_eq!(with(&[], KeyDifferenceKind::Extra), "allowed");
    assert_eq!(with(&[("extra", "deny")], KeyDifferenceKind::Extra), "key-extra");
    assert_eq!(with(&[], KeyDifferenceKind::Secrecy), "allowed");
    let shared = |settings: Settings<'_>| {
        said(&sample("parity", settings, |question| {
            (question.shares_secret, question.key_differences) = (true, Vec::new());
        }))
    };
    assert_eq!(shared(&[]), "shared-secret");
    assert_eq!(shared(&[("shared-secrets", "warn")]), "allowed");
}

#[test]
fn a_question_about_thousands_of_keys_is_answered() {
    let judgement = sample("parity", &[("ignore", "MISSING_*")], |question| {
        let one = |number| KeyDifference {
            variable: format!("MISSING_KEY_NUMBER_{number}"),
            kind: KeyDifferenceKind::Missing,
            sensitivity: Sensitivity::Secret,
            required: true,
        };
        question.key_differences = (0..5_000).map(one).collect();
    });
    assert_eq!(said(&judgement), "allowed");
}

#[test]
fn all_are_asked_and_all_must_allow() {
    let judgement = modes(&[]);
    assert_eq!((judgement.outcome(), judgement.fuel()), (Outcome::Allowed, 0));
    let cases: [(&[&str], Outcome); 6] = [
        (&["allow", "allow"], Outcome::Allowed),
        (&["allow", "defer"], Outcome::Deferred),
        (&["defer", "allow"], Outcome::Deferred),
        (&["deny", "allow", "defer"], Outcome::Denied),
        (&["defer", "deny"], Outcome::Denied),
        (&["allow", "trap"], Outcome::Denied),
    ];
    for (asked, outcome) in cases {
        let judgement = modes(asked);
        assert_eq!(judgement.outcome(), outcome, "{asked:?}");
        assert_eq!(judgement.policies.len(), asked.len(), "{asked:?}");
        let answered = judgement.policies.iter().zip(asked).filter(|(_, mode)| **mode != "trap");
        assert!(answered.into_iter().all(|(report, _)| report.fuel > 0 && report.said.is_ok()), "{asked:?}");
    }
}

#[test]
fn every_reason_and_every_approval_is_listed() {
    let judgement = modes(&["deny", "defer", "defer-longer", "trap", "deny"]);
    assert_eq!(codes(&judgement), ["no-0", "no-1", POLICY_FAILED, "no-0", "no-1"]);
    let reasons: Vec<_> = judgement.reasons.iter().map(|reason| reason.text.as_str()).collect();
    assert_eq!(reasons, ["wait", "wait longer"]);
    let needed = [(Role::Releaser, 2), (Role::Admin, 1)];
    assert_eq!(
        judgement.required_approvals,
        needed.map(|(role, missing)| RequiredApproval { role, missing })
    );
    assert_eq!(judgement.retry_after_seconds, Some(90));
    for order in [["defer", "defer-for-an-event"], ["defer-for-an-event", "defer"]] {
        assert_eq!(modes(&order).retry_after_seconds, None, "one of them waits for an event");
    }
}

#[test]
fn what_a_policy_says_beside_its_verdict_is_in_its_report() {
    let judgement = modes(&["warn"]);
    assert_eq!(judgement.outcome(), Outcome::Allowed);
    let [report] = &judgement.policies[..] else { panic!("not one report") };
    let evaluation = report.said.as_ref().unwrap();
    assert_eq!(
        (&evaluation.verdict, &evaluation.warnings[..]),
        (&Verdict::Allow, &["careful".to_owned()][..])
    );
    assert_eq!(evaluation.annotations, [Attribute::new("seen", "7")]);
    assert_eq!((report.policy.as_str(), report.log[0].text.as_str()), ("gatecrash", "warned"));
    assert_eq!(report.digest, GATECRASH.digest());
    assert_eq!(judgement, modes(&["warn"]), "the same question, the same answer, the same fuel");
}

#[test]
fn nothing_that_goes_wrong_is_an_allowance() {
    let too_many = |what, count, limit| FailureKind::Answer(AnswerFault::TooMany { what, count, limit });
    let cases = [
        ("trap", FailureKind::Trap("wasm trap: wasm `unreachable` instruction executed".into())),
        ("loop", FailureKind::Fuel { limit: 10_000_000 }),
        ("error", FailureKind::Reported(Reported::Internal("as asked".into()))),
        ("no-such-mode", FailureKind::Reported(Reported::InvalidSettings("no mode no-such-mode".into()))),
        ("giant-reason", FailureKind::Contract),
        ("deny-for-nothing", FailureKind::Answer(AnswerFault::NoReason)),
        ("deny-without-a-code", FailureKind::Answer(AnswerFault::NoCode)),
        (
            "deny-at-length",
            FailureKind::Answer(AnswerFault::TooLong { what: "a violation's message", limit: TEXT_BYTES }),
        ),
        ("deny-often", too_many("violations", 100, VIOLATIONS)),
        ("warn-often", too_many("warnings", 1_000, WARNINGS)),
        ("annotate-often", too_many("annotations", 1_000, ANNOTATIONS)),
        ("retry-at-once", FailureKind::Answer(AnswerFault::Retry { limit: RETRY_SECONDS })),
        ("retry-never", FailureKind::Answer(AnswerFault::Retry { limit: RETRY_SECONDS })),
        ("unknown-role", FailureKind::Answer(AnswerFault::UnknownRole)),
        ("nobody-needed", FailureKind::Answer(AnswerFault::Approvals { role: "admin", limit: APPROVALS })),
        ("needed-twice", FailureKind::Answer(AnswerFault::Approvals { role: "admin", limit: APPROVALS })),
    ];
    for (mode, expected) in cases {
        let judgement = modes(&["allow", mode, "allow"]);
        assert_eq!(
            (judgement.outcome(), codes(&judgement)),
            (Outcome::Denied, vec![POLICY_FAILED]),
            "{mode}"
        );
        assert_eq!(judgement.policies[1].said, Err(expected.clone()), "{mode}");
        let message = &judgement.violations[0].violation.message;
        assert_eq!(*message, format!("policy gatecrash {expected}"), "{mode}");
        assert!(judgement.policies[2].said.is_ok(), "after {mode}");
    }
}

#[test]
fn a_policy_that_takes_too_long_denies() {
    let limits = Limits { wall_ms: 1, fuel: u64::MAX, ..Limits::default() };
    let engine = Engine::new(&EngineSettings { limits, slots: 1, ..EngineSettings::default() }).unwrap();
    let hasty = load(&engine, "gatecrash.wasm");
    let judgement = judge(&[(&hasty, &[("mode", "loop")])], &fixtures::promotion());
    assert_eq!((judgement.outcome(), codes(&judgement)), (Outcome::Denied, vec![POLICY_FAILED]));
    assert_eq!(judgement.policies[0].said, Err(FailureKind::Interrupted { limit_ms: 1 }));
}

#[test]
fn a_chain_is_of_promotion_policies_and_not_too_long() {
    let resolve = link(&HOSTILE, &[]);
    let refused = PromotionChain::new(vec![link(&GATECRASH, &[]), resolve]).unwrap_err();
    assert_eq!(refused, ChainError::NotPromotion { name: "hostile".into() });
    let many = |count| PromotionChain::new((0..count).map(|_| link(&GATECRASH, &[])).collect());
    assert_eq!(many(8).unwrap().names().len(), 8);
    assert_eq!(many(9).unwrap_err(), ChainError::TooLong { count: 9, limit: 8 });
    let boot = Chain::new(&ENGINE, vec![link(&GATECRASH, &[])], subject(1, 1)).unwrap_err();
    assert_eq!(boot, ChainError::NotResolve { name: "gatecrash".into() });
}

#[test]
fn a_policys_questions_are_counted() {
    let asked = link(&GATECRASH, &[("mode", "deny")]);
    let tally = Arc::clone(&asked.tally);
    let chain = PromotionChain::new(vec![asked]).unwrap();
    for _ in 0..3 {
        let _ = chain.judge(&fixtures::promotion());
    }
    let read = tally.read();
    assert_eq!((read.asked, read.denied, read.failed), (3, 3, 0));
}
