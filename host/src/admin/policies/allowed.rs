//! Who may change what runs in which environments. An environment that is protected wants an admin who
//! says its name: every change of a policy or an attachment comes by. Approvals are of promotions alone.

use crate::{
    admin::{caller::Caller, query::confirmed},
    change::{Edit, RunsIn},
    generation::Served,
    id::EnvironmentName,
    made::ResourceKey,
    model::Role,
    serve::respond::Problem,
};

/// Lets on who may change `of`, a policy or an attachment: with the role `least`, and where it runs in
/// protected environments as an admin who confirmed each. The edit that this gives goes before the
/// change, and refuses it if it would run elsewhere by then.
///
/// # Errors
/// 403 without the role, or for a token that does not see every environment; 422 naming what is to be
/// confirmed.
pub(in crate::admin) fn allowed(
    caller: &Caller,
    query: Option<&str>,
    served: &Served,
    of: ResourceKey,
    least: Role,
) -> Result<Edit, Problem> {
    caller.role(least)?;
    let runs = RunsIn::find(&served.snapshot.configuration, of);
    if !runs.environments.keys().all(|name| caller.sees(name)) {
        return Err(Problem::forbidden(
            "this runs in environments that your token is not for; it is limited to some",
        ));
    }
    let protected: Vec<_> = runs.environments.iter().filter(|(_, is)| **is).map(|(name, _)| name).collect();
    if !protected.is_empty() {
        caller.role(Role::Admin)?;
    }
    let confirmed = confirmed(query)?;
    let open = |name: &&&EnvironmentName| !confirmed.contains(name.as_str());
    let open: Vec<_> = protected.iter().filter(open).map(|name| name.as_str()).collect();
    if !open.is_empty() {
        let detail = format!(
            "{} runs in {}, and these are protected; confirm the change with ?confirm=<name> for each",
            runs.of,
            open.join(", ")
        );
        return Err(Problem::invalid(detail).with("confirm", open));
    }
    Ok(Edit::Expect(runs))
}
