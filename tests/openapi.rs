//! `/openapi.json` says what there is: every route and no other, every refusal's code, and answers
//! that are as it describes them, whatever is asked.

mod fuzzed;

use std::{collections::BTreeSet, fs, path::Path};

use crate::{
    scope,
    world::{self, World},
};

#[tokio::test(flavor = "multi_thread")]
async fn the_document_has_every_route_and_no_other() {
    let world = World::start().await;
    let answer = world.get_admin("/openapi.json").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"));
    let document = answer.json();
    assert!(document["openapi"].as_str().unwrap().starts_with("3."), "{}", document["openapi"]);
    let mut described = BTreeSet::new();
    let mut names = BTreeSet::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in
            operations.as_object().unwrap().iter().filter(|(name, _)| *name != "servers")
        {
            assert!(described.insert((method.to_uppercase(), path.clone())));
            let name = operation["operationId"].as_str().unwrap();
            assert!(names.insert(name.to_owned()), "two operations are called {name}");
        }
    }
    // Both listeners have some of them.
    let routes: BTreeSet<_> =
        scope::routes_of_the_code().into_iter().map(|(_, method, path)| (method, path)).collect();
    assert_eq!(described, routes);
}

/// Everything that the code answers with as a problem: `StatusCode::…, "code"`.
fn refusals_of_the_code() -> BTreeSet<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../host/src");
    let mut sources = vec![fs::read_to_string(root.join("admin.rs")).unwrap()];
    for below in ["admin", "serve"] {
        sources.extend(world::files::sources(&root.join(below)).into_iter().map(|(_, text)| text));
    }
    let mut found = BTreeSet::new();
    for rest in sources.iter().flat_map(|source| source.split("new(").skip(1)) {
        let Some((status, rest)) =
            rest.trim_start().strip_prefix("StatusCode::").and_then(|rest| rest.split_once(','))
        else {
            continue;
        };
        let code = rest.trim_start().strip_prefix('"').and_then(|rest| rest.split('"').next());
        let code = code.unwrap_or_else(|| panic!("{status} comes with a code that is not written there"));
        found.insert((status.to_owned(), code.to_owned()));
    }
    found
}

#[test]
fn every_code_that_the_host_refuses_with_is_documented() {
    let document = bootlace::admin::document();
    let mut described = BTreeSet::new();
    for response in document["components"]["responses"].as_object().unwrap().values() {
        let limits = &response["content"]["application/problem+json"]["schema"]["allOf"][1]["properties"];
        let status =
            http::StatusCode::from_u16(limits["status"]["const"].as_u64().unwrap().try_into().unwrap());
        let status = status.unwrap().canonical_reason().unwrap().to_uppercase().replace(' ', "_");
        // The name that it has in the code.
        let status =
            status.replace("CONTENT", "ENTITY").replace("PAYLOAD_TOO_LARGE_ENTITY", "PAYLOAD_TOO_LARGE");
        let codes = limits["code"]["enum"].as_array().unwrap();
        described.extend(codes.iter().map(|code| (status.clone(), code.as_str().unwrap().to_owned())));
    }
    let answered = refusals_of_the_code();
    assert!(answered.len() >= 14, "{answered:?}");
    assert_eq!(described, answered);
}

/// Everything that the document refers to is in it.
#[test]
fn no_reference_of_the_document_leads_nowhere() {
    let document = bootlace::admin::document();
    let text = document.to_string();
    for reference in text.split("\"$ref\":\"#").skip(1) {
        let pointer = reference.split('"').next().unwrap();
        assert!(document.pointer(pointer).is_some(), "{pointer}");
    }
}

/// Two of one name would be one in the document: the other is described as what it is not.
#[test]
fn no_two_descriptions_have_one_name() {
    let mut names = BTreeSet::new();
    for (path, text) in world::files::sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../host/src")) {
        for rest in text.split("ToSchema").skip(1).filter(|rest| rest.starts_with([')', ','])) {
            let Some((attributes, item)) = rest
                .split_once("struct ")
                .into_iter()
                .chain(rest.split_once("enum "))
                .min_by_key(|(before, _)| before.len())
            else {
                continue;
            };
            let renamed = attributes.split_once("#[schema(as = ").map(|(_, rest)| rest);
            let name: String = renamed.unwrap_or(item).chars().take_while(|c| c.is_alphanumeric()).collect();
            assert!(names.insert(name.clone()), "{}: another is described as {name}", path.display());
        }
    }
    assert!(names.len() > 100, "{names:?}");
}
