mod candidates;

use std::borrow::Cow;

use self::candidates::Builder;
use super::{Attached, Chains, Plan, PlanError, Planned, layers::Stack, requirement, template::References};
use crate::{
    id::{DeploymentId, Digest, EnvironmentName, VariableName},
    model::{Configuration, question::Attribute},
};

/// The plan, its digest still to be computed.
pub(super) fn build<V: Clone>(
    configuration: &Configuration<V>,
    chains: &Chains<'_>,
    deployment: &DeploymentId,
    environment: &EnvironmentName,
    active: Option<u64>,
) -> Result<Plan<V>, PlanError> {
    let stage = configuration
        .environments
        .get(environment)
        .ok_or_else(|| PlanError::UnknownEnvironment(environment.clone()))?;
    let app = configuration
        .deployments
        .get(deployment)
        .ok_or_else(|| PlanError::UnknownDeployment(deployment.clone()))?;
    if !app.environments.contains_key(environment) {
        return Err(PlanError::NotUsed(deployment.clone(), environment.clone()));
    }
    let unknown = |number| PlanError::UnknownRelease(deployment.clone(), number);
    let release =
        active.map(|number| app.releases.get(&number).ok_or_else(|| unknown(number))).transpose()?;

    let stack = Stack::of(configuration, app, environment);
    let mut builder = Builder::new(configuration, app, stage);
    for entries in stack.names() {
        builder.add(entries)?;
    }
    builder.follow_templates()?;

    let mut variables = builder.variables;
    let missing = require(&mut variables, &stack)?;
    let declared = |name: &VariableName| release.is_some_and(|release| release.keys.contains(name));
    declare(&mut variables, declared, &builder.references);
    Ok(Plan {
        workspace: configuration.workspace.clone(),
        workspace_uid: configuration.uid,
        deployment: app.id.clone(),
        deployment_uid: app.uid,
        environment: stage.clone(),
        release: release.cloned(),
        variables,
        candidates: builder.candidates,
        sources: builder.sources.into_iter().map(Cow::into_owned).collect(),
        labels: builder.labels.into_iter().map(|(key, value)| Attribute::new(key, value)).collect(),
        candidate_labels: builder.candidate_labels,
        missing,
        chain: attached(configuration, chains, deployment, environment)?,
        digest: Digest([0; 32]),
    })
}

/// Marks what is required, and of which form; answers what is required and unset.
fn require<V>(variables: &mut [Planned], stack: &Stack<'_, V>) -> Result<Vec<VariableName>, PlanError> {
    let mut missing = Vec::new();
    for layers in stack.required() {
        let name = layers[0].name;
        let expected = requirement::together(layers);
        let expected = expected.map_err(|_| PlanError::Contradiction(name.clone()))?;
        match variables.binary_search_by(|variable| variable.name.cmp(name)) {
            Ok(index) => {
                variables[index].required = true;
                variables[index].expected = expected;
            }
            Err(_) => missing.push(name.clone()),
        }
    }
    Ok(missing)
}

/// Marks what the release declares, and what declared templates are made of: holders come after
/// what they refer to in `references.order`, so that backwards every mark is final when it is read.
fn declare(variables: &mut [Planned], declared: impl Fn(&VariableName) -> bool, references: &References) {
    for variable in variables.iter_mut() {
        variable.declared = declared(&variable.name);
    }
    for &holder in references.order.iter().rev() {
        if variables[holder].declared {
            for &target in references.targets(holder) {
                variables[target].declared = true;
            }
        }
    }
}

fn attached<V>(
    configuration: &Configuration<V>,
    chains: &Chains<'_>,
    deployment: &DeploymentId,
    environment: &EnvironmentName,
) -> Result<Vec<Attached>, PlanError> {
    let attach = |attachment: &crate::model::Attachment| {
        let policy = configuration
            .policies
            .get(&attachment.policy)
            .ok_or_else(|| PlanError::UnknownPolicy(attachment.policy.clone()))?;
        Ok(Attached {
            policy: policy.name.clone(),
            digest: policy.digest,
            place: attachment.place.clone(),
            settings: attachment.settings.clone(),
        })
    };
    chains.at(deployment, environment).into_iter().map(attach).collect()
}
