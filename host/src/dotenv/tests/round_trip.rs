//! What our writers write, the dialects that they are for read back.

use std::collections::BTreeMap;

use super::super::{Dialect, parse};
use crate::{
    format::{Format, write},
    validate::limits,
};

/// Each alone, and each before, between and behind the others.
const PIECES: [&str; 21] = [
    "a", "n", "0", " ", "\t", "\n", "\r", "'", "\"", "`", "\\", "$", "{", "}", "#", "=", ":", "ü", "\u{a0}",
    "\u{2028}", "\u{feff}",
];

fn values() -> Vec<String> {
    let mut values: Vec<String> = vec![String::new()];
    for length in 0..3 {
        let longest: Vec<String> =
            values.iter().filter(|value| value.chars().count() == length).cloned().collect();
        values.extend(longest.iter().flat_map(|value| PIECES.map(|piece| format!("{value}{piece}"))));
    }
    let all: String = (1..0x7f_u8).map(char::from).collect();
    let pem = "-----BEGIN KEY-----\nit's MIIB+/==\n-----END KEY-----\n";
    values.extend([
        all,
        pem.to_owned(),
        "\\n \\t \\0101 \\q".to_owned(),
        "{\"k\": \"v#w\", \"l\": [1]}".to_owned(),
    ]);
    values
}

/// How many values the format carries; each is read back by every dialect.
fn check(format: Format, dialects: &[Dialect]) -> usize {
    let mut carried = 0;
    for chunk in values().chunks(limits::VARIABLES_PER_LAYER) {
        let alone = |value: &String| {
            write(format, "x", &[("K".to_owned(), value.clone())].into(), &mut Vec::new()).is_ok()
        };
        let good = chunk.iter().filter(|value| alone(value)).enumerate();
        let variables: BTreeMap<String, String> =
            good.map(|(at, value)| (format!("K{at}"), value.clone())).collect();
        let mut file = Vec::new();
        write(format, "x", &variables, &mut file).unwrap();
        for dialect in dialects {
            let parsed = parse(&file, *dialect).unwrap();
            let read = parsed.entries.iter().map(|entry| (entry.name.to_string(), entry.expose().to_owned()));
            for (read, (name, value)) in read.zip(&variables) {
                assert_eq!(read, (name.clone(), value.clone()), "{format:?} to {dialect}");
            }
            assert_eq!(parsed.entries.len(), variables.len(), "{format:?} to {dialect}");
        }
        carried += variables.len();
    }
    carried
}

#[test]
fn what_the_dotenv_format_writes_python_and_compose_read_back() {
    let carried = check(Format::Dotenv, &[Dialect::Python, Dialect::Compose]);
    assert!(carried * 4 > values().len() * 3, "{carried}");
}

#[test]
fn what_the_docker_format_writes_docker_reads_back() {
    let carried = check(Format::Docker, &[Dialect::Docker]);
    assert!(carried * 2 > values().len(), "{carried}");
}

#[test]
fn a_value_as_long_as_may_be_is_carried_whole_or_refused() {
    for (format, dialect) in [(Format::Dotenv, Dialect::Python), (Format::Docker, Dialect::Docker)] {
        for bytes in limits::VALUE_BYTES - 4..=limits::VALUE_BYTES {
            let (value, mut file) = ("x".repeat(bytes), Vec::new());
            if write(format, "x", &[("K".to_owned(), value.clone())].into(), &mut file).is_ok() {
                assert_eq!(parse(&file, dialect).unwrap().entries[0].expose(), value, "{format:?} {bytes}");
            }
        }
    }
}
