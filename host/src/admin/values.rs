//! Values by API, in every layer: the workspace's base, a deployment's, an environment's, a deployment's in
//! an environment. Listed masked, set, unset, and how they came to be. A secret never comes back.
//!
//! What can be done is the same for all of them and stands once, in [`listing`], [`setting`] and
//! [`history`]; each kind of place has its routes.

mod at;
pub(super) mod deployment;
pub(super) mod environment;
mod history;
mod listing;
mod setting;
mod shown;
mod wire;
pub(super) mod workspace;

use axum::response::Response;

use crate::serve::respond::Problem;

pub(super) use setting::changed;
pub(super) use shown::{Every, Owned, ValueChange};
pub(super) use wire::precondition;

type Answer = Result<Response, Problem>;
