//! Deployments, services and tools: the same by API as by a workspace directory, also after a start, and
//! by the command line as by the API.

use std::{io::Write as _, process::Stdio};

use bootlace::model::Address;
use serde_json::json;

use crate::world::{
    Site, World, blocking,
    program::{bootlace, finish},
};

const SHOP: &str = r#"
id = "00112233445566778899aabbccddeeff"
[required]
DATABASE_URL = { type = "url", schemes = ["postgres"] }
[domain]
apex = "shop.example"
url = "SITE"
[namespaces]
threads = true
memory = "MEMORY"
[environments.staging]
domain = "qa.shop.example"
bindings.DATABASE_URL = { service = "shop-db", description = "orders" }
namespaces.threads = "shop-qa-threads"
tools.crm = { settings = "CRM", credentials = { api-key = "CRM_KEY" } }
[environments."preview/pr-42"]
bindings.DATABASE_URL = { service = "shop-db", of = "staging" }
namespaces.threads = { of = "staging" }
"#;

/// The small workspace with a deployment, a service and a tool more.
fn by_directory() -> Site {
    let mut site = Site::small(0);
    let password = site.seal(&site.credential("staging", "shop-db"), b"p@ss").unwrap();
    let names = (&"crm".parse().unwrap(), &"api-key".parse().unwrap());
    let key = Address::tool_credential(site.ids.workspace, site.uid("staging"), names, 1);
    let key = site.seal(&key, b"crm-key").unwrap();
    site.write("deployments/shop.toml", SHOP)
        .write(
            "services/shop-db.toml",
            format!(
                "kind = \"postgres\"\n[instances.staging]\nuser = \"shop\"\ncredential = \"{password}\"\n\
                 shared-with = [\"preview/pr-42\"]\n[[instances.staging.endpoints]]\nhost = \"db.internal\"\n\
                 port = 5432\ndatabase = \"shop\"\noptions = {{ connect_timeout = \"3\" }}\n"
            ),
        )
        .write(
            "tools/crm.toml",
            format!(
                "description = \"customers\"\n[profiles.staging]\n\
                 settings = {{ url = \"https://crm.example\", retries = 3, b = [1, \"two\"] }}\n\
                 credentials.api-key = \"{key}\"\n"
            ),
        );
    site
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_content_is_the_same_environment_by_directory_by_api_and_by_command_line() {
    let directory = World::with(by_directory()).await;
    let api = World::with(Site::small(0)).await;
    by_api(&api).await;
    let line = World::with(Site::small(0)).await;
    by_command_line(&line).await;
    let (api, line) = (api.restart().await, line.restart().await);
    for environment in ["staging", "preview/pr-42"] {
        let given = async |world: &World| {
            let token = world.instance("shop", environment).await;
            world.get_boot("/v1/boot", Some(&token)).await.done().environment()
        };
        let expected = given(&directory).await;
        assert!(expected["DATABASE_URL"].starts_with("postgres://shop:p%40ss@db.internal:5432/shop?"));
        assert_eq!(given(&api).await, expected, "by API in {environment}");
        assert_eq!(given(&line).await, expected, "by command line in {environment}");
    }
}

async fn by_api(world: &World) {
    let endpoint = json!({ "host": "db.internal", "port": 5432, "database": "shop",
        "options": { "connect_timeout": "3" } });
    let instance = json!({ "user": "shop", "credential": "p@ss", "endpoints": [endpoint],
        "shared_with": ["preview/pr-42"] });
    let profile = json!({
        "settings": { "url": "https://crm.example", "retries": 3, "b": [1, "two"] },
        "credentials": { "api-key": "crm-key" },
    });
    let here = json!({ "settings": "CRM", "credentials": { "api-key": "CRM_KEY" } });
    for (method, path, body) in [
        (
            "POST",
            "/services",
            json!({ "name": "shop-db", "kind": "postgres", "instances": { "staging": instance } }),
        ),
        (
            "POST",
            "/tools",
            json!({ "name": "crm", "description": "customers", "profiles": { "staging": profile } }),
        ),
        ("POST", "/deployments", json!({ "name": "shop", "environments": ["preview/pr-42", "staging"] })),
        (
            "POST",
            "/deployments/shop/bindings",
            json!({ "environment": "staging", "name": "DATABASE_URL", "service": "shop-db", "description": "orders" }),
        ),
        (
            "POST",
            "/deployments/shop/bindings",
            json!({ "environment": "preview/pr-42", "name": "DATABASE_URL", "service": "shop-db", "of": "staging" }),
        ),
        (
            "PUT",
            "/deployments/shop/domains",
            json!({ "apex": "shop.example", "url": "SITE", "environments": { "staging": "qa.shop.example" } }),
        ),
        (
            "PUT",
            "/deployments/shop/namespaces",
            json!({ "kinds": { "threads": true, "memory": "MEMORY" }, "environments": {
                "staging": { "threads": "shop-qa-threads" }, "preview/pr-42": { "threads": { "of": "staging" } },
            } }),
        ),
        ("PUT", "/deployments/shop/tools", json!({ "environments": { "staging": { "crm": here } } })),
    ] {
        world.by("developer", method, path, body).await.done();
    }
    // What a secret is asked for tells what it is: only an admin asks.
    let required = json!({ "required": { "DATABASE_URL": { "type": "url", "schemes": ["postgres"] } } });
    let developer = world.by("developer", "PATCH", "/deployments/shop", required.clone()).await;
    assert_eq!((developer.status, developer.code().as_str()), (403, "forbidden"));
    world.by("admin", "PATCH", "/deployments/shop", required.clone()).await.done();
    let shown = world.by("viewer", "GET", "/deployments/shop", serde_json::Value::Null).await.json();
    assert_eq!(shown["required"], required["required"]);
    let wrong = json!({ "required": { "DATABASE_URL": "port" } });
    let refused = world.by("admin", "PATCH", "/deployments/shop", wrong).await;
    assert!(refused.status == 422 && !refused.text().contains("p@ss"), "{}", refused.text());
}

async fn by_command_line(world: &World) {
    let shop = "deployment set shop";
    for (line, stdin) in [
        (
            "service create shop-db --kind postgres -e staging --user shop --password --share-with preview/pr-42 \
             --endpoint host=db.internal,port=5432,database=shop,option.connect_timeout=3",
            "p@ss\n",
        ),
        (
            "tool create crm --description customers -e staging --credential api-key \
             --settings {\"url\":\"https://crm.example\",\"retries\":3,\"b\":[1,\"two\"]}",
            "crm-key\n",
        ),
        ("deployment create shop -e staging -e preview/pr-42", ""),
        ("binding add -d shop -e staging DATABASE_URL shop-db --description orders", ""),
        ("binding add -d shop -e preview/pr-42 DATABASE_URL shop-db --of staging", ""),
        (&format!("{shop} --domain shop.example --domain staging=qa.shop.example --url-variable SITE"), ""),
        (
            &format!(
                "{shop} --namespace threads --namespace memory=MEMORY --namespace staging:threads=shop-qa-threads \
                 --namespace preview/pr-42:threads=of:staging"
            ),
            "",
        ),
        (&format!("{shop} --tool staging:crm=CRM --tool staging:crm.api-key=CRM_KEY"), ""),
        (&format!("{shop} --require DATABASE_URL=url"), ""),
    ] {
        let (code, text) = run(world, line, stdin).await;
        assert_eq!(code, 0, "{line}: {text}");
        assert!(!text.contains("p@ss") && !text.contains("crm-key"), "{text}");
    }
    for (line, expected) in [
        ("deployment list", "shop\tpreview/pr-42, staging\tapi "),
        ("deployment show shop", "SITE = https://qa.shop.example, domain of staging"),
        ("deployment show shop", "CRM_KEY, tool crm of staging"),
        ("service list", "shop-db\tpostgres\tstaging\tapi "),
        ("service show shop-db", "DATABASE_URL of shop in preview/pr-42"),
        ("tool show crm", "CRM_KEY of shop is its api-key"),
        ("binding list -d shop", "preview/pr-42\tDATABASE_URL\tshop-db\tstaging\tapi "),
    ] {
        let (code, text) = run(world, line, "").await;
        assert!(code == 0 && text.contains(expected), "{line}: {text}");
        assert!(!text.contains("p@ss") && !text.contains("crm-key"), "{text}");
    }
    let (code, text) = run(world, "service delete shop-db", "").await;
    assert!(code == 1 && text.contains("in use by"), "{text}");
    let (code, text) = run(world, "service set shop-db -e production --user x", "").await;
    assert!(
        code == 1 && text.contains("--confirm production") | text.contains("?confirm=production"),
        "{text}"
    );
}

/// Runs a verb as an admin; its exit code, and what it says on both streams.
async fn run(world: &World, line: &str, stdin: &str) -> (i32, String) {
    let mut command = bootlace();
    command.args(line.split_whitespace());
    command.env("BOOTLACE_ADMIN_URL", format!("http://{}", world.admin_address()));
    command.env("BOOTLACE_TOKEN", world.site.token("admin"));
    let (reader, mut writer) = std::io::pipe().unwrap();
    writer.write_all(stdin.as_bytes()).unwrap();
    drop(writer);
    command.stdin(Stdio::from(reader));
    let output = blocking(|| finish(command)).await;
    let text = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8(text).unwrap())
}
