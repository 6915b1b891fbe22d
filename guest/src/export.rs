//! The macros that make a component of a function.

/// Makes a resolve policy of a function.
///
/// - `name`, `version`: how the policy describes itself.
/// - `vary`: the facts its answer depends on, among `region`, `zone`, `instance_id`,
///   `instance_attributes` and `release_labels`; what is not listed is withheld.
/// - `settings` (optional): the keys it knows; any other is refused. `["*"]` lets any through.
/// - `decide`: `fn(&Request) -> Result<Outcome, PolicyError>`.
/// - `validate` (optional): `fn(Settings) -> Vec<Violation>`, all that is wrong with the values.
#[macro_export]
macro_rules! resolve_policy {
    (
        name: $name:expr,
        version: $version:expr,
        vary: [$($fact:ident),* $(,)?],
        $(settings: [$($setting:expr),* $(,)?],)?
        decide: $decide:path
        $(, validate: $validate:path)? $(,)?
    ) => {
        const _: () = {
            use $crate::plumbing::lifecycle::exports::bootlace::policy::lifecycle;
            use $crate::wire::resolve;

            struct Policy;

            $crate::lifecycle!(
                $name, $version, [$($fact)*], [$($($setting),*)?], [$($validate)?]
            );

            impl resolve::Guest for Policy {
                fn decide(
                    request: resolve::Request,
                ) -> Result<resolve::Outcome, $crate::PolicyError> {
                    let request = $crate::Request::try_from(request)?;
                    $decide(&$crate::plumbing::until_the_end(request))
                }
            }

            // Only there: the exported names are no use to a native build, which is for tests.
            #[cfg(target_arch = "wasm32")]
            #[allow(unsafe_code, reason = "generated: the canonical ABI's entry points")]
            const _: () = {
                $crate::plumbing::lifecycle::export_lifecycle!(Policy with_types_in $crate::plumbing::lifecycle);
                $crate::plumbing::resolve::export_resolve!(Policy with_types_in $crate::plumbing::resolve);
            };
        };
    };
}

/// Makes a promotion policy of a function.
///
/// As [`resolve_policy!`], but with `evaluate`, a
/// `fn(&PromotionRequest) -> Result<Evaluation, PolicyError>`, instead of `decide`, and without
/// `vary`: a promotion policy is asked with all facts.
#[macro_export]
macro_rules! promotion_policy {
    (
        name: $name:expr,
        version: $version:expr,
        $(settings: [$($setting:expr),* $(,)?],)?
        evaluate: $evaluate:path
        $(, validate: $validate:path)? $(,)?
    ) => {
        const _: () = {
            use $crate::plumbing::lifecycle::exports::bootlace::policy::lifecycle;
            use $crate::wire::promotion;

            struct Policy;

            $crate::lifecycle!($name, $version, [], [$($($setting),*)?], [$($validate)?]);

            impl promotion::Guest for Policy {
                fn evaluate(
                    request: promotion::Request,
                ) -> Result<promotion::Evaluation, $crate::PolicyError> {
                    $evaluate(&$crate::plumbing::until_the_end(request))
                }
            }

            #[cfg(target_arch = "wasm32")]
            #[allow(unsafe_code, reason = "generated: the canonical ABI's entry points")]
            const _: () = {
                $crate::plumbing::lifecycle::export_lifecycle!(Policy with_types_in $crate::plumbing::lifecycle);
                $crate::plumbing::promotion::export_promotion!(Policy with_types_in $crate::plumbing::promotion);
            };
        };
    };
}

/// What both kinds of policy say about themselves. `lifecycle` and `Policy` are the caller's.
#[doc(hidden)]
#[macro_export]
macro_rules! lifecycle {
    ($name:expr, $version:expr, [$($fact:ident)*], [$($setting:expr),*], [$($validate:path)?]) => {
        impl lifecycle::Guest for Policy {
            fn describe() -> lifecycle::Descriptor {
                lifecycle::Descriptor {
                    name: $name.into(),
                    version: $version.into(),
                    vary: lifecycle::Vary::empty() $(| $crate::fact!($fact))*,
                }
            }

            fn validate_settings(
                settings: Vec<$crate::Attribute>,
            ) -> Result<(), Vec<$crate::Violation>> {
                let checks: &[fn($crate::Settings<'_>) -> Vec<$crate::Violation>] =
                    &[$($validate)?];
                $crate::plumbing::validate(&settings, &[$($setting),*], checks)
            }
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! fact {
    (region) => {
        $crate::plumbing::lifecycle::exports::bootlace::policy::lifecycle::Vary::REGION
    };
    (zone) => {
        $crate::plumbing::lifecycle::exports::bootlace::policy::lifecycle::Vary::ZONE
    };
    (instance_id) => {
        $crate::plumbing::lifecycle::exports::bootlace::policy::lifecycle::Vary::INSTANCE_ID
    };
    (instance_attributes) => {
        $crate::plumbing::lifecycle::exports::bootlace::policy::lifecycle::Vary::INSTANCE_ATTRIBUTES
    };
    (release_labels) => {
        $crate::plumbing::lifecycle::exports::bootlace::policy::lifecycle::Vary::RELEASE_LABELS
    };
}

/// What the macros need; no part of the interface for authors.
#[doc(hidden)]
pub mod plumbing {
    use core::mem::ManuallyDrop;

    pub use crate::bindings::{lifecycle, promotion, resolve};
    use crate::settings::Settings;
    use crate::wire::{Attribute, Violation};

    /// Keeps a question as long as the instance: both end with the answer, and to take apart
    /// every string of it would be fuel for nothing.
    pub fn until_the_end<T>(question: T) -> ManuallyDrop<T> {
        ManuallyDrop::new(question)
    }

    /// Everything that is wrong with the settings, unknown keys first.
    pub fn validate(
        settings: &[Attribute],
        known: &[&str],
        checks: &[fn(Settings<'_>) -> Vec<Violation>],
    ) -> Result<(), Vec<Violation>> {
        let settings = Settings::new(settings);
        let mut violations = settings.unknown(known);
        for check in checks {
            violations.extend(check(settings));
        }
        if violations.is_empty() { Ok(()) } else { Err(violations) }
    }
}
