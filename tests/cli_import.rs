//! `bootlace var import`: a dotenv file as the program that is named reads it, in as few changes as the
//! host takes, and nothing of what nobody meant.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::{
    audit::records,
    world::{Site, World},
};

/// Read otherwise by every program.
const FILE: &str = "QUOTED=\"a b\" # c\nDOLLAR=x$$y\nESCAPED=\"one\\ntwo\"\nSINGLE='it is' \n";

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_read_as_the_program_that_is_named_reads_it() {
    let world = World::with(Site::small(0)).await;
    let file = world.file("app.env", FILE);
    for (dialect, quoted, dollar, escaped, single) in [
        ("docker", "\"a b\" # c", "x$$y", "\"one\\ntwo\"", "'it is' "),
        ("compose", "a b", "x$y", "one\ntwo", "it is"),
        ("python", "a b", "x$$y", "one\ntwo", "it is"),
        ("node", "a b", "x$$y", "one\ntwo", "it is"),
    ] {
        let said = world.var("import", &[&file, "--dialect", dialect], "").await;
        assert!(said.contains("4 values of checkout in staging set"), "{said}");
        let staging = world.environment("staging").await;
        let given = ["QUOTED", "DOLLAR", "ESCAPED", "SINGLE"].map(|name| staging[name].as_str());
        assert_eq!(given, [quoted, dollar, escaped, single], "{dialect}");
    }
    let plain = world.file("plain.env", "# what all read alike\nLEVEL=debug\nSIZE=20\n");
    world.var("import", &[&plain], "").await;
    assert_eq!(world.environment("staging").await["LEVEL"], "debug");
    world.var("import", &["-", "--dialect", "node"], "FROM_INPUT='yes'\n").await;
    assert_eq!(world.environment("staging").await["FROM_INPUT"], "yes");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_doubt_is_listed_by_line_and_not_guessed() {
    let world = World::with(Site::small(0)).await;
    let before = world.environment("staging").await;
    let file = world.file("app.env", FILE);
    let import = |more: &[&str]| {
        let words = ["import", "-d", "checkout", "-e", "staging", &file];
        [&words[..], more].concat().iter().map(|word| (*word).to_owned()).collect::<Vec<_>>()
    };
    for more in [&[][..], &["--dialect", "common"], &["--dry-run"]] {
        let words = import(more);
        let said = world.vars(2, &words.iter().map(String::as_str).collect::<Vec<_>>(), "").await;
        for line in [
            "line 1: ",
            "line 2: ",
            "line 3: ",
            "line 4: ",
            "name a dialect",
            "docker: the text as it stands",
        ] {
            assert!(said.contains(line), "{line} in {said}");
        }
        assert!(!said.contains("a b") && !said.contains("it is"), "no value is quoted: {said}");
    }
    // Named, it is still said what another program would read.
    let (code, _, said) = world
        .run_var(
            world.site.token("admin"),
            &["import", "-d", "checkout", "-e", "staging", &file, "--dialect", "docker", "--dry-run"],
            "",
        )
        .await;
    assert_eq!(
        (code, said.contains("warning: line 1: QUOTED: other dialects read otherwise")),
        (0, true),
        "{said}"
    );
    for wrong in [
        &["--dialect", "ruby"][..],
        &["--dialect", "docker", "--secret", "NOT_THERE"],
        &["--dialect", "docker", "--secret", "QUOTED", "--all-secret"],
    ] {
        let words = import(wrong);
        world.vars(2, &words.iter().map(String::as_str).collect::<Vec<_>>(), "").await;
    }
    world.vars(2, &["import", "-d", "checkout", &file, "--dialect", "docker", "--all-secret"], "").await;
    assert_eq!(world.environment("staging").await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_values_are_set_in_several_changes_and_a_dry_run_sets_none() {
    let world = World::with(Site::small(0)).await;
    let mut text = String::new();
    for number in 0..70 {
        writeln!(text, "KEY_{number}=value-{number}-of-many").unwrap();
    }
    text += "API_TOKEN=hunter2-token\nSTRIPE_KEY=hunter2-stripe\n";
    let file = world.file("many.env", &text);
    let secrets = ["--secret", "STRIPE_KEY,*_TOKEN", "--json"];
    let dry = world.var("import", &[&[file.as_str(), "--dry-run"], &secrets[..]].concat(), "").await;
    let told: Value = serde_json::from_str(&dry).unwrap();
    assert_eq!(told["values"].as_array().unwrap().len(), 72);
    assert_eq!(told["values"][71], json!({ "name": "STRIPE_KEY", "secret": true, "action": "add" }));
    assert_eq!(world.boot("staging").await.header("bootlace-revision"), "1", "nothing is changed");

    let done = world.var("import", &[&[file.as_str()], &secrets[..]].concat(), "").await;
    let told: Value = serde_json::from_str(&done).unwrap();
    assert_eq!((&told["revision"], told["set"].as_array().unwrap().len()), (&json!(4), 72));
    let staging = world.environment("staging").await;
    assert_eq!(
        (staging["KEY_69"].as_str(), staging["API_TOKEN"].as_str()),
        ("value-69-of-many", "hunter2-token")
    );
    let list: Value = serde_json::from_str(&world.var("list", &["--reveal", "--json"], "").await).unwrap();
    let entry =
        |name: &str| list["variables"].as_array().unwrap().iter().find(|one| one["name"] == name).unwrap();
    let token = entry("API_TOKEN");
    assert_eq!((&token["is_secret"], &token["value"]), (&json!(true), &json!("••••")));
    assert_eq!(token["description"], "imported from many.env");
    assert_eq!((&entry("KEY_0")["is_secret"], &entry("KEY_0")["description"]), (&json!(false), &json!("")));

    // A secret stays one, whether it is named again or not.
    let again = world.var("import", &[&file], "").await;
    assert!(
        again.contains("72 values of checkout in staging set") && again.contains("secrets\t2\n"),
        "{again}"
    );
    let list = world.var("list", &["--reveal"], "").await;
    for text in [dry, done, again, list, format!("{:?}", records(world.data.path()))] {
        assert!(!text.contains("hunter2"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_is_refused_half_way_says_how_far_it_came_and_goes_on_from_there() {
    let mut site = Site::small(0);
    site.change_toml("environments/staging.toml", |file| {
        file["variables"]["RETRIES"] = toml_edit::value(3);
        file["required"]["RETRIES"] = toml_edit::value("integer");
    });
    let world = World::with(site).await;
    let numbered: String = (0..40).map(|number| format!("KEY_{number}=x\n")).collect();
    let file = world.file("app.env", &format!("{numbered}RETRIES=often\n"));
    let said = world.vars(1, &["import", "-d", "checkout", "-e", "staging", &file], "").await;
    assert!(said.contains("30 of 41 values are set, in revision 2"), "{said}");
    assert!(said.contains("RETRIES") && !said.contains("often"), "{said}");
    let staging = world.environment("staging").await;
    assert_eq!((staging["RETRIES"].as_str(), staging.contains_key("KEY_32")), ("3", false));
    let mended = world.file("app.env", &format!("{numbered}RETRIES=5\n"));
    let rest = world.var("import", &[&mended, "--keep-existing"], "").await;
    assert!(rest.contains("11 values of checkout in staging set"), "{rest}");
    assert_eq!(world.environment("staging").await["RETRIES"], "5");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stands_there_is_replaced_kept_or_changed_in_its_directory() {
    let world = World::with(Site::small(0)).await;
    world.var("set", &["OURS=before", "--description", "a limit"], "").await;
    let file = world.file("app.env", "OURS=after\nNEW=1\n");
    let dry = world.var("import", &[&file, "--dry-run"], "").await;
    assert_eq!(dry, "NAME\tKIND\tACTION\tLINE\nOURS\tplain\treplace\t1\nNEW\tplain\tadd\t2\n");
    let kept = world.var("import", &[&file, "--keep-existing"], "").await;
    assert!(kept.contains("1 value of checkout") && kept.contains("kept as they were\t1\n"), "{kept}");
    let staging = world.environment("staging").await;
    assert_eq!((staging["OURS"].as_str(), staging["NEW"].as_str()), ("before", "1"));
    world.var("import", &[&file, "--description", "of the import"], "").await;
    assert_eq!(world.environment("staging").await["OURS"], "after");
    let list = world.var("list", &[], "").await;
    assert!(list.lines().any(|line| line.starts_with("OURS\t") && line.ends_with("\ta limit")), "{list}");

    let theirs = world.file("theirs.env", "LATER=1\nDB_USER=me\nDATABASE_URL=x\n");
    let words = ["import", "-d", "checkout", "-e", "staging", &theirs];
    let said = world.vars(2, &words, "").await;
    assert!(said.contains("the workspace directory sets DB_USER, DATABASE_URL"), "{said}");
    let staging = world.environment("staging").await;
    assert_eq!((staging["DB_USER"].as_str(), staging.contains_key("LATER")), ("user-0", false));
    let base = world.file("base.env", "PAGE_SIZE=20\n");
    world.vars(0, &["import", "-d", "checkout", &base], "").await;
    assert_eq!(world.environment("production").await["PAGE_SIZE"], "20");
    let empty = world.file("empty.env", "# nothing\n");
    assert!(world.vars(2, &["import", "-d", "checkout", &empty], "").await.contains("sets no variable"));
}
