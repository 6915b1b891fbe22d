use super::*;

fn loaded(tree: &Tree) -> Directory {
    load(tree).unwrap_or_else(|problems| panic!("{problems}"))
}

#[test]
fn later_layers_win_and_say_what_they_overrode() {
    use LayerName::{Deployment, DeploymentInEnvironment, Environment, Workspace};
    let plan = plan(&loaded(&starter()), "production", Some(17)).unwrap();
    let cases = [
        ("LOG_LEVEL", Environment, vec![Workspace]),
        ("DB_POOL_SIZE", DeploymentInEnvironment, vec![Deployment]),
        ("TZ", Workspace, vec![]),
        ("DATABASE_URL", DeploymentInEnvironment, vec![]),
    ];
    for (name, layer, overrode) in cases {
        let provenance = &plan.variable(name).unwrap().provenance;
        assert_eq!((provenance.layer, &provenance.overrode), (layer, &overrode), "{name}");
    }
}

#[test]
fn candidates_are_versions_and_endpoints_with_labels() {
    let plan = plan(&loaded(&starter()), "production", Some(17)).unwrap();
    let jwt = plan.variable("JWT_SIGNING_KEY").unwrap();
    let versions: Vec<u64> = plan.candidates[jwt.candidates.start as usize..jwt.candidates.end as usize]
        .iter()
        .map(|c| c.version)
        .collect();
    assert_eq!((versions, jwt.default), (vec![1, 2], jwt.candidates.start));

    let database = plan.variable("DATABASE_READ_URL").unwrap();
    assert_eq!(database.sensitivity, Sensitivity::Secret);
    let labels: Vec<String> = database
        .candidates
        .clone()
        .map(|at| {
            let labels = plan.labels_of(&plan.candidates[at as usize]);
            labels.map(|label| format!("{}={}", label.key, label.value)).collect::<Vec<_>>().join(",")
        })
        .collect();
    assert_eq!(
        labels,
        [
            "role=primary,region=eu-west-1,zone=a",
            "role=replica,region=eu-west-1,zone=b",
            "role=replica,region=us-east-1,zone=a"
        ]
    );
}

#[test]
fn templates_are_as_secret_foreign_and_declared_as_what_they_are_made_of() {
    let tree = edited(
        "deployments/checkout.toml",
        "WORKERS = 2\n",
        "WORKERS = 2\nOUTER = { template = \"<${INNER}>\" }\nINNER = { template = \"${REDIS_URL}\" }\n",
    );
    let plan = plan(&loaded(&tree), "preview/pr-42", Some(19)).unwrap();
    for name in ["OUTER", "INNER", "REDIS_URL"] {
        let variable = plan.variable(name).unwrap();
        let owner = plan.candidates[variable.default as usize].owner;
        assert_eq!(plan.sources[owner as usize], "staging", "{name}");
        assert_eq!(variable.sensitivity, Sensitivity::Secret, "{name}");
    }
    // SENTRY_DSN is declared; SENTRY_KEY only through it; OUTER is not.
    assert!(plan.variable("SENTRY_KEY").unwrap().declared);
    assert!(!plan.variable("OUTER").unwrap().declared);
    assert!(!plan.variable("TZ").unwrap().declared);
}

#[test]
fn required_and_unset_names_are_missing_from_a_plan_that_still_exists() {
    let directory =
        parse(&edited("deployments/checkout.toml", "[required]\n", "[required]\nB = \"any\"\nA = \"url\"\n"))
            .unwrap();
    let plan = plan(&directory, "staging", None).unwrap();
    assert_eq!(plan.missing, ["A", "B"].map(|name| name.parse::<VariableName>().unwrap()));
    assert!(plan.variable("STRIPE_KEY").unwrap().required);
}

#[test]
fn plans_of_what_is_not_there_are_refused() {
    let directory = loaded(&starter());
    assert_eq!(
        plan(&directory, "development", None),
        Err(PlanError::NotUsed(DEPLOYMENT.parse().unwrap(), name("development")))
    );
    assert_eq!(plan(&directory, "nowhere", None), Err(PlanError::UnknownEnvironment(name("nowhere"))));
    assert_eq!(
        plan(&directory, "staging", Some(99)),
        Err(PlanError::UnknownRelease(DEPLOYMENT.parse().unwrap(), 99))
    );
    let shared = parse(&edited("services/cache.toml", "[\"preview/pr-42\"]", "[]")).unwrap();
    assert!(matches!(plan(&shared, "preview/pr-42", None), Err(PlanError::UnusableBinding { .. })));
}

#[test]
fn digests_cover_what_can_be_seen_or_injected_and_nothing_else() {
    let digest = |tree: &Tree| plan(&parse(tree).unwrap(), "production", Some(17)).unwrap().digest;
    let base = digest(&starter());
    assert_eq!(base, digest(&starter()));
    let app = "deployments/checkout.toml";
    let seen = [
        (app, "WORKERS = 16", "WORKERS = 17"),
        (app, "WORKERS = 16", "WORKERS = \"16\""),
        (app, "WORKERS = 2\n", ""),
        (app, "current = 1", "current = 2"),
        (app, "commit = \"4f1c2d0\"", "commit = \"x\""),
        (app, "STRIPE_KEY = \"any\"", "STRIPE_KEY = \"any\"\nTZ = \"any\""),
        (app, "PORT = \"port\"", "PORT = \"any\""),
        (app, "apex = \"acme.example\"", "apex = \"acme.test\""),
        (app, "artifacts = true", "artifacts = \"RECEIPTS\""),
        ("tools/webhook.toml", "retries = 5", "retries = 6"),
        ("tools/webhook.toml", "sealed:1:", "sealed:1:0"),
        (app, "inject = false", "inject = true"),
        ("services/orders-db.toml", "port = 5432", "port = 5433"),
        ("services/orders-db.toml", "zone = \"b\"", "zone = \"c\""),
        ("policies.toml", "percent = 10", "percent = 20"),
        ("environments/production.toml", "customers", "clients"),
        ("environments/production.toml", "LOG_LEVEL = \"warn\"", "LOG_LEVEL = \"error\""),
    ];
    for (file, old, new) in seen {
        assert_ne!(digest(&edited(file, old, new)), base, "{file}: {old}");
    }
    let unseen = [
        (app, "description = \"takes payments\"", "description = \"x\""),
        (
            app,
            "description = \"takes payments\"",
            "description = \"takes payments\", rotate-every = \"9d\", rotated = 2026-08-01",
        ),
        ("environments/staging.toml", "LOG_LEVEL", "LOG_LEVEL2"),
        ("tools/webhook.toml", "retries = 1", "retries = 2"),
        ("environments/production.toml", "protected = true", "protected = false"),
    ];
    for (file, old, new) in unseen {
        assert_eq!(digest(&edited(file, old, new)), base, "{file}: {old}");
    }
}

#[test]
fn policies_run_from_the_narrow_to_the_broad() {
    let tree = edited(
        "policies.toml",
        "# Reads go",
        "[[attachments]]\npolicy = \"preview-isolation\"\n[[attachments]]\npolicy = \"preview-isolation\"\ndeployment = \"checkout\"\nenvironment = \"production\"\n# Reads go",
    );
    let directory = loaded(&tree);
    let plan = plan(&directory, "production", None).unwrap();
    let chain: Vec<&str> = plan.chain.iter().map(|attached| attached.policy.as_str()).collect();
    assert_eq!(
        chain,
        ["preview-isolation", "region-affinity", "least-privilege", "rotation-canary", "preview-isolation"]
    );
}

#[test]
fn nested_templates_are_bounded() {
    let deep: String = (0..12)
        .map(|at| format!("T{at} = {{ template = \"${{T{}}}\" }}\n", at + 1))
        .chain(["T12 = 1\n".into()])
        .collect();
    let found =
        problems(&edited("deployments/checkout.toml", "WORKERS = 2\n", &format!("WORKERS = 2\n{deep}")));
    assert!(found.contains("nested more than 8 deep"), "{found}");
    let wide = |of: &str| format!("{{ template = \"{}\" }}", format!("${{{of}}}").repeat(40));
    let wide = format!("WORKERS = 2\nA = {}\nB = {}\n", wide("B"), wide("TZ"));
    let found = problems(&edited("deployments/checkout.toml", "WORKERS = 2\n", &wide));
    assert!(found.contains("A: the template has more than 1024 pieces"), "{found}");
}

#[test]
fn subject_offers_every_candidate_to_policies() {
    let plan = plan(&loaded(&starter()), "staging", Some(18)).unwrap();
    let subject = plan.subject();
    assert_eq!(subject.candidates.len(), plan.candidates.len());
    assert_eq!(subject.sources[0], "staging");
    assert!(subject.variables.is_sorted_by(|one, next| one.name < next.name));
    for (at, variable) in subject.variables.iter().enumerate() {
        let chosen = subject.candidates[variable.chosen.unwrap() as usize];
        assert_eq!(chosen.variable as usize, at);
    }
}
