//! Environments and their keys, wrapped, as records.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Made, MadeEnvironment, WireStamp, stamp, to_stamp};
use crate::{
    id::{EnvironmentName, Uid, UnixSeconds, WorkspaceId},
    keyring::{WrappedDataKey, WrappedKey},
    model::{Environment, EnvironmentKeys, KeyId},
};

#[derive(Serialize, Deserialize)]
struct WireEnvironment {
    uid: String,
    kind: String,
    protected: bool,
    deprecated: bool,
    expires: Option<i64>,
    promotes_to: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    trigger: Option<String>,
    labels: BTreeMap<String, String>,
    deployments: BTreeSet<String>,
    public: String,
    private_root: String,
    private: String,
    data_root: String,
    data_epoch: u32,
    data: String,
    #[serde(default)]
    admins_only: bool,
    changed: WireStamp,
}

pub(super) fn read(workspace: &WorkspaceId, recorded: &str, content: &[u8], made: &mut Made) -> Option<()> {
    let wire: WireEnvironment = serde_json::from_slice(content).ok()?;
    let own = recorded.strip_prefix(&name(workspace, ""))?.parse::<EnvironmentName>().ok()?;
    let uid: Uid = wire.uid.parse().ok()?;
    let environment = Environment {
        name: own.clone(),
        uid,
        kind: wire.kind.parse().ok()?,
        protected: wire.protected,
        deprecated: wire.deprecated,
        expires: wire.expires.map(UnixSeconds),
        promotes_to: wire.promotes_to.as_deref().map(str::parse).transpose().ok()?,
        trigger: wire.trigger.as_deref().map(str::parse).transpose().ok()?,
        labels: wire.labels,
    };
    let deployments = wire.deployments.iter().map(|name| name.parse().ok()).collect::<Option<_>>()?;
    let keys = EnvironmentKeys {
        public: fixed(&wire.public)?,
        root_key: KeyId(fixed(&wire.private_root)?),
        wrapped_private: hex::decode(&wire.private).ok()?,
    };
    let (root_key, bytes) = (KeyId(fixed(&wire.data_root)?), hex::decode(&wire.data).ok()?);
    let data_key =
        WrappedDataKey { environment: uid, key: WrappedKey { root_key, epoch: wire.data_epoch, bytes } };
    let (admins_only, changed) = (wire.admins_only, stamp(wire.changed));
    let read = MadeEnvironment { environment, deployments, keys, data_key, admins_only, changed };
    made.environments.insert(own, read);
    Some(())
}

pub(super) fn write(made: &MadeEnvironment) -> serde_json::Result<Vec<u8>> {
    let MadeEnvironment { environment, deployments, keys, data_key, admins_only, changed } = made;
    serde_json::to_vec(&WireEnvironment {
        uid: environment.uid.to_string(),
        kind: environment.kind.to_string(),
        protected: environment.protected,
        deprecated: environment.deprecated,
        expires: environment.expires.map(|at| at.0),
        promotes_to: environment.promotes_to.as_ref().map(ToString::to_string),
        trigger: environment.trigger.map(|trigger| trigger.as_str().to_owned()),
        labels: environment.labels.clone(),
        deployments: deployments.iter().map(ToString::to_string).collect(),
        public: hex::encode(keys.public),
        private_root: keys.root_key.to_string(),
        private: hex::encode(&keys.wrapped_private),
        data_root: data_key.key.root_key.to_string(),
        data_epoch: data_key.key.epoch,
        data: hex::encode(&data_key.key.bytes),
        admins_only: *admins_only,
        changed: to_stamp(changed),
    })
}

fn fixed<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    hex::decode_to_slice(text, &mut bytes).ok()?;
    Some(bytes)
}

pub(super) fn name(workspace: &WorkspaceId, name: &str) -> String {
    format!("workspace/{workspace}/environment/{name}")
}
