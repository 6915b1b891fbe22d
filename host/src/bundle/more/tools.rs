//! Tools, their profiles, and who calls them.

use std::collections::BTreeMap;

use super::{
    super::{
        checked::{entries, name_of, text},
        read::versions,
        wire::Value,
        write,
    },
    BundleLimits, Form, InvalidContent, Read, wire,
};
use crate::{
    id::ToolName,
    model::{Credential, Profile, Tool, ToolUse},
    persistent::Map,
};

pub(super) fn write<V: Form>(tools: &Map<ToolName, Tool<V>>) -> BTreeMap<String, wire::Tool> {
    write::map(tools, |tool| wire::Tool {
        description: tool.description.clone(),
        profiles: write::map(&tool.profiles, |profile| wire::Profile {
            settings: profile.settings.as_ref().map(Form::to_wire),
            credentials: write::map(&profile.credentials, |credential| wire::Credential {
                versions: write::versions(&credential.versions),
                current: credential.current,
            }),
        }),
    })
}

pub(super) fn read<V: Form>(
    found: BTreeMap<String, wire::Tool>,
    limits: &BundleLimits,
) -> Read<BTreeMap<ToolName, Tool<V>>> {
    entries("tools", found, limits.tools, |id: &ToolName, tool: wire::Tool| {
        Ok(Tool {
            id: id.clone(),
            description: text("description", tool.description, limits.text_bytes)?,
            profiles: entries("profiles", tool.profiles, limits.environments, |_: &_, found| {
                profile(found, limits)
            })?,
        })
    })
}

fn profile<V: Form>(found: wire::Profile, limits: &BundleLimits) -> Read<Profile<V>> {
    let settings = found.settings.map(|value| settings(value, limits)).transpose()?;
    let limit = limits.tool_credentials;
    let credentials = entries("credentials", found.credentials, limit, |_: &_, found: wire::Credential| {
        if found.versions.is_empty() {
            return Err(InvalidContent::Versions.at("versions"));
        }
        let current = found.current;
        Ok(Credential { versions: versions(found.versions, current, limits)?, current })
    })?;
    Ok(Profile { settings, credentials })
}

/// Settings are structured: what a host has sealed was looked at when it was pushed.
fn settings<V: Form>(value: Value, limits: &BundleLimits) -> Read<V> {
    match &value {
        Value::Json(json) if json.starts_with('{') => {}
        Value::Stored { .. } => {}
        _ => return Err(InvalidContent::Json.at("settings")),
    }
    V::from_wire(value, limits).map_err(|reason| reason.at("settings"))
}

pub(super) fn write_uses(tools: &BTreeMap<ToolName, ToolUse>) -> BTreeMap<String, wire::ToolUse> {
    write::map(tools, |tool_use| wire::ToolUse {
        settings: tool_use.settings.as_ref().map(ToString::to_string),
        credentials: write::map(&tool_use.credentials, ToString::to_string),
    })
}

pub(super) fn read_uses(
    found: BTreeMap<String, wire::ToolUse>,
    limits: &BundleLimits,
) -> Read<BTreeMap<ToolName, ToolUse>> {
    entries("tools", found, limits.tools_per_place, |_: &ToolName, found: wire::ToolUse| {
        let variable = |text: String| name_of("settings", &text);
        let limit = limits.tool_credentials;
        Ok(ToolUse {
            settings: found.settings.map(variable).transpose()?,
            credentials: entries("credentials", found.credentials, limit, |_: &_, text: String| {
                name_of("variable", &text)
            })?,
        })
    })
}
