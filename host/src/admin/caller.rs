//! Who calls the control API, and in which workspace.

use std::sync::Arc;

use http::HeaderMap;

use super::{idempotency, query::parameter};
use crate::{
    auth,
    generation::{Generation, Served},
    host::{Author, Claim, Host},
    id::{EnvironmentName, WorkspaceId},
    model::{Role, Scope, TokenRecord},
    serve::respond::Problem,
};

/// A person (or a pipeline) with a working tenant or operator token.
pub struct Caller {
    /// The token's record.
    pub token: Arc<TokenRecord>,
    /// One generation for the whole request.
    pub live: Arc<Generation>,
    /// The key that a change is made under.
    claim: Option<Arc<Claim>>,
}

impl Caller {
    /// Finds out who sent `headers`.
    ///
    /// # Errors
    /// 401 without a working token of a kind that this listener takes.
    pub fn of(host: &Host, headers: &HeaderMap) -> Result<Self, Problem> {
        let live = host.store.load_full();
        let token = auth::person(headers, &live, host.clock.now())?;
        Ok(Self { token, live, claim: idempotency::claim() })
    }

    /// The caller as who makes a change: as long as it is what this request was allowed on.
    #[must_use]
    pub fn author(&self) -> Author {
        Author::caller(Arc::clone(&self.token), Arc::clone(&self.live)).under(self.claim.clone())
    }

    /// Lets only operators on.
    ///
    /// # Errors
    /// 403 for tenants.
    pub fn operator(&self) -> Result<&Self, Problem> {
        match self.token.scope {
            Scope::Operator => Ok(self),
            _ => Err(Problem::forbidden("this is an operator's; ask who runs the host")),
        }
    }

    /// Lets operators on, and tenants whose role is `least` or more.
    ///
    /// # Errors
    /// 403 naming the role.
    pub fn role(&self, least: Role) -> Result<&Self, Problem> {
        match &self.token.scope {
            Scope::Operator => Ok(self),
            Scope::Tenant { role, .. } if *role >= least => Ok(self),
            _ => Err(Problem::forbidden(format!(
                "this needs the role {}; ask an admin of the workspace for it",
                least.as_str()
            ))),
        }
    }

    /// Whether the token may see `environment`: one that names it, or one that names none, if it is not
    /// its admins' alone.
    #[must_use]
    pub fn sees(&self, environment: &EnvironmentName) -> bool {
        match &self.token.scope {
            Scope::Operator => true,
            Scope::Tenant { environments, .. } if !environments.is_empty() => {
                environments.contains(environment)
            }
            Scope::Tenant { workspace, role, .. } => {
                let served = self.live.workspace(workspace);
                let made = served.and_then(|served| served.made.environments.get(environment));
                *role == Role::Admin || !made.is_some_and(|made| made.admins_only)
            }
            Scope::Instance { .. } => false,
        }
    }

    /// Whether the token sees some environments of its workspace only.
    #[must_use]
    pub fn is_limited(&self) -> bool {
        matches!(&self.token.scope, Scope::Tenant { environments, .. } if !environments.is_empty())
    }

    /// The workspace that is asked about: a tenant's own, an operator's by `?workspace=`.
    ///
    /// # Errors
    /// 400 when an operator names none, 404 when a tenant names another.
    pub fn workspace(&self, query: Option<&str>) -> Result<WorkspaceId, Problem> {
        let named = parameter(query, "workspace")?;
        match (&self.token.scope, named) {
            (Scope::Tenant { workspace, .. }, None) => Ok(workspace.clone()),
            (Scope::Tenant { workspace, .. }, Some(named)) if named == workspace.as_str() => {
                Ok(workspace.clone())
            }
            (Scope::Operator, Some(named)) => named.parse().map_err(|_| Problem::not_found()),
            (Scope::Operator, None) => {
                Err(Problem::bad_request("an operator serves many workspaces; name one with ?workspace="))
            }
            _ => Err(Problem::not_found()),
        }
    }

    /// What is served of the workspace that is asked about.
    ///
    /// # Errors
    /// As [`Caller::workspace`]; 404 when nothing is served of it.
    pub fn served(&self, query: Option<&str>) -> Result<&Arc<Served>, Problem> {
        self.live.workspace(&self.workspace(query)?).ok_or_else(Problem::not_found)
    }
}
