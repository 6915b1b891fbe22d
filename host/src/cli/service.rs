//! `bootlace service`: data services, with an instance for each environment that has one.

pub mod endpoint;

use std::collections::BTreeMap;

use clap::Subcommand;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use self::endpoint::Endpoint;
use super::{
    connection::AdminHost,
    exit::Misuse,
    output::{Output, Page, Table},
    resource::{self, Making, Owned, Password},
};
use crate::{
    client::Request,
    id::{EnvironmentName, ServiceId},
};

/// List, make, change and delete data services
///
/// A service is bound, never provisioned: each of its instances says where it listens in one environment
/// and what opens it. A password comes from standard input or a file, and is never shown again.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  bootlace service list
  bootlace service create orders-db --kind postgres -e staging --user orders --password \\
      --endpoint role=primary,host=db.internal,port=5432,database=orders,tls=verify < password.txt
  bootlace service set orders-db -e staging --password              a new one; it asks for it
  bootlace service set orders-db -e staging --share-with preview/pr-42
  bootlace service set orders-db -e staging --remove
  bootlace service show orders-db
  bootlace service delete orders-db")]
pub struct Args {
    /// What to do
    #[command(subcommand)]
    pub action: Action,

    /// Which host
    #[command(flatten)]
    pub host: AdminHost,
}

/// What can be done with services.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// List the services
    List,
    /// Show a service, with what is injected where
    Show {
        /// The service
        #[arg(value_name = "SERVICE")]
        id: ServiceId,
    },
    /// Make a service, with its first instance if an environment is named
    Create {
        /// The service
        #[arg(value_name = "SERVICE")]
        id: ServiceId,
        /// postgres, redis, bucket or generic
        #[arg(long)]
        kind: String,
        /// The environment that owns the instance
        #[arg(long, short, value_name = "NAME")]
        environment: Option<EnvironmentName>,
        /// The instance
        #[command(flatten)]
        instance: Instance,
        /// How
        #[command(flatten)]
        making: Making,
    },
    /// Make or change a service's instance in one environment; what is not said stays
    Set {
        /// The service
        #[arg(value_name = "SERVICE")]
        id: ServiceId,
        /// The environment that owns the instance
        #[arg(long, short, value_name = "NAME")]
        environment: EnvironmentName,
        /// The instance
        #[command(flatten)]
        instance: Instance,
        /// Take the password away
        #[arg(long, conflicts_with_all = ["password", "from"])]
        no_password: bool,
        /// Take the instance away
        #[arg(long, conflicts_with_all = ["password", "from", "no_password", "endpoint", "user", "share_with"])]
        remove: bool,
        /// How
        #[command(flatten)]
        making: Making,
    },
    /// Delete a service, and not while it is bound
    Delete {
        /// The service
        #[arg(value_name = "SERVICE")]
        id: ServiceId,
        /// How
        #[command(flatten)]
        making: Making,
    },
}

/// An instance, or what is to change about one.
#[derive(Debug, clap::Args)]
pub struct Instance {
    /// Where it listens: role, region, zone, host, port, database, tls, and option.KEY and label.KEY, with
    /// commas in between; may be repeated, and says all of them
    #[arg(long, value_name = "KEY=VALUE,…")]
    endpoint: Vec<Endpoint>,

    /// Who connects
    #[arg(long, value_name = "NAME")]
    user: Option<String>,

    /// Another environment that may bind it; may be repeated, and says all of them
    #[arg(long, value_name = "ENVIRONMENT")]
    share_with: Vec<EnvironmentName>,

    /// What opens it
    #[command(flatten)]
    password: Password,
}

#[derive(Deserialize)]
struct Services {
    services: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    name: String,
    kind: String,
    instances: BTreeMap<String, Shown>,
    #[serde(flatten)]
    owned: Owned,
}

#[derive(Deserialize)]
struct Shown {
    user: String,
    credential_version: Option<u64>,
    endpoints: Vec<Endpoint>,
    shared_with: Vec<String>,
    injected: Vec<InjectedAs>,
}

#[derive(Deserialize)]
struct InjectedAs {
    deployment: String,
    environment: String,
    variable: String,
}

impl Args {
    pub(super) fn run(self, output: &Output) -> anyhow::Result<()> {
        let host = &self.host;
        let all = ["api", "v1", "services"];
        match self.action {
            Action::List => resource::list(host, &all, "services", output, list),
            Action::Show { id } => resource::show(host, &at(&id), output, show),
            Action::Create { id, kind, environment, instance, making } => {
                let mut body = json!({ "name": id.as_str(), "kind": kind });
                match &environment {
                    Some(name) => body["instances"] = resource::one(name, instance.body(&id, name)?),
                    None if !instance.endpoint.is_empty() => {
                        return Err(Misuse("name the environment with --environment NAME".into()).into());
                    }
                    None => {}
                }
                let request = resource::with(Request::post(&all), &body)?;
                resource::change(host, &making, request, &format!("service {id} is made"), output)
            }
            Action::Set { id, environment, instance, no_password, remove, making } => {
                let change = if remove {
                    Value::Null
                } else {
                    let mut change = instance.body(&id, &environment)?;
                    if no_password {
                        change["credential"] = Value::Null;
                    }
                    change
                };
                let body = json!({ "instances": resource::one(&environment, change) });
                let request = resource::with(Request::patch(&at(&id)), &body)?;
                let done = format!("service {id} is changed in {environment}");
                resource::change(host, &making, request, &done, output)
            }
            Action::Delete { id, making } => {
                let request = Request::delete(&at(&id));
                resource::change(host, &making, request, &format!("service {id} is deleted"), output)
            }
        }
    }
}

fn at(id: &ServiceId) -> [&str; 4] {
    ["api", "v1", "services", id.as_str()]
}

impl Instance {
    /// What the host is asked for: what is said here and nothing else.
    fn body(&self, id: &ServiceId, environment: &EnvironmentName) -> anyhow::Result<Value> {
        let mut body = Map::new();
        if !self.endpoint.is_empty() {
            body.insert("endpoints".into(), serde_json::to_value(&self.endpoint)?);
        }
        if let Some(user) = &self.user {
            body.insert("user".into(), json!(user));
        }
        if !self.share_with.is_empty() {
            let names: Vec<_> = self.share_with.iter().map(EnvironmentName::as_str).collect();
            body.insert("shared_with".into(), json!(names));
        }
        if let Some(password) = self.password.read(&format!("password of {id} in {environment}"))? {
            body.insert("credential".into(), json!(password));
        }
        Ok(Value::Object(body))
    }
}

fn list(Services { services }: &Services, page: &mut Page) {
    let mut table = Table::new(&["SERVICE", "KIND", "INSTANCES", "OWNER"]);
    for one in services {
        let instances: Vec<_> = one.instances.keys().map(String::as_str).collect();
        table.row(&[&one.name, &one.kind, &instances.join(", "), &one.owned.shown()]);
    }
    page.table(&table);
}

fn show(service: &Entry, page: &mut Page) {
    page.heading(&format!("service {}", service.name), &service.kind);
    page.fields(&[("owner", service.owned.shown())]);
    for (owner, instance) in &service.instances {
        page.gap();
        page.heading(owner, &instance.user);
        let password = instance.credential_version.map(|version| format!("version {version}"));
        page.fields(&[
            ("password", password.unwrap_or_default()),
            ("shared with", instance.shared_with.join(", ")),
        ]);
        for endpoint in &instance.endpoints {
            page.line(&endpoint.to_string());
        }
        for one in &instance.injected {
            page.line(&format!("{} of {} in {}", one.variable, one.deployment, one.environment));
        }
    }
}
