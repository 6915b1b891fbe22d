//! What format 3 adds, there and back, and its hostile neighbours.

use super::*;
use crate::model::Trigger;

fn triggered() -> Configuration<InputValue> {
    let mut configuration = input();
    let all = configuration.environments.values_mut().zip(Trigger::ALL);
    all.for_each(|(environment, trigger)| environment.trigger = Some(trigger));
    configuration
}

fn pushed_triggered() -> Vec<u8> {
    sign_input(&triggered(), ENVELOPE, &operator(1)).unwrap()
}

/// A body of format 3 with these triggers.
fn signed_with(triggers: &[(&str, u8)]) -> Vec<u8> {
    let triggers: wire::triggers::Triggers =
        triggers.iter().map(|(name, code)| ((*name).to_owned(), *code)).collect();
    let body = wire::encode(&(write::body(&input(), &[]), wire::more::More::default(), triggers));
    signed_counting(3, &body, Counts::of(&input(), &[]))
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

/// Golden vectors of format 3, as far as a bundle says more than format 2 can carry.
#[test]
fn format_3_is_what_it_was() {
    check_golden("input", include_str!("../golden/3-input.hex"), &pushed_triggered());
}
