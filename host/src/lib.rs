//! Bootlace hands every runtime instance the right configuration at the moment it boots.
//!
//! One host keeps the whole configuration in memory as one immutable [`generation`], swaps it
//! atomically ([`store`]), keeps every value sealed until it is handed over ([`seal`]), and asks the
//! tenants' own Wasm components what each instance gets ([`policy`]).
//!
//! # Where everything lives
//! A module imports only its own level or lower ones; a test reads the imports and says so.
//!
//! **L0, the words.** [`id`] holds checked names, [`model`] the product's words as plain types,
//! [`secret`] bytes that do not print, [`canonical`] and [`fields`] unambiguous bytes,
//! [`persistent`] a map that shares what did not change, [`entropy`] randomness as an argument.
//!
//! **L1, what is true of one workspace.** [`seal`], [`keyring`], [`signing`] and [`token`] are the
//! cryptography; [`validate`] says what must hold of a configuration; [`plan`] merges its layers, with
//! what an environment gives by itself (a domain, data namespaces, tools);
//! [`render`] writes endpoints as URLs; a [`snapshot`] is a configuration at one revision.
//!
//! **L2, in and out, still without IO.** [`source`] reads a workspace directory, [`bundle`] signed
//! bytes, [`state`] what a push never touches, a [`lease`] who was given what, [`made`] what was made by
//! API; [`chunks`] share what did not change; [`policy`] asks components, [`resolve`] settles what becomes of each variable, [`manifest`] compares without values,
//! [`format`](mod@format) writes environments, [`dotenv`] reads files of them.
//!
//! **L3, a running host.** [`host`] starts, pushes, rolls back, mints; [`upload`] is a policy's way
//! in, [`slots`] the last known good on disk, [`ledger`] control state in transactions and [`control`] the
//! host's own records there, [`reseal`] and [`prepared`] make a generation, a [`change`] is made of edits,
//! a [`history`] keeps what each was made of, a [`transfer`] is a workspace as one file, [`auth`] finds the
//! caller, a [`permit`] is the right to values, [`audit`] writes down who was given what, [`usage`] counts it, [`questions`] keeps what they said, [`preview`] shows a glimpse of plain values, a
//! [`fingerprint`] tells whether two environments share a secret. [`clock`],
//! `durable` files, [`system`] and [`telemetry`] are the world outside.
//!
//! **L4, the listeners and their client.** [`serve`] answers boots, [`admin`] is the control API,
//! [`server`] runs both, [`client`] talks to them.
//!
//! **L5.** [`cli`], one file for each verb.
//!
//! # Three walkthroughs
//! A boot is [`serve::boot::boot`], one function. A push is [`host::Host::push`], the other way
//! through the house: size, signature, expiry, parent, digest, decode, validate, seal, policies,
//! dry run, durable, published. A promotion is [`host::Host::promote`]: its target held, judged by the host's
//! rules and the tenant's policies, then one transaction with the activation, or a record that waits; what an
//! activation runs with, and goes back to, is a set ([`generation::Set`]).

pub mod canonical;
pub mod entropy;
pub mod fields;
pub mod id;
pub mod model;
pub mod persistent;
pub mod secret;

pub mod keyring;
pub mod plan;
pub mod render;
pub mod seal;
pub mod signing;
pub mod snapshot;
pub mod token;
pub mod validate;

pub mod bundle;
pub mod chunks;
pub mod dotenv;
pub mod format;
pub mod lease;
pub mod made;
pub mod manifest;
pub mod policy;
pub mod resolve;
pub mod source;
pub mod state;

pub mod audit;
pub mod auth;
pub mod change;
pub mod clock;
pub mod control;
pub(crate) mod durable;
pub mod fingerprint;
pub mod generation;
pub mod history;
pub mod host;
pub mod ledger;
pub mod permit;
pub mod prepared;
pub mod preview;
pub mod questions;
pub mod reseal;
pub mod slots;
pub mod store;
pub mod system;
pub mod telemetry;
pub mod transfer;
pub mod upload;
pub mod usage;

pub mod admin;
pub mod client;
pub mod serve;
pub mod server;

pub mod cli;
