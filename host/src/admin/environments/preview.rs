//! Previews: `preview/<source>`, cloned from the workspace's template, never from production, and gone
//! by themselves after a while.

use std::collections::BTreeMap;

use super::{
    Caller, Edit, Environment, EnvironmentName, Problem, Uid, WireCreate, changeable, chosen,
    expiry::WireExpires, visible,
};
use crate::{id::UnixSeconds, model::EnvironmentType};

/// The label of the environment that previews are cloned from: `true`.
const TEMPLATE: &str = "preview-template";
/// How long a preview serves where nothing is said, in seconds: a week.
const PREVIEW_SECONDS: i64 = 7 * 86_400;
/// How long one may serve at most, in seconds.
pub(super) const MAX_PREVIEW_SECONDS: i64 = 90 * 86_400;

/// A clone of the template. Whoever may the template may the preview.
pub(super) fn edit(
    caller: &Caller,
    query: Option<&str>,
    name: EnvironmentName,
    wire: WireCreate,
    now: UnixSeconds,
) -> Result<Edit, Problem> {
    if !name.is_preview() {
        return Err(Problem::invalid("say the environment's type; only a preview is cloned without"));
    }
    if wire.protected.is_some() || wire.promotes_to.is_some() || wire.trigger.is_some() {
        return Err(Problem::invalid(
            "a preview is as its template; say only deployments, labels and expires",
        ));
    }
    let source = template(caller, query)?;
    let found = visible(caller, caller.served(query)?, source.as_str())?;
    let wanted = Environment {
        uid: Uid::NONE,
        kind: found.kind,
        protected: found.protected,
        deprecated: false,
        expires: expiry(&name, found, wire.expires.as_ref(), now)?,
        promotes_to: None,
        trigger: None,
        labels: wire.labels.unwrap_or_else(|| labels(found)),
        name,
    };
    let deployments = wire.deployments.map(chosen).transpose()?;
    Ok(Edit::CloneEnvironment { source, wanted, deployments, permissions: true })
}

/// The one environment that says that it is the template.
fn template(caller: &Caller, query: Option<&str>) -> Result<EnvironmentName, Problem> {
    let all = caller.served(query)?.snapshot.configuration.environments.values();
    let is_template = |one: &&Environment| one.labels.get(TEMPLATE).is_some_and(|value| value == "true");
    let mut templates = all.filter(|one| caller.sees(&one.name)).filter(is_template);
    match (templates.next(), templates.next()) {
        (Some(one), None) => changeable(caller, query, one.name.as_str()),
        (None, _) => Err(Problem::invalid(
            "no environment is the template of previews; give one the label preview-template=true, or say a type",
        )),
        (Some(one), Some(other)) => Err(Problem::invalid(format!(
            "{} and {} both have the label {TEMPLATE}=true; one is the template of previews",
            one.name, other.name
        ))),
    }
}

/// When a clone of `source` stops serving.
pub(super) fn expiry(
    name: &EnvironmentName,
    source: &Environment,
    wanted: Option<&WireExpires>,
    now: UnixSeconds,
) -> Result<Option<UnixSeconds>, Problem> {
    if !name.is_preview() {
        return wanted.map(|wanted| wanted.moment(now, None)).transpose();
    }
    if source.kind == EnvironmentType::Production {
        return Err(Problem::invalid("a preview is never a clone of production"));
    }
    let usual = WireExpires::In(PREVIEW_SECONDS);
    wanted.unwrap_or(&usual).moment(now, Some(MAX_PREVIEW_SECONDS)).map(Some)
}

/// The source's labels; there is one template.
pub(super) fn labels(source: &Environment) -> BTreeMap<String, String> {
    let mut labels = source.labels.clone();
    labels.remove(TEMPLATE);
    labels
}
