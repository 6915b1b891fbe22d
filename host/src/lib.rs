//! Bootlace hands every runtime instance the right configuration at the moment it boots.
pub mod canonical;
pub mod entropy;
pub mod fields;
pub mod id;
pub mod model;
pub mod secret;

pub mod keyring;
pub mod manifest;
pub mod plan;
pub mod render;
pub mod seal;
pub mod signing;
pub mod snapshot;
pub mod state;
pub mod token;
pub mod validate;

pub mod bundle;
pub mod format;
pub mod policy;
pub mod resolve;
pub mod source;

pub mod audit;
pub mod auth;
pub mod clock;
pub mod generation;
pub mod host;
pub mod permit;
pub mod prepared;
pub mod preview;
pub mod reseal;
pub mod slots;
pub mod store;
pub mod system;
pub mod telemetry;
pub mod upload;

pub mod admin;
pub mod client;
pub mod serve;
pub mod server;

pub mod cli;
