//! What Bootlace promises, each promise a test. One binary, a file for each behaviour; the real
//! host, the real program, real services.
#![allow(missing_docs, clippy::unwrap_used, reason = "a test says what it expects by its name")]

mod tidy;
mod world;

mod admin;
mod audit;
mod audit_changes;
mod blind;
mod boots;
mod cli_env;
mod cli_import;
mod cli_terminal;
mod cli_usage;
mod cli_var;
mod clone;
mod crash;
mod deploy;
mod deployments;
mod diff;
mod environments;
mod explain;
mod formats;
mod hostile;
mod idempotency;
mod leaks;
mod limits;
mod lists;
mod metrics;
mod openapi;
mod pages;
mod policies;
mod policies_api;
mod postgres;
mod quarantine;
mod redis;
mod replay;
mod restart;
mod rows;
mod run;
mod sample_policies;
mod scope;
mod sealing;
mod services;
mod shutdown;
mod state;
mod strangers;
mod supervise;
mod tls;
mod tokens;
mod torn;
mod values;
mod workspace;
mod workspaces;
mod writers;
mod wrong_input;
