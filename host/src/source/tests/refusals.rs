use super::*;

const APP: &str = "deployments/checkout.toml";
/// The deployment's requirements as the starter writes them.
const LIST: &str = "[required]\nDATABASE_URL = { type = \"url\", schemes = [\"postgres\"] }\nJWT_SIGNING_KEY = \"any\"\n\
                    PORT = \"port\"\nSESSION_SECRET = \"any\"\nSTRIPE_KEY = \"any\"";
const PRODUCTION: &str = "environments/production.toml";

/// An edit of the starter, and a part of what must be said about it.
fn check(file: &str, old: &str, new: &str, expected: &str) {
    let found = problems(&edited(file, old, new));
    assert!(found.contains(expected), "{file}: {old} -> {new}\nexpected: {expected}\nfound: {found}");
}

#[test]
fn what_is_written_wrong_is_refused_with_its_place() {
    let cases = [
        ("workspace.toml", "format = 1", "format = ", "workspace.toml:2:10: not TOML"),
        ("workspace.toml", "format = 1", "format = 2", "workspace.toml:2:1: format: format 2 is unknown"),
        ("workspace.toml", "format = 1\n", "", "`format` is missing"),
        ("workspace.toml", "TZ = \"UTC\"", "TZ = \"UTC\"\nTZ = \"x\"", "not TOML: duplicate key"),
        ("workspace.toml", "TZ = \"UTC\"", "T-Z = \"UTC\"", "variables.T-Z: not a valid variable name"),
        ("workspace.toml", "TZ = \"UTC\"", "TZ = { vlaue = 1 }", "variables.TZ: is a table that is none of"),
        ("workspace.toml", "TZ = \"UTC\"", "TZ = { value = 1, json = 2 }", "written in two ways"),
        ("workspace.toml", "TZ = \"UTC\"", "TZ = 2026-01-01", "JSON has no dates"),
        ("workspace.toml", "TZ = \"UTC\"", "TZ = nan", "is no JSON number"),
        ("workspace.toml", "TZ = \"UTC\"", "TZ = 99999999999999999999", "does not fit in 64 bits"),
        ("workspace.toml", "TZ = \"UTC\"", "TZ = \"sealed:1:x\"", "is sealed; write `{ secret"),
        (
            "workspace.toml",
            "name = \"acme\"",
            "name = \"Acme\"",
            "workspace.name: not a valid workspace name",
        ),
        ("workspace.toml", "name = \"acme\"", "name = 1", "workspace.name: is an integer; write text"),
        (
            PRODUCTION,
            "protected =",
            "protcted =",
            "production.toml:4:1: protcted: unknown key; did you mean `protected`?",
        ),
        (PRODUCTION, "protected = true", "protected = 1", "write true or false"),
        (PRODUCTION, "type = \"production\"", "type = \"prod\"", "type: not an environment type"),
        (PRODUCTION, "id = \"", "id = \"z", "id: expected 32 hex digits"),
        (PRODUCTION, "labels = {", "expires = \"soon\"\nlabels = {", "expires: is no time"),
        (APP, LIST, "required = [\"PORT\", \"PORT\"]", "required[1]: is listed twice"),
        (APP, LIST, "required = 1", "required: is an integer; write a list of texts"),
        (APP, LIST, "required.PORT = \"prt\"", "required.PORT: is no type; use any, url, port"),
        (APP, LIST, "required.PORT = 1", "required.PORT: is an integer; write text"),
        (APP, LIST, "required.P-O = \"port\"", "required.P-O: not a valid variable name"),
        (APP, LIST, "required.PORT = {}", "`type` is missing; write any, url"),
        (APP, LIST, "required.PORT = { type = \"port\", min = 1 }", "min: unknown key"),
        (
            APP,
            LIST,
            "required.PORT = { type = \"integer\", min = 2, max = 1 }",
            "`min` is greater than `max`",
        ),
        (APP, LIST, "required.PORT = { type = \"integer\", min = 1.5 }", "write a whole number of 64 bits"),
        (APP, LIST, "required.PORT = { type = \"url\", schemes = [\"a b\"] }", "a scheme is 1 to 32 letters"),
        (APP, LIST, "required.PORT = { type = \"url\", schemes = \"http\" }", "write a list of texts"),
        (APP, LIST, "required.PORT = \"pattern\"", "`pattern` is missing; write a regular expression"),
        (APP, LIST, "required.PORT = { type = \"pattern\", pattern = \"(\" }", "pattern: is no pattern"),
        (APP, LIST, "required.PORT = \"port\"\nrequired.PORT = \"port\"", "not TOML: duplicate key"),
        (APP, "number = 17", "number = -17", "write a whole number in range"),
        (APP, "number = 18", "number = 17", "release 17 is listed twice"),
        (APP, "inject = false", "inject = 0", "write true or false"),
        (APP, "service = \"cache\"", "srvice = \"cache\"", "unknown key; did you mean `service`?"),
        (APP, "|percent}", "|precent}", "template: no such encoding"),
        ("services/cache.toml", "tls = \"verify\"", "tls = \"on\"", "endpoints[0].tls: is no TLS mode"),
        ("services/cache.toml", "port = 6379", "port = 70000", "port: is an integer; write a whole number"),
        ("services/cache.toml", "\"redis\"", "\"mysql\"", "kind: is no kind of service"),
        ("policies.toml", "policies/region", "policies/rgion", "component: names no file"),
        ("bootstrap.toml", "role = \"admin\"", "role = \"root\"", "tokens[1].role: not a role"),
        ("bootstrap.toml", "kind = \"tenant\"", "kind = \"operator\"", "is no kind of token of a workspace"),
        ("bootstrap.toml", "[\"staging\"]", "[]", "`environments` lists none"),
        ("bootstrap.toml", "expires = 2", "expires = \"x\" #", "expires: is no time"),
        ("keys.toml", "public = \"0101", "public = \"01", "public: is not 64 hex digits"),
        ("keys.toml", "signature = ", "#", "belong together"),
    ];
    for (file, old, new, expected) in cases {
        check(file, old, new, expected);
    }
}

#[test]
fn what_cannot_serve_is_refused_with_its_place() {
    let cases = [
        (
            PRODUCTION,
            "labels",
            "promotes-to = \"nowhere\"\nlabels",
            "promotes-to: there is no environment nowhere",
        ),
        (
            PRODUCTION,
            "labels",
            "promotes-to = \"staging\"\nlabels",
            "circle: production to staging to production",
        ),
        (PRODUCTION, "labels", "promotes-to = \"production\"\nlabels", "circle: production to production"),
        (
            PRODUCTION,
            "LOG_LEVEL",
            "STRIPE_KEY = \"x\"\nLOG_LEVEL",
            "is secret here and plain in the environment layer",
        ),
        (
            PRODUCTION,
            "[variables]",
            "required = [\"NOPE\"]\n[variables]",
            "NOPE is required in production and nothing sets it",
        ),
        (
            "workspace.toml",
            "TZ = \"UTC\"",
            "TZ = { secret = \"sealed:1:x\", description = \"d\" }",
            "variables.TZ: a secret cannot stand in a base layer",
        ),
        (
            APP,
            LIST,
            "required.TAX_PROVIDER = \"boolean\"",
            "checkout.toml:31:1: variables.TAX_PROVIDER: is not true or false, as deployments.checkout.required.TAX_PROVIDER asks",
        ),
        (
            APP,
            LIST,
            "required.DATABASE_URL = { type = \"url\", schemes = [\"redis\"] }",
            "bindings.DATABASE_URL: is not a URL with the scheme redis",
        ),
        (APP, LIST, "required = [\"SENTRY_KEY\"]", "SENTRY_KEY: is required but not injected"),
        (APP, "DB_POOL_SIZE = 40", "DATABASE_URL = \"x\"", "both a variable and a binding"),
        (
            APP,
            "description = \"takes payments\"",
            "description = \" \"",
            "STRIPE_KEY: a secret needs a description",
        ),
        (APP, "number = 2, secret", "number = 1, secret", "JWT_SIGNING_KEY: versions are counted from 1"),
        (APP, "current = 1", "current = 3", "version 3 is current, but not among"),
        (APP, "${SENTRY_KEY|", "${SENTRY_KEI|", "refers to SENTRY_KEI, which nothing sets"),
        (APP, "${SENTRY_KEY|", "${SENTRY_DSN|", "refers to itself through SENTRY_DSN"),
        (APP, "service = \"cache\"", "service = \"cash\"", "bindings.REDIS_URL: there is no service cash"),
        (
            APP,
            "of = \"staging\"",
            "of = \"production\"",
            "production does not share cache with preview/pr-42",
        ),
        (APP, "of = \"staging\"", "of = \"nowhere\"", "there is no environment nowhere"),
        (APP, ", of = \"staging\"", "", "service cache has no instance in preview/pr-42"),
        (
            "services/cache.toml",
            "[\"preview/pr-42\"]",
            "[\"preview/pr-43\"]",
            "staging does not share cache with preview/pr-42",
        ),
        (
            "services/cache.toml",
            "host = \"cache.eu",
            "host = \"redis://cache.eu",
            "endpoints[0]: the host is not a name",
        ),
        ("services/cache.toml", "\"redis\"", "\"generic\"", "needs the option `scheme`"),
        ("services/cache.toml", "port = 6379", "port = 0", "port 0 is no port"),
        ("services/orders-db.toml", "connect_timeout", "sslmode", "`sslmode` follows from `tls`"),
        (
            "policies.toml",
            "policy = \"least-privilege\"",
            "policy = \"least\"",
            "attachments[1]: there is no policy least",
        ),
        (
            "policies.toml",
            "deployment = \"checkout\"",
            "deployment = \"checkin\"",
            "there is no deployment checkin",
        ),
        (
            "policies.toml",
            "environment = \"production\"",
            "environment = \"prod\"",
            "attachments[3]: there is no environment prod",
        ),
        (
            "bootstrap.toml",
            "= 17",
            "= 16",
            "active.checkout.production: deployment checkout has no release 16",
        ),
        (
            "bootstrap.toml",
            "environment = \"preview/pr-42\"",
            "environment = \"development\"",
            "tokens[0]: deployment checkout does not use",
        ),
    ];
    for (file, old, new, expected) in cases {
        check(file, old, new, expected);
    }
}

#[test]
fn layers_that_require_two_forms_are_refused_naming_both_places() {
    let mut tree = edited(APP, LIST, "required.PORT = \"port\"");
    let text = String::from_utf8(tree[PRODUCTION].clone()).unwrap();
    tree.insert(
        PRODUCTION.into(),
        text.replace("labels", "required.PORT = \"boolean\"\nlabels").into_bytes(),
    );
    let found = problems(&tree);
    let expected = "environments/production.toml:5:10: required.PORT: must be true or false here and a port from 1 \
                    to 65535 in deployments.checkout.required.PORT (seen in production)";
    assert!(found.contains(expected) && found.lines().count() == 1, "{found}");
    // Narrower is no contradiction.
    let mut tree = edited(APP, LIST, "required.WORKERS = \"integer\"");
    let narrower = "required.WORKERS = { type = \"integer\", max = 15 }\nlabels";
    tree.insert(PRODUCTION.into(), text.replace("labels", narrower).into_bytes());
    let found = problems(&tree);
    let expected = "variables.WORKERS: is not an integer of at most 15, as environments.production.required.WORKERS asks";
    assert!(found.contains(expected) && found.lines().count() == 1, "{found}");
    assert!(!found.contains("16"), "no value is quoted: {found}");
}

#[test]
fn an_environment_with_values_needs_a_key() {
    let mut tree = starter();
    let text = String::from_utf8(tree["keys.toml"].clone()).unwrap();
    let (before, after) = text.split_once("[environments.\"production\"]").unwrap();
    let rest = after.find("[environments").map_or("", |at| &after[at..]);
    tree.insert("keys.toml".into(), format!("{before}{rest}").into_bytes());
    let found = problems(&tree);
    assert!(found.contains("environments/production.toml"), "{found}");
    assert!(found.contains("run `bootlace keygen environment`"), "{found}");
    assert_eq!(found.lines().count(), 1, "{found}");
}

#[test]
fn a_nul_in_a_value_or_a_template_is_refused() {
    let lines =
        "A = \"a\\u0000b\"\nB = { template = \"${C}\\u0000\" }\nC = \"c\"\nD = { json = \"\\u0000\" }";
    let found = problems(&with_variables(lines));
    for name in ["A", "B"] {
        assert!(found.contains(&format!("variables.{name}: holds a NUL character")), "{found}");
    }
    assert_eq!(found.matches("NUL").count(), 2, "JSON escapes it: {found}");
}

#[test]
fn plain_text_for_a_secret_is_refused_and_never_quoted() {
    let mut tree = starter();
    let text = String::from_utf8(tree[APP].clone()).unwrap();
    let sealed = text.split('"').find(|part| part.starts_with("sealed:1:")).unwrap();
    tree.insert(APP.into(), text.replacen(sealed, "sk_live_hunter2", 1).into_bytes());
    let found = problems(&tree);
    assert!(found.contains("secret: is secret, but not sealed"), "{found}");
    assert!(!found.contains("hunter2"), "{found}");
}

#[test]
fn nothing_is_quoted_from_broken_toml() {
    for broken in ["K = \"hunter2", "K = hunter2", "K = { secret = \"hunter2\"", "K = \"hunter2\" hunter2"] {
        let found = problems(&with_variables(broken));
        assert!(!found.is_empty() && !found.contains("hunter2"), "{found}");
    }
}

#[test]
fn all_problems_come_at_once_in_the_order_of_the_files() {
    let tree = with_variables("a-b = 1\nB = { nope = 1 }\nC = { template = \"${\" }");
    let problems = load(&tree).unwrap_err().0;
    let lines: Vec<_> = problems.iter().map(|problem| problem.line).collect();
    assert_eq!(lines, [6, 7, 8]);
    assert!(problems.iter().all(|problem| problem.file == "workspace.toml"));
}

#[test]
fn misplaced_and_oversized_files_are_refused_and_others_ignored() {
    let with = |path: &str, bytes: &[u8]| {
        let mut tree = with_variables("");
        tree.insert(path.into(), bytes.to_vec());
        problems(&tree)
    };
    assert_eq!(with("README.md", b"\xff"), "");
    assert_eq!(with(".git/x.toml", b"\xff"), "");
    assert!(with("enviroments/a.toml", b"").contains("did you mean `environments`?"));
    assert!(with("environments/A.toml", b"").contains("rename the file"));
    assert!(with("environments/a/b/c/d.toml", b"").contains("not a valid environment name"));
    assert!(with("policies.toml", b"\xff").contains("is not UTF-8 text"));
    assert!(with("policies.toml", &vec![b'#'; MAX_FILE_BYTES + 1]).contains("is longer than"));
    assert!(problems(&Tree::new()).contains("workspace.toml: is missing"));
}

/// Every prefix and every changed byte of the starter is read without a panic.
#[test]
fn damaged_files_never_panic() {
    for (path, bytes) in starter() {
        for at in (0..bytes.len()).step_by(bytes.len() / 12 + 1) {
            let mut tree = starter();
            tree.insert(path.clone(), bytes[..at].to_vec());
            let _ = load(&tree);
            for byte in [b'"', b'[', b'=', b'\n', 0xff] {
                let mut changed = bytes.clone();
                changed[at] = byte;
                tree.insert(path.clone(), changed);
                let _ = load(&tree);
            }
        }
    }
    for depth in [50, 500, 100_000] {
        let hostile = [
            format!("V = {}1{}", "[".repeat(depth), "]".repeat(depth)),
            format!("V.json{} = 1", ".a".repeat(depth)),
            format!("[variables.V.json{}]", ".a".repeat(depth)),
            format!("V = {}1{}", "{ json = ".repeat(depth), "}".repeat(depth)),
        ];
        for lines in hostile {
            let _ = load(&with_variables(&lines));
        }
    }
}
