//! What a bundle is, and everything that is none.

mod contents;
mod format_2;
mod format_3;
mod kit;

use kit::*;

use super::*;

#[test]
fn a_bundle_opens_to_what_was_signed() {
    let opened = open(&pushed()).unwrap();
    assert_eq!(opened.configuration, input());
    assert_eq!((opened.header.parent, opened.header.counts.values), (Revision(6), 5));
    assert!(opened.data_keys.is_empty());
    let (configuration, data_keys) = stored();
    let opened = open_stored(&kept(), &store().verifying_key(), &BundleLimits::default()).unwrap();
    assert_eq!((opened.configuration, opened.data_keys), (configuration, data_keys));
}

#[test]
fn a_component_travels_once_however_many_policies_use_it() {
    let opened = open(&pushed()).unwrap().configuration;
    let components: Vec<_> = opened.policies.values().map(|policy| policy.component.as_ptr()).collect();
    assert_eq!(components[0], components[1]);
}

#[test]
fn every_bit_of_a_bundle_counts() {
    let (pushed, kept) = (pushed(), kept());
    for bit in 0..pushed.len() * 8 {
        let mut changed = pushed.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(open(&changed).is_err(), "bit {bit}");
    }
    for bit in 0..kept.len() * 8 {
        let mut changed = kept.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        let key = store().verifying_key();
        assert!(open_stored(&changed, &key, &BundleLimits::default()).is_err(), "bit {bit}");
    }
}

#[test]
fn a_truncated_or_extended_bundle_is_refused() {
    let bytes = pushed();
    for length in 0..bytes.len() {
        assert!(open(&bytes[..length]).is_err(), "{length}");
    }
    let longer = [bytes.as_slice(), &[0]].concat();
    assert!(
        matches!(open(&longer).err(), Some(BundleError::Length { announced, found }) if found == announced + 1)
    );
}

#[test]
fn a_bundle_too_large_is_refused_before_anything_else() {
    let limits = BundleLimits { bundle_bytes: 100, ..BundleLimits::default() };
    let refused = open_input(&pushed(), &trusted(), &limits, EXPECTED).err();
    assert_eq!(refused, Some(BundleError::TooLarge { limit: 100 }));
    let limits = BundleLimits { bundle_bytes: usize::MAX, ..limits };
    let huge = vec![0; MAX_BUNDLE_BYTES + 1];
    let refused = open_input(&huge, &trusted(), &limits, EXPECTED).err();
    assert_eq!(refused, Some(BundleError::TooLarge { limit: MAX_BUNDLE_BYTES }));
}

#[test]
fn something_else_is_no_bundle() {
    assert_eq!(open(b"").err(), Some(BundleError::Magic));
    assert_eq!(open(&[0x50; 4000]).err(), Some(BundleError::Magic));
    let mut later = pushed();
    later[8] = 4;
    assert_eq!(open(&later).err(), Some(BundleError::Format { format: 4 }));
}

#[test]
fn only_a_trusted_operator_may_push() {
    let other = sign_input(&input(), ENVELOPE, &operator(3)).unwrap();
    let signer = operator(3).verifying_key().id();
    assert_eq!(open(&other).err(), Some(BundleError::UnknownSigner { signer }));
    let second = sign_input(&input(), ENVELOPE, &operator(2)).unwrap();
    assert!(open(&second).is_ok(), "two signers may overlap");
    let mut posing = pushed();
    let at = posing.windows(16).position(|window| window == operator(1).verifying_key().id().0).unwrap();
    posing[at..at + 16].copy_from_slice(&operator(2).verifying_key().id().0);
    let signer = operator(2).verifying_key().id();
    assert_eq!(open(&posing).err(), Some(BundleError::Signature { signer }));
}

#[test]
fn the_two_forms_do_not_pass_for_each_other() {
    let key = store().verifying_key();
    let limits = BundleLimits::default();
    let everyone = TrustedSigners::new([operator(1).verifying_key(), key.clone()]);
    let wrong = BundleError::WrongForm { expected: BundleForm::Input };
    assert_eq!(open_input(&kept(), &everyone, &limits, EXPECTED).err(), Some(wrong));
    let wrong = BundleError::WrongForm { expected: BundleForm::Stored };
    assert_eq!(open_stored(&pushed(), &operator(1).verifying_key(), &limits).err(), Some(wrong));
    let signer = operator(1).verifying_key().id();
    assert_eq!(open_stored(&pushed(), &key, &limits).err(), Some(BundleError::UnknownSigner { signer }));
}

#[test]
fn a_swapped_body_is_refused() {
    let (one, mut other) = (pushed(), input());
    other.base = Layer::default();
    let other = sign_input(&other, ENVELOPE, &operator(1)).unwrap();
    let front =
        |bytes: &[u8]| bytes.len() - inspect(bytes, &BundleLimits::default()).unwrap().body_length as usize;
    let swapped = [&one[..front(&one)], &other[front(&other)..]].concat();
    assert!(matches!(open(&swapped).err(), Some(BundleError::Length { .. })));
    let mut changed = one.clone();
    *changed.last_mut().unwrap() ^= 1;
    assert_eq!(open(&changed).err(), Some(BundleError::Digest));
}

#[test]
fn an_expired_replayed_or_foreign_bundle_is_refused_at_push() {
    let at = |expected| open_input(&pushed(), &trusted(), &BundleLimits::default(), expected).err();
    let late = Expected { now: UnixSeconds(1_900), ..EXPECTED };
    assert_eq!(at(late), Some(BundleError::Expired { not_after: UnixSeconds(1_900) }));
    let replayed = Expected { revision: Revision(7), ..EXPECTED };
    let stale = BundleError::StaleParent { parent: Revision(6), current: Revision(7) };
    assert_eq!(at(replayed), Some(stale));
    let recreated = Expected { workspace: Uid([8; 16]), ..EXPECTED };
    assert_eq!(at(recreated), Some(BundleError::OtherWorkspace { found: WORKSPACE }));
}

#[test]
fn a_header_can_be_looked_at_without_believing_it() {
    let header = inspect(&pushed(), &BundleLimits::default()).unwrap();
    assert_eq!((header.workspace.as_str(), header.form), ("acme", BundleForm::Input));
}

/// Golden vectors of format 1. A bundle that does not read any more, or is written differently, is
/// a new format version: keep these and add its own.
#[test]
fn format_1_is_what_it_was() {
    check_golden("input", include_str!("golden/1-input.hex"), &pushed());
    check_golden("stored", include_str!("golden/1-stored.hex"), &kept());
    let golden = hex::decode(include_str!("golden/1-input.hex").replace('\n', "")).unwrap();
    assert_eq!(open(&golden).unwrap().configuration, input());
}

fn check_golden(what: &str, golden: &str, bytes: &[u8]) {
    assert_eq!(golden.replace('\n', ""), hex::encode(bytes), "{what}");
}
