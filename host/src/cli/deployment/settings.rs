//! What `bootlace deployment set` is told: each option says one thing, and the rest stays.

use std::{convert::Infallible, str::FromStr};

use clap::Args;
use serde_json::{Map, Value, json};

use super::at;
use crate::{
    cli::{
        connection::AdminHost,
        exit::Misuse,
        output::Output,
        resource::{self, Making},
    },
    client::Request,
    id::{DeploymentId, EnvironmentName},
};

/// What is to change.
#[derive(Debug, Args)]
pub struct Settings {
    /// An environment that it uses; may be repeated, and says all of them
    #[arg(long, short, value_name = "NAME")]
    environment: Vec<EnvironmentName>,

    /// What no instance starts without: any, url, port, integer, boolean or pattern:REGEX; may be
    /// repeated, and says all of them
    #[arg(long, value_name = "KEY[=FORM]")]
    require: Vec<Required>,

    /// Production's domain, or an environment's own; `none` for none, `usual` for what follows from
    /// production's; may be repeated
    #[arg(long, value_name = "[ENVIRONMENT=]NAME")]
    domain: Vec<Said>,

    /// The variable that the domain is injected under; `none` for none
    #[arg(long, value_name = "NAME")]
    domain_variable: Option<String>,

    /// The variable that the domain's URL is injected under; `none` for none
    #[arg(long, value_name = "NAME")]
    url_variable: Option<String>,

    /// A data namespace (threads, sources, memory, artifacts), with the variable that it is injected under;
    /// with an environment, its name there, or of:ENVIRONMENT; `none` for none; may be repeated
    #[arg(long, value_name = "[ENVIRONMENT:]KIND[=NAME]")]
    namespace: Vec<Said>,

    /// A tool that is called, and the variable of its settings or of a credential; `none` for one that is
    /// not; may be repeated
    #[arg(long, value_name = "ENVIRONMENT:TOOL[.CREDENTIAL][=NAME]")]
    tool: Vec<Said>,
}

/// `KEY` or `KEY=VALUE`.
#[derive(Debug, Clone)]
pub struct Said {
    key: String,
    value: Option<String>,
}

/// A required key and its form.
pub type Required = Said;

impl FromStr for Said {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        let (key, value) = text.split_once('=').map_or((text, None), |(key, value)| (key, Some(value)));
        Ok(Self { key: key.to_owned(), value: value.map(str::to_owned) })
    }
}

/// Required keys as the host takes them.
pub(in crate::cli) fn forms(required: &[Required]) -> Value {
    let form = |one: &Required| {
        let form = match one.value.as_deref().unwrap_or("any") {
            word if word.starts_with("pattern:") => {
                json!({ "type": "pattern", "pattern": word["pattern:".len()..] })
            }
            word => json!(word),
        };
        (one.key.clone(), form)
    };
    Value::Object(required.iter().map(form).collect())
}

impl Settings {
    /// Makes the changes, each by itself.
    pub(super) fn set(
        &self,
        host: &AdminHost,
        making: &Making,
        id: &DeploymentId,
        output: &Output,
    ) -> anyhow::Result<()> {
        let mut is_said = false;
        if !self.environment.is_empty() || !self.require.is_empty() {
            let request = resource::with(Request::patch(&at(id)), &self.own())?;
            resource::change(host, making, request, &format!("deployment {id} is changed"), output)?;
            is_said = true;
        }
        let domains =
            !self.domain.is_empty() || self.domain_variable.is_some() || self.url_variable.is_some();
        type Change = fn(&Settings, &mut Value) -> anyhow::Result<()>;
        let parts: [(bool, &str, &[&str], Change); 3] = [
            (domains, "domains", &["apex", "host", "url", "environments"], Self::domains),
            (!self.namespace.is_empty(), "namespaces", &["kinds", "environments"], Self::namespaces),
            (!self.tool.is_empty(), "tools", &["environments"], Self::tools),
        ];
        for (_, part, fields, change) in parts.into_iter().filter(|(is_said, ..)| *is_said) {
            let path = [&at(id)[..], &[part]].concat();
            let answer = resource::rewrite(host, making, &path, |mut before| {
                // What is shown beside them is not said.
                let shown = before.as_object_mut().into_iter();
                shown.for_each(|shown| shown.retain(|field, _| fields.contains(&field.as_str())));
                change(self, &mut before)?;
                Ok(before)
            })?;
            resource::told(&answer, &format!("the {part} of {id} are changed"), output)?;
            is_said = true;
        }
        if is_said { Ok(()) } else { Err(Misuse("say what to change; --help lists it".into()).into()) }
    }

    fn own(&self) -> Value {
        let mut body = Map::new();
        if !self.environment.is_empty() {
            let names: Vec<_> = self.environment.iter().map(EnvironmentName::as_str).collect();
            body.insert("environments".into(), json!(names));
        }
        if !self.require.is_empty() {
            body.insert("required".into(), forms(&self.require));
        }
        Value::Object(body)
    }

    fn domains(&self, domains: &mut Value) -> anyhow::Result<()> {
        for Said { key, value } in &self.domain {
            match value.as_deref() {
                None if key == "none" => domains["apex"] = Value::Null,
                None => domains["apex"] = json!(key),
                Some(value) => domains["environments"][key] = switch(value),
            }
        }
        for (field, variable) in [("host", &self.domain_variable), ("url", &self.url_variable)] {
            if let Some(variable) = variable {
                domains[field] = switch(variable);
            }
        }
        Ok(())
    }

    fn namespaces(&self, namespaces: &mut Value) -> anyhow::Result<()> {
        for Said { key, value } in &self.namespace {
            let value = value.as_deref().unwrap_or("usual");
            match key.split_once(':') {
                None => namespaces["kinds"][key] = switch(value),
                Some((environment, kind)) => {
                    namespaces["environments"][environment][kind] = match value.strip_prefix("of:") {
                        Some(owner) => json!({ "of": owner }),
                        None => switch(value),
                    };
                }
            }
        }
        Ok(())
    }

    fn tools(&self, tools: &mut Value) -> anyhow::Result<()> {
        for Said { key, value } in &self.tool {
            let (environment, tool) = key.split_once(':').ok_or_else(|| {
                Misuse(format!("{key}: write ENVIRONMENT:TOOL, such as --tool staging:webhook"))
            })?;
            let (tool, credential) =
                tool.split_once('.').map_or((tool, None), |(tool, credential)| (tool, Some(credential)));
            let here = &mut tools["environments"][environment][tool];
            match (credential, value.as_deref()) {
                (None, None) => *here = json!(true),
                (None, Some("none")) => *here = json!(false),
                (renamed, Some(variable)) => {
                    if !here.is_object() {
                        *here = json!({ "credentials": {} });
                    }
                    match renamed {
                        None => here["settings"] = json!(variable),
                        Some(credential) => here["credentials"][credential] = json!(variable),
                    }
                }
                (Some(_), None) => {
                    return Err(Misuse(format!("{key}: say the variable, as {key}=NAME")).into());
                }
            }
        }
        Ok(())
    }
}

/// True for what is usual, false for none, a text for a name.
fn switch(word: &str) -> Value {
    match word {
        "none" => json!(false),
        "usual" => json!(true),
        name => json!(name),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        settings: Settings,
    }

    fn settings(words: &str) -> Settings {
        Command::parse_from(std::iter::once("set").chain(words.split(' '))).settings
    }

    #[test]
    fn every_option_says_one_thing_and_the_rest_stays() {
        let told = settings(
            "--domain acme.example --domain staging=none --url-variable SITE --namespace memory=MEMORY \
             --namespace preview/pr-42:threads=of:staging --tool staging:crm --tool staging:webhook.token=T \
             --tool qa:webhook=none",
        );
        let mut domains = json!({ "apex": null, "host": true, "url": true, "environments": { "qa": false } });
        told.domains(&mut domains).unwrap();
        let environments = json!({ "qa": false, "staging": false });
        assert_eq!(
            domains,
            json!({ "apex": "acme.example", "host": true, "url": "SITE", "environments": environments })
        );
        let mut namespaces = json!({ "kinds": { "threads": true }, "environments": {} });
        told.namespaces(&mut namespaces).unwrap();
        let expected = json!({
            "kinds": { "threads": true, "memory": "MEMORY" },
            "environments": { "preview/pr-42": { "threads": { "of": "staging" } } },
        });
        assert_eq!(namespaces, expected);
        let mut tools = json!({ "environments": { "staging": { "webhook": { "settings": "HOOK" } } } });
        told.tools(&mut tools).unwrap();
        let webhook = json!({ "settings": "HOOK", "credentials": { "token": "T" } });
        let expected = json!({ "staging": { "crm": true, "webhook": webhook }, "qa": { "webhook": false } });
        assert_eq!(tools["environments"], expected);
        assert!(settings("--tool webhook").tools(&mut tools).is_err());
    }

    #[test]
    fn a_required_key_has_a_form() {
        let told = settings("--require A --require B=port --require C=pattern:eu-[a-z]+=1");
        let pattern = json!({ "type": "pattern", "pattern": "eu-[a-z]+=1" });
        assert_eq!(forms(&told.require), json!({ "A": "any", "B": "port", "C": pattern }));
    }
}
