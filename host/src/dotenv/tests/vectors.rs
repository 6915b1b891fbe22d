//! The parsers against what the originals read (`tests/dotenv`, which says how it was recorded).

use std::collections::BTreeMap;

use super::super::{Dialect, Parsed, Problem, Reading, Wrong, parse, reading::What};
use crate::id::VariableName;

/// What a dialect reads: the values by name (none where a name has none), or that it gives the file up.
type Values = Option<BTreeMap<String, Option<String>>>;

fn shapes() -> Vec<(String, String)> {
    let shapes: serde_json::Value =
        serde_json::from_str(include_str!("../../../../tests/dotenv/shapes.json")).unwrap();
    let text = |shape: &serde_json::Value, key| shape[key].as_str().unwrap().to_owned();
    shapes.as_array().unwrap().iter().map(|shape| (text(shape, "name"), text(shape, "text"))).collect()
}

fn recorded(dialect: Dialect) -> (String, BTreeMap<String, Values>) {
    let json = match dialect {
        Dialect::Docker => include_str!("../../../../tests/dotenv/docker.json"),
        Dialect::Compose => include_str!("../../../../tests/dotenv/compose.json"),
        Dialect::Python => include_str!("../../../../tests/dotenv/python.json"),
        Dialect::Node => include_str!("../../../../tests/dotenv/node.json"),
        Dialect::Common => panic!("nobody reads only what is common"),
    };
    let json: serde_json::Value = serde_json::from_str(json).unwrap();
    let read = json["read"].as_object().unwrap().iter();
    let values = |value: &serde_json::Value| serde_json::from_value(value.clone()).ok();
    (
        json["version"].as_str().unwrap().to_owned(),
        read.map(|(name, value)| (name.clone(), values(value))).collect(),
    )
}

fn read(reading: &Reading) -> Values {
    let mut values = BTreeMap::new();
    for statement in &reading.statements {
        match &statement.what {
            What::Value { name, value, .. } => drop(values.insert(name.clone(), Some(value.clone()))),
            What::Unset { name } => drop(values.insert(name.clone(), None)),
            What::Inherited | What::Skipped => {}
        }
    }
    reading.stop.is_none().then_some(values)
}

#[test]
fn dotenv_two_hundred_shapes_read_as_the_real_parsers_do() {
    let shapes = shapes();
    assert!(shapes.len() >= 200, "{}", shapes.len());
    let mut wrong = Vec::new();
    for dialect in Dialect::REAL {
        let (version, recorded) = recorded(dialect);
        assert_eq!(recorded.len(), shapes.len(), "{dialect}: record again");
        let refused = recorded.values().filter(|values| values.is_none()).count();
        let same = shapes.iter().filter(|(shape, text)| {
            let (ours, theirs) = (read(&dialect.read(text)), &recorded[shape]);
            if ours != *theirs {
                wrong.push(format!("{dialect}: {shape}: {text:?}\n  ours   {ours:?}\n  theirs {theirs:?}"));
            }
            ours == *theirs
        });
        let same = same.count();
        println!("{dialect}: {same} of {} shapes as {version} ({refused} refused)", shapes.len());
    }
    assert!(wrong.is_empty(), "{} differ\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn what_is_parsed_is_what_the_real_parsers_read_or_a_problem() {
    let mut taken = BTreeMap::new();
    let recorded: Vec<_> = Dialect::REAL.map(|dialect| (dialect, recorded(dialect).1)).into();
    for (shape, text) in shapes() {
        for (dialect, values) in &recorded {
            let wanted = values[&shape].as_ref();
            let good = |name: &String| name.parse::<VariableName>().is_ok();
            let fits =
                wanted.filter(|values| values.iter().all(|(name, value)| value.is_none() || good(name)));
            match (parse(text.as_bytes(), *dialect), fits) {
                (Ok(parsed), Some(values)) => {
                    let set =
                        values.iter().filter_map(|(name, value)| Some((name.as_str(), value.as_deref()?)));
                    assert_eq!(entries(&parsed), set.collect(), "{dialect}: {shape}");
                    *taken.entry(*dialect).or_insert(0) += 1;
                }
                (Err(problems), None) => {
                    let named =
                        |problem: &Problem| matches!(problem.wrong, Wrong::Name(_) | Wrong::Refused(_));
                    assert!(
                        problems.iter().all(named) && !problems.is_empty(),
                        "{dialect}: {shape}: {problems:?}"
                    );
                }
                (Ok(_), None) => panic!("{dialect}: {shape}: taken"),
                // A bad name may be set again, but then it is bad again.
                (Err(problems), Some(_)) => panic!("{dialect}: {shape}: {problems:?}"),
            }
        }
        if let Ok(parsed) = parse(text.as_bytes(), Dialect::Common) {
            for (dialect, values) in &recorded {
                let values = values[&shape].as_ref().unwrap();
                let set = values.iter().map(|(name, value)| (name.as_str(), value.as_deref().unwrap()));
                assert_eq!(entries(&parsed), set.collect(), "common, but not to {dialect}: {shape}");
            }
            *taken.entry(Dialect::Common).or_insert(0) += 1;
        }
    }
    println!("taken: {taken:?}");
    assert!(taken.values().all(|count| *count >= 40), "{taken:?}");
}

fn entries(parsed: &Parsed) -> BTreeMap<&str, &str> {
    parsed.entries.iter().map(|entry| (entry.name.as_str(), entry.expose())).collect()
}
