//! A promotion policy that does what its setting `mode` names, for the host's tests. What a guest can do
//! to a host whatever it is asked is the hostile guest's; here is what it can do to a promotion.

use std::hint::black_box;

use bootlace_policy::{
    Deferral, Evaluation, Level, PolicyError, PromotionRequest, Verdict, Violation, log, promotion_policy,
};

promotion_policy!(
    name: "gatecrash",
    version: "0.1.0",
    settings: ["mode", "only-release"],
    evaluate: evaluate,
);

/// How often a question is thought over, in `take-a-while`.
const A_WHILE: u32 = 10_000_000;

/// Does what the setting `mode` says; without one, or about another release than `only-release`, allows.
pub fn evaluate(request: &PromotionRequest) -> Result<Evaluation, PolicyError> {
    let settings = request.settings();
    let number = request.release.number.to_string();
    let here = settings.get("only-release").is_none_or(|only| only == number);
    let mut allowed = Evaluation::allow();
    Ok(match settings.get("mode").filter(|_| here).unwrap_or("allow") {
        "allow" => allowed,
        "deny" => denied(2),
        "defer" => Deferral::new("wait").retry_after(60).needs("releaser", 2).into(),
        "defer-longer" => {
            Deferral::new("wait longer").retry_after(90).needs("releaser", 1).needs("admin", 1).into()
        }
        "defer-for-an-event" => Deferral::new("wait for somebody").into(),
        "warn" => {
            allowed.warn("careful");
            allowed.annotate("seen", number);
            log(Level::Info, "warned");
            allowed
        }

        "take-a-while" => {
            (0..A_WHILE).for_each(|step| {
                black_box(step);
            });
            allowed
        }
        "loop" => loop {
            black_box(0);
        },
        "trap" => panic!("as asked"),
        "error" => return Err(PolicyError::Internal("as asked".into())),
        "giant-reason" => Deferral::new("x".repeat(1024 * 1024)).into(),

        "deny-for-nothing" => Verdict::Deny(Vec::new()).into(),
        "deny-without-a-code" => Evaluation::unless(vec![Violation::new("", "because")]),
        "deny-at-length" => Evaluation::unless(vec![Violation::new("long", "x".repeat(4_000))]),
        "deny-often" => denied(100),
        "retry-at-once" => {
            let deferral = Deferral { retry_after_seconds: Some(0), ..Deferral::new("now") };
            deferral.into()
        }
        "retry-never" => {
            let deferral = Deferral { retry_after_seconds: Some(u32::MAX), ..Deferral::new("later") };
            deferral.into()
        }
        "unknown-role" => Deferral::new("wait").needs("emperor", 1).into(),
        "nobody-needed" => Deferral::new("wait").needs("admin", 0).into(),
        "needed-twice" => Deferral::new("wait").needs("admin", 1).needs("admin", 1).into(),
        "warn-often" => {
            (0..1_000).for_each(|_| allowed.warn("careful"));
            allowed
        }
        "annotate-often" => {
            (0..1_000).for_each(|number| allowed.annotate(number.to_string(), "x"));
            allowed
        }

        other => return Err(PolicyError::InvalidSettings(format!("no mode {other}"))),
    })
}

fn denied(count: usize) -> Evaluation {
    Evaluation::unless((0..count).map(|number| Violation::new(format!("no-{number}"), "as asked")).collect())
}
