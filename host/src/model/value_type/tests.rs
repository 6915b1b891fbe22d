use super::*;

fn pattern(text: &str) -> ValueType {
    ValueType::Pattern(text.parse().unwrap())
}

fn url(schemes: &[&str]) -> ValueType {
    ValueType::url(schemes.iter().map(|one| (*one).to_owned())).unwrap()
}

fn integer(min: Option<i64>, max: Option<i64>) -> ValueType {
    ValueType::integer(min, max).unwrap()
}

fn check(expected: &ValueType, good: &[&str], bad: &[&str]) {
    for text in good {
        assert!(expected.accepts(text), "{text} is {expected}");
    }
    for text in bad {
        assert!(!expected.accepts(text), "{text} is not {expected}");
    }
}

#[test]
fn each_type_accepts_its_texts_and_no_neighbours() {
    check(
        &ValueType::Port,
        &["1", "8080", "65535"],
        &["", "0", "65536", "-1", "+80", "080", " 80", "80 ", "80.0", "٨٠", "http", "99999999999999999999"],
    );
    check(&integer(None, None), &["0", "-7", "9223372036854775807"], &["", "-0", "1e3", "0x10", "1_000"]);
    check(&integer(Some(-1), Some(1)), &["-1", "0", "1"], &["-2", "2"]);
    check(&ValueType::Boolean, &["true", "false"], &["", "True", "1", "yes", "true "]);
    check(
        &url(&[]),
        &[
            "https://a",
            "postgres://u:p%40@h1:1,h2:2/db?x=1",
            "file:///etc/app",
            "http://[::1]:80/",
            "REDIS://h:",
            "postgres://%2Fvar%2Frun:5432/db",
        ],
        &[
            "",
            "a",
            "https:",
            "https://",
            "https:///",
            "://a",
            "1a://b",
            "https//a",
            "mailto:a@b",
            "https://a b",
            "https://a\n",
            "https://a:port",
            "https://a:65536",
            "https://[::1",
            "https://a%4",
            "https://ü.example",
            "https://a@b@c",
        ],
    );
    check(&url(&["postgres"]), &["postgres://a", "Postgres://a"], &["postgresql://a", "http://a"]);
    check(&pattern("eu-[a-z]+-[0-9]"), &["eu-west-1"], &["", "eu-west-1 ", "xeu-west-1", "eu-west-1\n"]);
    check(&pattern("a|b"), &["a", "b"], &["ab", "ax", "xb"]);
    check(&pattern("(?m)^a$"), &["a"], &["a\nb", "b\na"]);
}

#[test]
fn what_no_text_could_have_is_no_type() {
    let scheme = |text: &str| ValueType::url([text.to_owned()]);
    for bad in ["", "1a", "a b", "postgres://", &"a".repeat(33)] {
        assert_eq!(scheme(bad), Err(InvalidType::Scheme), "{bad}");
    }
    let many = (0..=MAX_SCHEMES).map(|at| format!("s{at}"));
    assert_eq!(ValueType::url(many), Err(InvalidType::Schemes));
    assert_eq!(ValueType::integer(Some(2), Some(1)), Err(InvalidType::EmptyRange));
    for bad in ["(", "a)|(b", "(?=a)", r"(a)\1", "a{1000}{1000}", r"\w{999}", "(?x)a # b"] {
        assert_eq!(bad.parse::<Pattern>(), Err(InvalidType::Pattern), "{bad}");
    }
    assert_eq!("a".repeat(MAX_PATTERN_BYTES + 1).parse::<Pattern>(), Err(InvalidType::PatternTooLong));
    assert!("a".repeat(MAX_PATTERN_BYTES).parse::<Pattern>().is_ok());
    assert_eq!(("(".repeat(99) + &")".repeat(99)).parse::<Pattern>(), Err(InvalidType::Pattern));
}

#[test]
fn a_later_layer_may_narrow_and_not_widen_or_change() {
    let narrows = [
        (url(&[]), url(&["http"]), url(&["http"])),
        (url(&["http", "https"]), url(&["https"]), url(&["https"])),
        (url(&["https"]), url(&[]), url(&["https"])),
        (integer(None, None), integer(Some(1), None), integer(Some(1), None)),
        (integer(Some(1), Some(9)), integer(Some(2), None), integer(Some(2), Some(9))),
        (ValueType::Port, ValueType::Port, ValueType::Port),
        (pattern("a"), pattern("a"), pattern("a")),
    ];
    for (earlier, later, both) in narrows {
        assert_eq!(earlier.narrowed_by(&later), Some(both), "{earlier}, then {later}");
    }
    let contradicts = [
        (url(&["https"]), url(&["http", "https"])),
        (integer(Some(1), Some(9)), integer(Some(0), None)),
        (integer(None, Some(9)), integer(None, Some(10))),
        (integer(None, Some(9)), integer(Some(10), None)),
        (ValueType::Port, ValueType::Boolean),
        (pattern("a"), pattern("b")),
    ];
    for (earlier, later) in contradicts {
        assert_eq!(earlier.narrowed_by(&later), None, "{earlier}, then {later}");
    }
}
