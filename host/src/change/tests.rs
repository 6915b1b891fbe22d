//! After every edit: what was made reads back from the records that the edit changed, and a host that
//! starts with these has the same configuration.

use std::collections::{BTreeMap, BTreeSet};

use zeroize::Zeroizing;

use super::*;
use crate::{
    id::{Uid, UnixSeconds, WorkspaceId},
    keyring::{Keyring, RootKey, RootKeys, WrappedDataKey},
    made::{Made, ResourceKey, Stamp, nothing_special},
    model::{
        Address, AddressKind, Binding, Configuration, Deployment, Endpoint, EnvironmentType, Instance, Layer,
        Place, SealedValue, Service, ServiceKind, Tls, Tool, ToolUse,
    },
    state::Alteration,
    system,
};

const ROOT: [u8; 32] = [7; 32];

/// A workspace of which everything is made by API.
struct Bench {
    configuration: Configuration<SealedValue>,
    keys: Vec<WrappedDataKey>,
    made: Made,
    records: BTreeMap<String, Vec<u8>>,
}

impl Bench {
    fn new() -> Self {
        let workspace: WorkspaceId = "acme".parse().unwrap();
        let configuration = Configuration::new(workspace, Uid([1; 16]));
        let mut bench =
            Self { configuration, keys: Vec::new(), made: Made::default(), records: BTreeMap::new() };
        for name in ["staging", "qa"] {
            bench.environment(name);
        }
        bench.deployment("checkout", &["staging", "qa"]);
        bench
    }

    fn environment(&mut self, name: &str) {
        let wanted = Environment {
            name: name.parse().unwrap(),
            uid: Uid::NONE,
            kind: EnvironmentType::Test,
            protected: false,
            deprecated: false,
            expires: None,
            promotes_to: None,
            trigger: None,
            labels: BTreeMap::new(),
        };
        self.make(Edit::CreateEnvironment { wanted, deployments: BTreeSet::new() });
    }

    fn deployment(&mut self, id: &str, environments: &[&str]) {
        let environments = environments.iter().map(|name| (name.parse().unwrap(), nothing_special()));
        self.put(ResourceEdit::PutDeployment(Deployment {
            id: id.parse().unwrap(),
            uid: Uid::NONE,
            base: Layer::default(),
            domain: None,
            namespaces: BTreeMap::new(),
            environments: environments.collect(),
            releases: BTreeMap::new(),
        }));
    }

    fn service(&mut self, instances: &[(&str, Option<InstanceChange>)]) {
        self.put(ResourceEdit::PutService(service(instances)));
    }

    fn instance(&self, environment: &str) -> &Instance<SealedValue> {
        &self.configuration.services["orders"].instances[environment]
    }

    fn bind(&mut self) {
        self.put(ResourceEdit::PutBinding {
            deployment: "checkout".parse().unwrap(),
            environment: "staging".parse().unwrap(),
            name: "DATABASE_URL".parse().unwrap(),
            binding: Binding {
                service: "orders".parse().unwrap(),
                owner: "staging".parse().unwrap(),
                description: String::new(),
            },
        });
    }

    fn put(&mut self, edit: ResourceEdit) {
        self.make(Edit::Resource(edit));
    }

    fn make(&mut self, edit: Edit) {
        self.try_make(&edit).unwrap();
    }

    fn refused(&mut self, edit: &Edit) -> String {
        match self.try_make(edit) {
            Err(EditError::Invalid(reason)) => reason,
            other => panic!("{other:?}"),
        }
    }

    fn try_make(&mut self, edit: &Edit) -> Result<(), EditError> {
        let root = RootKey::new(Zeroizing::new(ROOT));
        let keyring = Keyring::unwrap(
            self.configuration.uid,
            &self.keys,
            &RootKeys::new([RootKey::new(Zeroizing::new(ROOT))]),
        );
        let stamp =
            Stamp { revision: self.made.revision.next(), at: UnixSeconds(9), principal: "ada".into() };
        let (configuration, keys) = (self.configuration.clone(), self.keys.clone());
        let mut draft = Draft::new(configuration, self.made.clone(), (keys, &keyring), &root, stamp);
        draft.apply(edit, Precondition::Any, &mut system::entropy)?;
        let workspace = self.configuration.workspace.clone();
        for one in draft.made.changed_since(&self.made, &workspace, &draft.subjects) {
            match one {
                Alteration::Put { name, content } => drop(self.records.insert(name, content)),
                Alteration::Delete { name } => assert!(self.records.remove(&name).is_some(), "{name}"),
            }
        }
        (self.configuration, self.made, self.keys) = (draft.configuration, draft.made, draft.keys);

        let read = Made::from_records(&workspace, self.configuration.uid, &self.records).unwrap();
        assert_eq!(read, self.made);
        let mut again = Configuration::new(workspace, self.configuration.uid);
        let displaced = read.lay_over(&mut again, &mut Vec::new());
        assert!(displaced.is_empty(), "{displaced:?}");
        assert_eq!(again, self.configuration);
        Ok(())
    }

    /// The plaintext of what an instance is opened with.
    fn password(&self, environment: &str) -> Option<String> {
        let roots = RootKeys::new([RootKey::new(Zeroizing::new(ROOT))]);
        let keyring = Keyring::unwrap(self.configuration.uid, &self.keys, &roots);
        let instance = self.instance(environment);
        let version = instance.credential.first()?;
        let uid = self.configuration.environments[environment].uid;
        let address = Address {
            kind: AddressKind::Credential,
            workspace: self.configuration.uid,
            environment: uid,
            deployment: Uid::NONE,
            version: version.number,
            name: "orders".into(),
        };
        let opened = crate::seal::open(keyring.current(uid).unwrap(), &address, &version.value).unwrap();
        Some(String::from_utf8(opened.expose().to_vec()).unwrap())
    }
}

fn service(instances: &[(&str, Option<InstanceChange>)]) -> ServiceChange {
    let copy = |change: &InstanceChange| InstanceChange {
        endpoints: change.endpoints.clone(),
        user: change.user.clone(),
        credential: match &change.credential {
            SealedChange::Keep => SealedChange::Keep,
            SealedChange::Remove => SealedChange::Remove,
            SealedChange::Set(value) => SealedChange::Set(Secret::new(value.expose().to_vec())),
        },
        rotate_every: change.rotate_every,
        shared_with: change.shared_with.clone(),
    };
    let instances = instances.iter().map(|(name, one)| (name.parse().unwrap(), one.as_ref().map(copy)));
    ServiceChange {
        id: "orders".parse().unwrap(),
        kind: Some(ServiceKind::Postgres),
        instances: instances.collect(),
    }
}

fn at(host: &str, credential: SealedChange) -> InstanceChange {
    let endpoint = Endpoint {
        role: "primary".into(),
        region: None,
        zone: None,
        host: host.into(),
        port: 5432,
        database: String::new(),
        tls: Tls::Verify,
        options: BTreeMap::new(),
        labels: BTreeMap::new(),
    };
    let user = Some("orders".to_owned());
    InstanceChange { endpoints: Some(vec![endpoint]), user, credential, ..InstanceChange::default() }
}

fn set(text: &str) -> SealedChange {
    SealedChange::Set(Secret::new(text.as_bytes().to_vec()))
}

fn deleted(key: ResourceKey) -> Edit {
    Edit::Resource(ResourceEdit::Delete(key))
}

fn service_key() -> ResourceKey {
    ResourceKey::Service("orders".parse().unwrap())
}

#[test]
fn what_is_not_said_of_an_instance_stays_and_its_passwords_are_counted_on() {
    let mut bench = Bench::new();
    bench.service(&[("staging", Some(at("a", set("one")))), ("qa", Some(at("q", SealedChange::Keep)))]);
    assert_eq!((bench.password("staging").as_deref(), bench.instance("staging").current), (Some("one"), 1));
    assert_eq!(bench.password("qa"), None);
    let shared_with = Some(["qa".parse().unwrap()].into());
    bench.service(&[("staging", Some(InstanceChange { shared_with, ..InstanceChange::default() }))]);
    assert_eq!(bench.password("staging").as_deref(), Some("one"));
    assert_eq!(bench.instance("staging").endpoints[0].host, "a");
    let renewed = InstanceChange { credential: set("two"), ..InstanceChange::default() };
    bench.service(&[("staging", Some(renewed))]);
    let staging = bench.instance("staging");
    assert_eq!((staging.credential.len(), staging.current, staging.shared_with.len()), (1, 2, 1));
    assert_eq!(bench.password("staging").as_deref(), Some("two"));
    let without = InstanceChange { credential: SealedChange::Remove, ..InstanceChange::default() };
    bench.service(&[("staging", Some(without))]);
    assert_eq!(bench.password("staging"), None);
    let renewed = InstanceChange { credential: set("three"), ..InstanceChange::default() };
    bench.service(&[("staging", Some(renewed)), ("qa", None)]);
    assert_eq!((bench.password("staging").as_deref(), bench.instance("staging").current), (Some("three"), 3));
    assert!(!bench.configuration.services["orders"].instances.contains_key("qa"));
    let nowhere = [("nowhere", Some(at("a", SealedChange::Keep)))];
    let reason = bench.refused(&Edit::Resource(ResourceEdit::PutService(service(&nowhere))));
    assert_eq!(reason, "there is no environment nowhere");
    let reason = bench.refused(&Edit::Resource(ResourceEdit::PutService(service(&[(
        "nowhere",
        Some(at("a", set("hunter2"))),
    )]))));
    assert_eq!(reason, "there is no environment nowhere");
    let reason = bench.refused(&Edit::Resource(ResourceEdit::PutService(service(&[(
        "qa",
        Some(at("a", set("hunter2\0"))),
    )]))));
    assert!(reason.contains("NUL") && !reason.contains("hunter2"), "{reason}");
}

#[test]
fn a_tool_s_profiles_change_one_by_one() {
    let mut bench = Bench::new();
    let change = |settings, credentials: Vec<(&str, SealedChange)>| ProfileChange {
        settings,
        credentials: credentials.into_iter().map(|(name, one)| (name.parse().unwrap(), one)).collect(),
    };
    let mut put = |environment: &str, profile: Option<ProfileChange>| -> Tool<SealedValue> {
        bench.put(ResourceEdit::PutTool(ToolChange {
            id: "webhook".parse().unwrap(),
            description: None,
            profiles: [(environment.parse().unwrap(), profile)].into(),
        }));
        bench.configuration.tools["webhook"].clone()
    };
    put("staging", Some(change(set("{}"), vec![("token", set("a")), ("key", set("b"))])));
    let tool = put("qa", Some(change(set("{}"), vec![])));
    assert_eq!(tool.profiles.len(), 2);
    let before = tool.profiles["staging"].clone();
    let gone = vec![("token", set("c")), ("key", SealedChange::Remove)];
    let tool = put("staging", Some(change(SealedChange::Keep, gone)));
    let staging = &tool.profiles["staging"];
    assert_eq!((&staging.settings, staging.credentials.len()), (&before.settings, 1));
    assert_eq!(staging.credentials["token"].current, 2);
    assert_eq!(put("staging", None).profiles.len(), 1);
}

#[test]
fn an_older_environment_of_the_same_name_leaves_nothing_to_the_next() {
    let mut bench = Bench::new();
    bench.service(&[("staging", Some(at("a", set("one")))), ("qa", Some(at("q", set("two"))))]);
    let gone = Edit::DeleteEnvironment { name: "staging".parse().unwrap(), expired: false };
    assert_eq!(bench.refused(&gone), "environment staging is in use: service orders has an instance there");
    // A record that another host wrote, before it knew of the deletion.
    let (made, records) = (bench.made.clone(), bench.records.clone());
    bench.service(&[("staging", None)]);
    bench.make(gone);
    assert!(!bench.configuration.deployments["checkout"].environments.contains_key("staging"));
    bench.environment("staging");
    assert!(!bench.configuration.deployments["checkout"].environments.contains_key("staging"));
    let (name, stale) = records.iter().find(|(name, _)| name.contains("/service/")).unwrap();
    let service = &made.resources[&service_key()];
    bench.records.insert(name.clone(), stale.clone());
    let workspace = bench.configuration.workspace.clone();
    let read = Made::from_records(&workspace, bench.configuration.uid, &bench.records).unwrap();
    assert_eq!(read.resources[&service_key()], *service);
    let mut again = Configuration::new(workspace, bench.configuration.uid);
    read.lay_over(&mut again, &mut Vec::new());
    let Service { instances, .. } = &again.services["orders"];
    assert_eq!(instances.keys().map(EnvironmentName::as_str).collect::<Vec<_>>(), ["qa"]);
}

#[test]
fn what_is_in_use_is_not_deleted_and_says_by_what() {
    let mut bench = Bench::new();
    bench.service(&[("staging", Some(at("a", set("one"))))]);
    bench.bind();
    let service = deleted(service_key());
    assert_eq!(bench.refused(&service), "service orders is in use by DATABASE_URL of checkout in staging");
    let tool = ToolChange { id: "crm".parse().unwrap(), description: None, profiles: BTreeMap::new() };
    bench.put(ResourceEdit::PutTool(tool));
    let mut calling = bench.configuration.deployments["checkout"].clone();
    let staging = calling.environments.get_mut("staging").unwrap();
    staging.tools.insert("crm".parse().unwrap(), ToolUse::default());
    bench.put(ResourceEdit::PutDeployment(calling));
    let tool = deleted(ResourceKey::Tool("crm".parse().unwrap()));
    assert_eq!(bench.refused(&tool), "tool crm is in use by checkout in staging");

    bench.make(deleted(ResourceKey::Deployment("checkout".parse().unwrap())));
    bench.make(service);
    bench.make(tool);
    assert!(bench.made.resources.is_empty());
}

#[test]
fn a_deployment_takes_along_what_was_set_in_it_and_leaves_it_with_an_environment() {
    let mut bench = Bench::new();
    bench.service(&[("staging", Some(at("a", set("one"))))]);
    let key = |environment: &str| ValueKey {
        place: Place::Deployment("checkout".parse().unwrap(), Some(environment.parse().unwrap())),
        name: "LEVEL".parse().unwrap(),
    };
    for environment in ["staging", "qa"] {
        for text in ["one", "two"] {
            bench.make(Edit::SetValue {
                key: key(environment),
                wanted: Wanted::Value(Secret::new(text.into())),
                sensitivity: None,
                description: None,
                keep: false,
            });
        }
    }
    bench.bind();
    let taken = Edit::SetValue {
        key: ValueKey { name: "DATABASE_URL".parse().unwrap(), ..key("staging") },
        wanted: Wanted::Value(Secret::new("x".into())),
        sensitivity: None,
        description: None,
        keep: false,
    };
    assert!(bench.refused(&taken).contains("is given by a binding"));
    let uid = bench.configuration.deployments["checkout"].uid;
    // Said again, it keeps what was set in it.
    bench.deployment("checkout", &["staging", "qa"]);
    let staging = &bench.configuration.deployments["checkout"].environments["staging"];
    assert_eq!((staging.layer.variables.len(), staging.bindings.len()), (1, 1));
    bench.deployment("checkout", &["qa"]);
    assert_eq!(bench.made.values.keys().collect::<Vec<_>>(), [&key("qa")]);
    assert_eq!(bench.made.past.keys().collect::<Vec<_>>(), [&key("qa")]);
    // The service and the deployment.
    assert_eq!(bench.made.resources.len(), 2);
    bench.make(deleted(ResourceKey::Deployment("checkout".parse().unwrap())));
    assert!(bench.made.values.is_empty() && bench.made.past.is_empty());
    bench.deployment("checkout", &["staging", "qa"]);
    let again = &bench.configuration.deployments["checkout"];
    assert!(again.environments.values().all(|here| *here == nothing_special()));
    assert_ne!(again.uid, uid, "another deployment of the same name");
}

#[test]
fn an_environment_that_names_a_deployment_is_left_by_it() {
    let mut bench = Bench::new();
    let mut wanted = bench.configuration.environments["qa"].clone();
    wanted.name = "load".parse().unwrap();
    let deployments = ["checkout".parse().unwrap()].into();
    bench.make(Edit::CreateEnvironment { wanted, deployments });
    assert!(bench.configuration.deployments["checkout"].environments.contains_key("load"));
    bench.deployment("checkout", &["qa"]);
    assert!(bench.made.environments["load"].deployments.is_empty());
    bench.make(Edit::DeleteEnvironment { name: "load".parse().unwrap(), expired: false });
}
