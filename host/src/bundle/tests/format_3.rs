//! What format 3 adds, there and back, and its hostile neighbours.

use super::{wire::last::Last, *};
use crate::model::{Days, Interval, Trigger, question::Sensitivity};

fn triggered() -> Configuration<InputValue> {
    let mut configuration = input();
    let all = configuration.environments.values_mut().zip(Trigger::ALL);
    all.for_each(|(environment, trigger)| environment.trigger = Some(trigger));
    configuration
}

fn pushed_triggered() -> Vec<u8> {
    sign_input(&triggered(), ENVELOPE, &operator(1)).unwrap()
}

/// With an interval for each secret of the deployment in production, and for the service's credential there.
fn rotated<V: Clone>(mut configuration: Configuration<V>) -> Configuration<V> {
    let ids: Vec<_> = configuration.deployments.keys().cloned().collect();
    for id in ids {
        let deployment = configuration.deployments.get_mut(&id).unwrap();
        let layers = deployment.environments.values_mut().map(|here| &mut here.layer);
        let all = layers.flat_map(|layer| layer.variables.values_mut());
        let every = Days::new(90).unwrap();
        all.filter(|one| one.sensitivity == Sensitivity::Secret)
            .for_each(|one| one.interval = Some(Interval { every, since: UnixSeconds(1_785_542_400) }));
    }
    let services: Vec<_> = configuration.services.keys().cloned().collect();
    for id in services {
        for instance in configuration.services.get_mut(&id).unwrap().instances.values_mut() {
            (instance.set, instance.rotate_every) = (Some(UnixSeconds(1_785_542_400)), Days::new(30));
        }
    }
    configuration
}

/// A body of format 3 that says this.
fn signed_saying(last: Last) -> Vec<u8> {
    let body = wire::encode(&(write::body(&input(), &[]), wire::more::More::default(), last));
    signed_counting(3, &body, Counts::of(&input(), &[]))
}

fn signed_with(triggers: &[(&str, u8)]) -> Vec<u8> {
    let triggers = triggers.iter().map(|(name, code)| ((*name).to_owned(), *code));
    signed_saying(Last { triggers: triggers.collect(), ..Last::default() })
}

/// One of `PASSWORD`, which is the deployment's in production, or of what `place` and `name` say instead.
fn one_interval(place: wire::Place, name: &str, days: u32) -> Option<BundleError> {
    let intervals = [((place, name.to_owned()), wire::last::Interval { days, since: 0 })].into();
    open(&signed_saying(Last { intervals, ..Last::default() })).err()
}

/// One of the credential of `service` in `owner`.
fn one_credential(service: &str, owner: &str, days: Option<u32>) -> Option<BundleError> {
    let credentials =
        [((service.to_owned(), owner.to_owned()), wire::last::Credential { days, set: 0 })].into();
    open(&signed_saying(Last { credentials, ..Last::default() })).err()
}

fn production_of(deployment: &str) -> wire::Place {
    wire::Place::Deployment { deployment: deployment.into(), environment: Some("production".into()) }
}

#[test]
fn a_trigger_travels_in_format_3_and_nothing_else_does() {
    let bytes = pushed_triggered();
    assert_eq!(inspect(&bytes, &BundleLimits::default()).unwrap().format, 3);
    assert_eq!(open(&bytes).unwrap().configuration, triggered());
    let part = Configuration::new("acme".parse().unwrap(), Uid([1; 16]));
    let mut part: Configuration<SealedValue> = part;
    part.environments = triggered().environments;
    let read = read_part(&write_part(&part), &part.workspace, part.uid).unwrap();
    assert_eq!(read.environments, part.environments);
}

#[test]
fn triggers_of_nothing_unknown_ones_and_none_at_all_are_refused() {
    let name = triggered().environments.keys().next().unwrap().to_string();
    assert!(open(&signed_with(&[(&name, 2)])).is_ok());
    for wrong in [&[][..], &[("nowhere", 1)], &[(&name, 3)], &[(&name, 1), ("not a name", 1)]] {
        let refused = open(&signed_with(wrong)).err();
        assert!(matches!(refused, Some(BundleError::Content(_))), "{wrong:?}: {refused:?}");
    }
}

#[test]
fn an_interval_travels_with_its_secret_in_both_forms_and_in_pieces() {
    let configuration = rotated(input());
    assert_eq!((configuration.intervals().count(), configuration.credential_intervals().count()), (1, 1));
    let bytes = sign_input(&configuration, ENVELOPE, &operator(1)).unwrap();
    assert_eq!(inspect(&bytes, &BundleLimits::default()).unwrap().format, 3);
    assert_eq!(open(&bytes).unwrap().configuration, configuration);
    let kept = rotated(stored().0);
    let bytes = sign_stored(&kept, &stored().1, ENVELOPE, &store()).unwrap();
    let opened = open_stored(&bytes, &store().verifying_key(), &BundleLimits::default()).unwrap();
    assert_eq!(opened.configuration, kept);
    let read = read_part(&write_part(&kept), &kept.workspace, kept.uid).unwrap();
    assert_eq!((read.intervals().count(), read.credential_intervals().count()), (1, 1));
}

#[test]
fn intervals_of_nothing_and_those_that_are_none_are_refused() {
    assert_eq!(one_interval(production_of("checkout"), "PASSWORD", 90), None);
    let reason = |refused: Option<BundleError>| match refused {
        Some(BundleError::Content(error)) => error.reason,
        other => panic!("{other:?}"),
    };
    for days in [0, Days::MAX + 1, u32::MAX] {
        let refused = reason(one_interval(production_of("checkout"), "PASSWORD", days));
        assert!(matches!(refused, InvalidContent::Interval(_)), "{days}: {refused:?}");
    }
    let base = wire::Place::Deployment { deployment: "checkout".into(), environment: None };
    for (place, name) in [
        (production_of("search"), "PASSWORD"),
        (production_of("checkout"), "NOT_THERE"),
        (base, "PASSWORD"),
        (wire::Place::Environment("staging".into()), "PASSWORD"),
        (wire::Place::Workspace, "not a name"),
    ] {
        assert_eq!(reason(one_interval(place, name, 90)), InvalidContent::Loose, "{name}");
    }
    assert_eq!(one_credential("db", "production", None), None, "when it was set, and no interval");
    for (service, owner) in [("db", "staging"), ("cache", "production"), ("not a name", "production")] {
        assert_eq!(reason(one_credential(service, owner, Some(90))), InvalidContent::Loose, "{service}");
    }
    let refused = reason(one_credential("db", "production", Some(0)));
    assert!(matches!(refused, InvalidContent::Interval(_)), "{refused:?}");
    let refused = one_interval(wire::Place::Environment("hunter 2".into()), "PASSWORD", 90);
    assert!(!format!("{refused:?}").contains("hunter"), "{refused:?}");
    assert!(matches!(reason(refused), InvalidContent::Name(_)));
}

/// Golden vectors of format 3, as far as a bundle says more than format 2 can carry.
#[test]
fn format_3_is_what_it_was() {
    let both = sign_input(&rotated(triggered()), ENVELOPE, &operator(1)).unwrap();
    check_golden("input", include_str!("../golden/3-input.hex"), &both);
    let golden = hex::decode(include_str!("../golden/3-input.hex").replace('\n', "")).unwrap();
    assert_eq!(open(&golden).unwrap().configuration, rotated(triggered()));
}
