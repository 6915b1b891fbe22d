//! A policy that misbehaves in the way that its setting `mode` names, for the host's tests.
//!
//! It declares that it varies by the region only. With the setting `only-in` it misbehaves in that
//! region only, so that it gets past a rehearsal.

mod answers;
mod bombs;
mod residue;

use bootlace_policy::{Outcome, PolicyError, Request, Resolution, resolve_policy};

resolve_policy!(
    name: "hostile",
    version: "0.1.0",
    vary: [region],
    settings: ["mode", "only-in"],
    decide: decide,
);

/// Does what the setting `mode` says; without one, nothing.
pub fn decide(request: &Request) -> Result<Outcome, PolicyError> {
    let settings = request.settings();
    let here =
        settings.get("only-in").is_none_or(|region| request.instance().region.as_deref() == Some(region));
    match settings.get("mode").filter(|_| here).unwrap_or("ok") {
        "ok" => Ok(Resolution::new().into()),
        "error" => Err(PolicyError::Internal("as asked".into())),

        "loop" => bombs::spin(),
        "fill" => bombs::fill(),
        "grow" => bombs::grow(),
        "allocate" => bombs::allocate(),
        "overflow" => bombs::overflow(),
        "overflow-memory" => bombs::overflow_memory(),
        "trap" => bombs::trap(),
        "panic" => panic!("as asked"),
        "log-flood" => bombs::log_flood(),
        "log-long-line" => bombs::log_long_line(),

        "long-answer" => answers::long(),
        "out-of-range" => answers::out_of_range(request),
        "foreign-candidate" => answers::foreign_candidate(request),
        "secret-to-plain" => answers::secret_to_plain(request),
        "template-secret" => answers::template_secret(request),
        "duplicate" => answers::duplicate(request),
        "unknown-variable" => answers::unknown_variable(),
        "omit-all" => answers::omit_all(request),
        "undeclared-fact" => answers::undeclared_fact(request),

        "count" => residue::count(),
        "leave-marks" => residue::leave_marks(),
        "find-marks" => residue::find_marks(),
        "nan" => residue::nan(),

        other => Err(PolicyError::InvalidSettings(format!("no mode {other}"))),
    }
}
