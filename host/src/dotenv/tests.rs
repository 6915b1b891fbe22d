mod limits;
mod round_trip;
mod vectors;

use super::*;

fn told(text: &str, dialect: Dialect) -> Vec<String> {
    match parse(text.as_bytes(), dialect) {
        Ok(parsed) => parsed.warnings.iter().map(ToString::to_string).collect(),
        Err(problems) => problems.iter().map(ToString::to_string).collect(),
    }
}

/// One message, beginning with `expect`, or none for an empty one.
fn check(text: &str, dialect: Dialect, expect: &str) {
    let told = told(text, dialect);
    let all = told.join("\n");
    assert!(if expect.is_empty() { told.is_empty() } else { all.starts_with(expect) }, "{text:?}\n{all}");
}

#[test]
fn what_all_dialects_read_alike_is_common_and_in_no_doubt() {
    for text in ["A=1\n", "# c\n\nA=a b\nB=\n", "\u{feff}A=1\r\nB=2\r\n", "A=postgres://u:p@h/d?x=1&y=2\n"] {
        Dialect::ALL.into_iter().for_each(|dialect| check(text, dialect, ""));
    }
}

#[test]
fn a_line_on_which_dialects_part_is_refused_as_common_and_reported_else() {
    let common = Dialect::Common;
    check(
        "OK=1\nA=\"x y\" # z\n",
        common,
        "line 2: readers of dotenv files part here (docker: the text as it stands; compose: quotes taken off; \
         python, node: quotes taken off, comment left out); name a dialect",
    );
    check(
        "A=x#y\n",
        common,
        "line 1: readers of dotenv files part here (docker, compose, python: the text as it stands; node: comment left out)",
    );
    check(
        "A=${B}\n",
        common,
        "line 1: readers of dotenv files part here (docker, node: the text as it stands; compose, python: references replaced)",
    );
    check(
        "A\n",
        common,
        "line 1: readers of dotenv files part here (docker, compose: a name taken from the environment; python: a name left unset; node: passed over)",
    );
    check(
        "A B=1\n",
        common,
        "line 1: readers of dotenv files part here (docker, compose: refused, there is a blank in the name",
    );
    check(
        "A='1'\n",
        Dialect::Node,
        "line 1: A: other dialects read otherwise (docker: the text as it stands)",
    );
    check(
        "A='1\nB=2'\n",
        Dialect::Docker,
        "line 1: A: other dialects read otherwise (compose, python, node: quotes taken off, over several lines)\nline 2: B: other dialects read otherwise (compose, python, node: no such variable)",
    );
    check(
        "A='1\nB=2'\n",
        Dialect::Node,
        "line 1: A: other dialects read otherwise (docker: the text as it stands)\nline 2: is no variable here, but to other dialects (docker: a variable)",
    );
    check(
        "A=1\n=2\n",
        Dialect::Python,
        "line 2: is not understood and passed over\nline 2: other dialects give the whole file up here (docker: there is no name before the value",
    );
}

#[test]
fn what_one_dialect_leaves_in_doubt_is_reported() {
    check("A=1\nB=x\nA=2\n", Dialect::Common, "line 3: A is set again; the value of line 1 is lost");
    check("A=1\nA\n", Dialect::Python, "line 2: a name has no value here and is left unset");
    assert!(parse(b"A=1\nA\n", Dialect::Python).unwrap().entries.is_empty());
    check("A=1\nA\n", Dialect::Docker, "line 2: a name has no value here and is left out; docker");
    assert_eq!(parse(b"A=1\nA\n", Dialect::Docker).unwrap().entries.len(), 1);
    for text in ["A=${B}\nB=1\n", "A=${B:-x}\n", "A=\"${B}\"\n"] {
        let told = told(text, Dialect::Python).join("\n");
        assert!(told.contains("line 1: A refers to a name that the file does not set above it"), "{told}");
    }
    assert!(!told("B=1\nA=${B}\n", Dialect::Python).join("\n").contains("refers"));
}

#[test]
fn a_name_that_is_no_variables_name_is_refused_by_its_line() {
    check("A=1\nmy-key=2\n3=4\n", Dialect::Node, "line 2: not a valid variable name: use 1 to 128");
    assert_eq!(told("A=1\nmy-key=2\n3=4\n", Dialect::Node).len(), 2);
    let name = "N".repeat(129);
    check(&format!("{name}=1\n"), Dialect::Common, "line 1: not a valid variable name");
    check(&format!("{}=1\n", &name[1..]), Dialect::Common, "");
}

#[test]
fn no_message_holds_a_value_or_a_piece_of_one() {
    let pieces = [
        "hunter2",
        "A=hunter2\nA=hunter2",
        "A=\"hunter2\nB=\"hunter2\" hunter2",
        "hunter2 hunter2=1",
        "=hunter2",
        "A='x\nhunter2==\nhunter2\n'",
        "A=${hunter2}",
        "A=$hunter2",
        "A=${hunter2:?hunter2}",
        "A=${hunter2",
        "hunter2!=1",
        "A: hunter2 # hunter2",
        "export hunter2 hunter2",
        "A='hunter2' hunter2",
        "hunter2-=1",
        "B=`hunter2`\\",
        "A=\u{1}hunter2\u{85}",
    ];
    for text in pieces {
        for dialect in Dialect::ALL {
            let parsed = parse(text.as_bytes(), dialect);
            let told = told(text, dialect).join("\n") + &format!("{parsed:?}");
            let named = parsed
                .is_ok_and(|parsed| parsed.entries.iter().any(|entry| entry.name.as_str() == "hunter2"));
            assert!(named || !told.contains("hunter2"), "{dialect}: {text:?}\n{told}");
        }
    }
}

#[test]
fn an_import_sets_secrets_as_secrets() {
    let parsed = || parse(b"LOG=info\nSTRIPE_KEY=sk\nDB=pw\n", Dialect::Common).unwrap();
    let choice = |listed: &[&str], patterns: &[&str]| SecretNames {
        listed: listed.iter().map(|name| name.parse().unwrap()).collect(),
        patterns: patterns.iter().map(|pattern| pattern.parse().unwrap()).collect(),
    };
    let set = parsed().assignments(&choice(&["DB"], &["*_KEY", "NOTHING_*"])).unwrap();
    let secret = |at: usize| matches!(&set[at].value, AssignedValue::Secret(_));
    assert_eq!((secret(0), secret(1), secret(2)), (false, true, true));
    assert_eq!((set[1].name.as_str(), set[1].line), ("STRIPE_KEY", 2));
    assert!(!format!("{set:?}").contains("sk"));
    let problems = parsed().assignments(&choice(&["DBB"], &[])).unwrap_err();
    assert_eq!(
        problems[0].to_string(),
        "the file sets no DBB, which is to be a secret; name one that the file sets"
    );
}

#[test]
fn patterns_match_whole_names() {
    let matches =
        |pattern: &str, name: &str| pattern.parse::<NamePattern>().unwrap().matches(&name.parse().unwrap());
    for (pattern, name) in [
        ("A", "A"),
        ("*", "A"),
        ("*_KEY", "X_KEY"),
        ("A*", "A"),
        ("*A*B*", "XABY"),
        ("A*A", "AA"),
        ("**", "A"),
    ] {
        assert!(matches(pattern, name), "{pattern} {name}");
    }
    for (pattern, name) in
        [("A", "AB"), ("*_KEY", "X_KEYS"), ("A*A", "A"), ("*A*B*", "BA"), ("a*", "A"), ("A*B*C", "ABXD")]
    {
        assert!(!matches(pattern, name), "{pattern} {name}");
    }
    for bad in ["", "A-B", "A?", "é", &"A".repeat(129)] {
        assert!(bad.parse::<NamePattern>().is_err(), "{bad}");
    }
}

#[test]
fn dialects_are_called_what_they_print() {
    for dialect in Dialect::ALL {
        assert_eq!(dialect.to_string().parse::<Dialect>().unwrap(), dialect);
    }
    assert!("dotenv".parse::<Dialect>().is_err());
}
