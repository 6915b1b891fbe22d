//! What a signed body may hold, and how much of it.

use super::*;

#[test]
fn more_than_the_limits_is_refused() {
    let limits = BundleLimits { values: 4, ..BundleLimits::default() };
    let refused = open_input(&pushed(), &trusted(), &limits, EXPECTED).err();
    assert_eq!(refused, Some(BundleError::TooMany { what: "values", limit: 4 }));
    let limits = BundleLimits { attributes: 0, ..BundleLimits::default() };
    let refused = open_input(&pushed(), &trusted(), &limits, EXPECTED).err();
    assert!(matches!(refused, Some(BundleError::Content(_))));
    let long = refused_text("x".repeat(5_000));
    assert_eq!(long, InvalidContent::TooLong { limit: 4_096 });
}

fn refused_text(text: String) -> InvalidContent {
    let change = |body: &mut wire::Body| {
        let variables = body.base.variables.values_mut();
        variables.for_each(|variable| variable.description.clone_from(&text));
    };
    refused(change, "base.variables.LOG.description")
}

#[test]
fn what_the_header_counts_must_be_there() {
    let missing = content(|body| {
        body.base.variables.clear();
    });
    assert_eq!(missing, Some(BundleError::Counts));
}

#[test]
fn a_body_that_is_not_an_encoding_is_refused() {
    let good = wire::encode(&write::body(&input(), &[]));
    let wire = |bytes: &[u8]| match open(&signed_body(bytes)).err() {
        Some(BundleError::Wire(error)) => error,
        other => panic!("{other:?}"),
    };
    assert_eq!(wire(&[good.as_slice(), &[0]].concat()), WireError::Trailing { offset: good.len() });
    for length in 0..good.len() {
        assert!(matches!(wire(&good[..length]), WireError::Decode { .. }), "{length}");
    }
    // The 9 bytes that abort a decoder without a limit: a list of 2^64 - 1 elements.
    let abort = [&[0xfd][..], &[0xff; 8]].concat();
    assert_eq!(wire(&abort), WireError::Decode { reason: "it claims more than the decoder's limit" });
}

#[test]
fn an_encoding_that_is_not_canonical_is_refused() {
    let good = wire::encode(&write::body(&input(), &[]));
    // The first byte counts the base layer's variables: 1, written as a u16 here.
    assert_eq!(good[0], 1);
    let wide = [&[0xfb, 1, 0], &good[1..]].concat();
    let refused = open(&signed_body(&wide)).err();
    assert_eq!(refused, Some(BundleError::Wire(WireError::NotCanonical { offset: 0 })));
}

#[test]
fn what_breaks_a_rule_is_named_by_its_place_and_not_quoted() {
    let moved = |body: &mut wire::Body| {
        let layer = body.base.variables.pop_first().unwrap().1;
        body.base.variables.insert("not a name: hunter2".into(), layer);
    };
    let Some(error) = content(moved) else { panic!("accepted") };
    assert!(error.to_string().starts_with("base.variables: not a valid variable name"), "{error}");
    assert!(!format!("{error:?}").contains("hunter2"));
}

#[test]
fn unknown_codes_are_refused() {
    let kind = |body: &mut wire::Body| body.environments.values_mut().for_each(|each| each.kind = 4);
    assert_eq!(refused(kind, "environments.production.type"), InvalidContent::UnknownCode);
    let kind = |body: &mut wire::Body| body.services.values_mut().for_each(|each| each.kind = 200);
    assert_eq!(refused(kind, "services.db.kind"), InvalidContent::UnknownCode);
}

#[test]
fn a_stored_value_is_refused_in_an_input() {
    let swap = |body: &mut wire::Body| {
        for variable in body.base.variables.values_mut() {
            let value = wire::Value::Stored { id: [0; 16], bytes: vec![] };
            let versions = vec![wire::Version { number: 1, value }];
            variable.content = wire::Content::Versions { versions, current: 1 };
        }
    };
    assert_eq!(refused(swap, "base.variables.LOG.versions.0.value"), InvalidContent::WrongForm);
}

#[test]
fn versions_must_ascend_and_include_the_current_one() {
    let set = |numbers: &'static [u64], current| {
        move |body: &mut wire::Body| {
            for variable in body.base.variables.values_mut() {
                let version = |&number| wire::Version { number, value: wire::Value::Text(String::new()) };
                variable.content =
                    wire::Content::Versions { versions: numbers.iter().map(version).collect(), current };
            }
        }
    };
    for (numbers, current) in [(&[][..], 1), (&[1], 2), (&[2, 1], 1), (&[1, 1], 1), (&[0], 0)] {
        let reason = refused(set(numbers, current), "base.variables.LOG.versions");
        assert_eq!(reason, InvalidContent::Versions, "{numbers:?} {current}");
    }
}

#[test]
fn components_must_fit_their_digests_and_their_policies() {
    let changed = |body: &mut wire::Body| body.components.values_mut().for_each(|bytes| bytes.push(0));
    assert_eq!(refused(changed, "components"), InvalidContent::ComponentDigest);
    let missing = |body: &mut wire::Body| body.components.clear();
    assert_eq!(refused(missing, "policies.regions.digest"), InvalidContent::ComponentMissing);
    let unused = |body: &mut wire::Body| {
        body.components.insert(sha256(b"more").0, b"more".to_vec());
    };
    assert_eq!(refused(unused, "components"), InvalidContent::ComponentUnused);
}
