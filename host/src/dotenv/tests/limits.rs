//! A file of any size and shape costs what its size costs, and no more than is named.

use super::{super::*, check};
use crate::validate::limits::VALUE_BYTES;

#[test]
fn limits_are_kept_by_every_dialect() {
    let long = |bytes| format!("# {}\n", "x".repeat(bytes - 3));
    let lines = |count: usize| (0..count).map(|at| format!("A{at}=x\n")).collect::<String>();
    for dialect in Dialect::ALL {
        check(
            &long(MAX_BYTES),
            dialect,
            if dialect == Dialect::Docker { "line 1: the line is too long" } else { "line 1: " },
        );
        check(&long(MAX_BYTES + 1), dialect, "the file is longer than 1048576 bytes");
        check(&lines(MAX_ENTRIES), dialect, "");
        check(&lines(MAX_ENTRIES + 1), dialect, "line 4097: there are more than 4096 entries");
        check("A=1\nB=\0\n", dialect, "line 2: holds a NUL");
        let broken = parse(b"A=1\n\nB=\xff\n", dialect).unwrap_err();
        assert_eq!(broken, [Problem { line: 3, wrong: Wrong::NotText }]);
    }
    for dialect in [Dialect::Compose, Dialect::Python, Dialect::Node] {
        let value = "x".repeat(VALUE_BYTES);
        assert_eq!(
            parse(format!("A={value}").as_bytes(), dialect).unwrap().entries[0].expose().len(),
            VALUE_BYTES
        );
        check(&format!("B=1\nA={value}x\n"), dialect, "line 2: the value is longer than 65536 bytes");
    }
    let line = "x".repeat(65_533);
    check(&format!("A={line}\n"), Dialect::Docker, "");
    check(&format!("A={line}x\n"), Dialect::Docker, "line 1: the line is too long for docker");
}

#[test]
fn references_do_not_make_a_small_file_large() {
    let doubled: String = (1..40).map(|at| format!("A{at}=\"${{A{}}}${{A{0}}}\"\n", at - 1)).collect();
    let wide: String = (0..100).map(|at| format!("B{at}=${{A13}}\n")).collect();
    for dialect in [Dialect::Compose, Dialect::Python] {
        check(&format!("A0=xxxxxxxx\n{doubled}"), dialect, "line 15: the value is longer");
        let first: String = doubled.split_inclusive('\n').take(13).collect();
        check(&format!("A0=xxxxxxxx\n{first}{wide}"), dialect, "line 77: the values together are longer");
    }
    let nested = format!("A={}{}\n", "${B:-".repeat(33), "}".repeat(33));
    check(&nested, Dialect::Compose, "line 1: references are nested too deep");
    check(&nested.replacen("${B:-", "", 1).replacen('}', "", 1), Dialect::Compose, "line 1: A: other");
}

#[test]
fn hostile_files_are_read_in_linear_time() {
    let pieces = [
        "A=\"\n",
        "A='\\'\n",
        "A=`\\`",
        "${A:",
        "${",
        "A=${B-",
        "\u{2028}\"x",
        "\"\u{2028}'",
        "export ",
        "\r",
        " #",
        "A=\n\n",
        "}{",
        "\\",
    ];
    for piece in pieces {
        // References are looked for in what is short enough for a value.
        for (start, bytes) in [("", MAX_BYTES / 4), ("A=\"x\u{2028}", MAX_BYTES / 4), ("A=", VALUE_BYTES)] {
            let text = start.to_owned() + &piece.repeat((bytes - start.len()) / piece.len());
            for dialect in Dialect::REAL {
                dialect.read(&text);
            }
            drop(parse(text.as_bytes(), Dialect::Common));
        }
    }
}
