//! Bootlace hands every runtime instance the right configuration at the moment it boots.
pub mod canonical;
pub mod clock;
pub mod id;
pub mod model;
pub mod secret;

pub mod keyring;
pub mod plan;
pub mod render;
pub mod seal;
pub mod signing;
pub mod token;
pub mod validate;

pub mod bundle;
pub mod policy;
pub mod source;

pub mod slots;
pub mod upload;

pub mod cli;
pub mod client;
