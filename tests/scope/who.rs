//! Whose tokens there are, and who may ask what of what.

use bootlace::model::Role;

use super::routes::{Listener, Route};
use crate::world::pair::Place;

/// Whose a token is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Who {
    Instance(Place),
    Tenant { workspace: &'static str, role: Role, only: Option<&'static str> },
    Operator,
    Nobody,
}

/// What a request came to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Outcome {
    Answered,
    Refused,
}

impl Who {
    pub(super) fn sees(self, place: Place) -> bool {
        match self {
            Self::Instance(own) => own == place,
            Self::Tenant { workspace, only, .. } => {
                workspace == place.workspace && only.is_none_or(|only| only == place.environment)
            }
            Self::Operator => true,
            Self::Nobody => false,
        }
    }

    /// Whether `workspace` is theirs, or everybody's is.
    pub(super) fn is_of(self, workspace: &str) -> bool {
        self == Self::Operator || matches!(self, Self::Tenant { workspace: own, .. } if own == workspace)
    }

    /// Whether `route` is to be answered, asked about `place`.
    pub(super) fn may(self, (listener, method, path): Route, place: Place) -> Outcome {
        let own = matches!(self, Self::Tenant { workspace, .. } if workspace == place.workspace);
        let operator = self == Self::Operator;
        let admin = operator || matches!(self, Self::Tenant { role: Role::Admin, .. });
        let may = match (method, path) {
            (_, "/livez" | "/readyz" | "/openapi.json") => true,
            (_, "/v1/boot") => listener == Listener::Boot && matches!(self, Self::Instance(_)),
            // Only the pair's own instances renew a lease of it; nothing boots in development.
            (_, "/v1/lease/{id}") => self == Self::Instance(place),
            ("GET", "/api/v1/rotations") => (operator || own) && self.sees(place),
            ("GET", "/api/v1/services/{id}/holders") => {
                (operator || own) && self.sees(place) && place.environment != "development"
            }
            ("DELETE", "/api/v1/services/{id}/unproven") => {
                let developer = matches!(self, Self::Tenant { role, .. } if role >= Role::Developer);
                let writes = admin || developer && place.environment != "production";
                (operator || own) && writes && self.sees(place) && place.environment != "development"
            }
            ("GET", "/api/v1/deployments/{id}/leases") => {
                (operator || own) && self.sees(place) && place.environment != "development"
            }
            (_, "/api/v1/deployments/{id}/leases/{lease}") => {
                let releaser = matches!(self, Self::Tenant { role, .. } if role >= Role::Releaser);
                let is_there = place.environment != "development";
                (operator || own && releaser) && self.sees(place) && is_there
            }
            (_, "/api/v1/snapshot/bundle" | "/api/v1/export" | "/metrics") => operator,
            (
                "GET",
                "/api/v1/snapshot" | "/api/v1/snapshot/plans" | "/api/v1/snapshots" | "/api/v1/drift",
            ) => operator || own,
            ("GET", "/api/v1/workspaces") => operator || matches!(self, Self::Tenant { .. }),
            (
                _,
                "/api/v1/deployments/{id}/explain"
                | "/api/v1/deployments/{id}/diff"
                | "/api/v1/deployments/{id}/activations"
                | "/api/v1/deployments/{id}/parity",
            ) => (operator || own) && self.sees(place) && place.environment != "development",
            (_, "/api/v1/deployments/{id}/what-if") => {
                let developer = matches!(self, Self::Tenant { role, .. } if role >= Role::Developer);
                let may = method == "GET" || admin || developer;
                (operator || own) && may && self.sees(place) && place.environment != "development"
            }
            ("GET", "/api/v1/deployments/{id}/env" | "/api/v1/deployments/{id}/env/{name}/versions") => {
                (operator || own) && self.sees(place) && place.environment != "development"
            }
            (
                _,
                "/api/v1/deployments/{id}/env"
                | "/api/v1/deployments/{id}/env/{name}"
                | "/api/v1/deployments/{id}/env/{name}/versions/{version}/revoke",
            ) => {
                let developer = matches!(self, Self::Tenant { role, .. } if role >= Role::Developer);
                let writes = admin || developer && place.environment != "production";
                (operator || own) && writes && self.sees(place) && place.environment != "development"
            }
            // What is everybody's is shown to whoever sees anything, and changed by whoever sees it all.
            ("GET", "/api/v1/env" | "/api/v1/env/{name}/versions") => operator || own,
            (_, "/api/v1/env" | "/api/v1/env/{name}" | "/api/v1/env/{name}/versions/{version}/revoke") => {
                operator || own && matches!(self, Self::Tenant { role: Role::Admin, only: None, .. })
            }
            ("GET", "/api/v1/environments/{env}/env" | "/api/v1/environments/{env}/env/{name}/versions") => {
                (operator || own) && self.sees(place)
            }
            (
                _,
                "/api/v1/environments/{env}/env"
                | "/api/v1/environments/{env}/env/{name}"
                | "/api/v1/environments/{env}/env/{name}/versions/{version}/revoke",
            ) => {
                let developer = matches!(self, Self::Tenant { role, .. } if role >= Role::Developer);
                let writes = admin || developer && place.environment != "production";
                (operator || own) && writes && self.sees(place)
            }
            (_, "/api/v1/deployments/{id}/bindings" | "/api/v1/deployments/{id}/bindings/{binding}") => {
                let developer = matches!(self, Self::Tenant { role, .. } if role >= Role::Developer);
                let writes = admin || developer && place.environment != "production";
                let may = method == "GET" || writes;
                (operator || own) && may && self.sees(place) && place.environment != "development"
            }
            ("GET", "/api/v1/deployments/{id}/checks" | "/api/v1/deployments/{id}/promotions") => {
                (operator || own) && self.sees(place)
            }
            // Reported of the place; protected ones are a releaser's.
            ("POST", "/api/v1/deployments/{id}/checks") => {
                let least = if place.environment == "production" { Role::Releaser } else { Role::Developer };
                let may = operator || matches!(self, Self::Tenant { role, .. } if role >= least);
                may && (operator || own) && self.sees(place) && place.environment != "development"
            }
            // Tried out between the place and itself.
            ("POST", "/api/v1/deployments/{id}/promotions") => {
                let may = operator || matches!(self, Self::Tenant { role, .. } if role >= Role::Releaser);
                may && (operator || own) && self.sees(place) && place.environment != "development"
            }
            // Made so before that there is something to do.
            (_, "/api/v1/deployments/{id}/rollback" | "/api/v1/deployments/{id}/unpin") => {
                let may = operator || matches!(self, Self::Tenant { role, .. } if role >= Role::Releaser);
                may && (operator || own) && self.sees(place) && place.environment != "development"
            }
            // One waits in production, for who sees where it comes from, too.
            (_, path) if path.starts_with("/api/v1/deployments/{id}/promotions/{promotion}") => {
                // None of them asked for it.
                let least = match method {
                    "GET" => Role::Viewer,
                    "DELETE" => Role::Admin,
                    _ => Role::Releaser,
                };
                let may = matches!(self, Self::Tenant { role, only: None, .. } if own && role >= least);
                (operator || may) && place.environment == "production"
            }
            ("GET", "/api/v1/deployments/{id}/releases") => {
                (operator || own) && self.sees(place) && place.environment != "development"
            }
            ("POST", "/api/v1/deployments/{id}/releases") => {
                operator || own && matches!(self, Self::Tenant { role, .. } if role >= Role::Developer)
            }
            // Every token sees a part of what the workspace directory says, which owns all of that; a list is
            // asked for by environment.
            ("GET", "/api/v1/deployments" | "/api/v1/services" | "/api/v1/tools" | "/api/v1/policies") => {
                (operator || own) && self.sees(place)
            }
            (
                _,
                "/api/v1/deployments"
                | "/api/v1/deployments/{id}"
                | "/api/v1/deployments/{id}/domains"
                | "/api/v1/deployments/{id}/namespaces"
                | "/api/v1/deployments/{id}/tools"
                | "/api/v1/services"
                | "/api/v1/services/{id}"
                | "/api/v1/tools"
                | "/api/v1/tools/{id}",
            ) => method == "GET" && (operator || own),
            ("GET", "/api/v1/environments") => operator || own,
            ("GET", "/api/v1/environments/{env}") => (operator || own) && self.sees(place),
            // The directory owns them all.
            (_, "/api/v1/environments" | "/api/v1/environments/{env}") => false,
            // This one runs in every environment that the deployment uses.
            ("GET", "/api/v1/policies/{name}" | "/api/v1/attachments" | "/api/v1/attachments/{id}") => {
                operator || own
            }
            // The directory owns them, too.
            (_, "/api/v1/policies/{name}" | "/api/v1/attachments" | "/api/v1/attachments/{id}") => false,
            (_, "/api/v1/audit" | "/api/v1/usage" | "/api/v1/pipeline") => {
                (operator || own) && self.sees(place)
            }
            ("GET", "/api/v1/tokens") => admin && (operator || own),
            (_, "/api/v1/tokens" | "/api/v1/tokens/{id}") => admin && (operator || own) && self.sees(place),
            // A push of nothing and a rollback to nowhere are nobody's.
            _ => false,
        };
        if may { Outcome::Answered } else { Outcome::Refused }
    }
}
