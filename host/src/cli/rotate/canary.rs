//! The share of instances that is given the newest version first: a setting of the policy `rotation-canary`
//! where it is attached for the secret.

use std::collections::BTreeMap;

use anyhow::bail;
use serde::Deserialize;
use serde_json::{Value, json};

use super::secret::Rotation;
use crate::client::Request;

const POLICY: &str = "rotation-canary";

#[derive(Deserialize)]
struct Attachments {
    attachments: Vec<Canary>,
}

/// Where the policy is attached.
#[derive(Deserialize)]
pub(super) struct Canary {
    id: String,
    place: Place,
    settings: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Place {
    #[serde(default)]
    deployment: Option<String>,
    #[serde(default)]
    environment: Option<String>,
}

/// Where the policy is attached for what is rotated, if it is.
pub(super) fn find(rotation: &Rotation<'_>) -> anyhow::Result<Option<Canary>> {
    let place = &rotation.args.target.place;
    let request = Request::get(&["api", "v1", "attachments"])
        .query("policy", POLICY)
        .query_if("environment", place.environment());
    let listed: Attachments = serde_json::from_value(place.host.list(request, "attachments")?)?;
    let comes_here = |one: &Canary| {
        let comes_here = one.place.deployment.as_deref().is_none_or(|name| place.deployment() == Some(name));
        comes_here && one.settings.get("variable").is_some_and(|name| name == rotation.key.as_str())
    };
    let mut found = listed.attachments.into_iter().filter(comes_here);
    let first = found.next();
    if found.next().is_some() {
        bail!(
            "{POLICY} is attached in several places for {} of {place}; detach all of them but one",
            rotation.key
        );
    }
    Ok(first)
}

/// The same, where it has to be.
pub(super) fn needed(rotation: &Rotation<'_>) -> anyhow::Result<Canary> {
    if let Some(found) = find(rotation)? {
        return Ok(found);
    }
    let (key, place) = (rotation.key, &rotation.args.target.place);
    bail!(
        "{POLICY} is not attached for {key} of {place}, so that nothing can give it to a share; attach it with \
         `bootlace policy attach {POLICY} {} --setting variable={key} --setting percent=0`",
        rotation.where_it_is()
    )
}

impl Canary {
    /// Gives the newest version to `percent` of the instances.
    pub(super) fn set(&self, rotation: &Rotation<'_>, percent: u8) -> anyhow::Result<()> {
        let (percent, target) = (percent.to_string(), &rotation.args.target);
        if self.settings.get("percent") == Some(&percent) {
            return Ok(());
        }
        let Place { deployment, environment } = &self.place;
        if (deployment.as_deref(), environment.as_deref())
            != (target.place.deployment(), target.place.environment())
        {
            bail!(
                "{POLICY} is attached for more than {}, and its share would change there, too; attach it for that \
                 alone (`bootlace policy attach {POLICY} {} --setting variable={} --setting percent=0`)",
                target.place,
                rotation.where_it_is(),
                rotation.key
            );
        }
        let mut settings = self.settings.clone();
        settings.insert("percent".to_owned(), percent);
        let named = |name: &Option<String>| name.as_ref().map(|name| json!(name));
        let place =
            [("deployment", named(&self.place.deployment)), ("environment", named(&self.place.environment))];
        let place: serde_json::Map<String, Value> =
            place.into_iter().filter_map(|(what, name)| Some((what.to_owned(), name?))).collect();
        let body = json!({ "policy": POLICY, "place": place, "settings": settings });
        let request = Request::put(&["api", "v1", "attachments", &self.id]);
        target.ask(request.body("application/json", serde_json::to_vec(&body)?)).map(drop)
    }
}
