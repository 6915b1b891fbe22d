//! What a tenant's policy may cost this host, as an operator sets it.

use clap::value_parser;

use crate::{
    cli::exit::Misuse,
    policy::{Limits, lanes::LaneSettings},
};

/// A page of Wasm memory, in KiB: memories are made of whole ones.
const PAGE_KIB: u64 = 64;

/// What bounds tenants' policies. A breach names its limit.
///
/// They hold at a push, at a boot and for what a restart loads: a workspace whose policies no
/// longer fit is not served until it is pushed anew.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Policy limits")]
pub struct PolicyLimits {
    /// An uploaded component
    #[arg(long, value_name = "KIB", default_value_t = 1024, value_parser = value_parser!(u64).range(1..=4096))]
    pub policy_component: u64,

    /// Processor time of one compilation
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = value_parser!(u64).range(1..=600))]
    pub policy_compile_cpu: u64,

    /// Time of one compilation
    #[arg(long, value_name = "SECONDS", default_value_t = 20, value_parser = value_parser!(u64).range(1..=600))]
    pub policy_compile_wall: u64,

    /// Memory of the process that compiles
    #[arg(long, value_name = "MIB", default_value_t = 1024, value_parser = value_parser!(u64).range(256..=65_536))]
    pub policy_compile_memory: u64,

    /// Functions of one component
    #[arg(long, value_name = "N", default_value_t = 4096, value_parser = value_parser!(u32).range(1..=65_536))]
    pub policy_functions: u32,

    /// The body of one function
    #[arg(long, value_name = "KIB", default_value_t = 8, value_parser = value_parser!(u64).range(1..=1024))]
    pub policy_function_body: u64,

    /// Core modules that one component instantiates
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = value_parser!(u32).range(1..=64))]
    pub policy_core_instances: u32,

    /// Policies attached to one boot
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = value_parser!(u64).range(1..=64))]
    pub policy_chain: u64,

    /// Work of one question, about one for each instruction
    #[arg(long, value_name = "FUEL", default_value_t = 10_000_000)]
    #[arg(value_parser = value_parser!(u64).range(1000..=100_000_000_000))]
    pub policy_fuel: u64,

    /// Time of one question to one policy
    #[arg(long, value_name = "MS", default_value_t = 5, value_parser = value_parser!(u64).range(1..=60_000))]
    pub policy_wall: u64,

    /// Time of all questions of one boot
    #[arg(long, value_name = "MS", default_value_t = 10, value_parser = value_parser!(u64).range(1..=60_000))]
    pub policy_chain_wall: u64,

    /// Memory of one question, in whole pages of 64
    #[arg(long, value_name = "KIB", default_value_t = 4096, value_parser = value_parser!(u64).range(64..=65_536))]
    pub policy_memory: u64,

    /// An answer, and anything else that crosses to the host in one call
    #[arg(long, value_name = "KIB", default_value_t = 64, value_parser = value_parser!(u64).range(1..=4096))]
    pub policy_answer: u64,

    /// Log lines of one question; more are dropped and counted
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = value_parser!(u64).range(0..=10_000))]
    pub policy_log_lines: u64,

    /// All log lines of one question together
    #[arg(long, value_name = "BYTES", default_value_t = 4096, value_parser = value_parser!(u64).range(0..=1_048_576))]
    pub policy_log_bytes: u64,

    /// Calls of the host by one question
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = value_parser!(u32).range(1..=100_000))]
    pub policy_host_calls: u32,

    /// Questions of one tenant at once
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = value_parser!(u32).range(1..=10_000))]
    pub policy_questions: u32,
}

impl PolicyLimits {
    /// The limits, with the rest as it is by default.
    ///
    /// # Errors
    /// Two of them contradict each other: wrong usage.
    pub(super) fn limits(&self) -> Result<Limits, Misuse> {
        if self.policy_chain_wall < self.policy_wall {
            return Err(Misuse(format!(
                "--policy-chain-wall is {} ms, shorter than --policy-wall, {} ms: a single question could not \
                 have its time",
                self.policy_chain_wall, self.policy_wall
            )));
        }
        if self.policy_compile_wall < self.policy_compile_cpu {
            return Err(Misuse(format!(
                "--policy-compile-wall is {} s, shorter than --policy-compile-cpu, {} s",
                self.policy_compile_wall, self.policy_compile_cpu
            )));
        }
        if !self.policy_memory.is_multiple_of(PAGE_KIB) {
            let whole = self.policy_memory.next_multiple_of(PAGE_KIB);
            return Err(Misuse(format!(
                "--policy-memory is {} KiB, which is no whole number of pages; take {whole}",
                self.policy_memory
            )));
        }
        // The ranges above keep each within 37 bits.
        let bytes = |kib: u64| (kib << 10) as usize;
        Ok(Limits {
            component_bytes: bytes(self.policy_component),
            compile_cpu_seconds: self.policy_compile_cpu,
            compile_wall_seconds: self.policy_compile_wall,
            compile_memory_bytes: self.policy_compile_memory << 20,
            functions: self.policy_functions,
            function_body_bytes: bytes(self.policy_function_body),
            core_instances: self.policy_core_instances,
            chain: self.policy_chain as usize,
            fuel: self.policy_fuel,
            wall_ms: self.policy_wall,
            chain_wall_ms: self.policy_chain_wall,
            memory_bytes: bytes(self.policy_memory),
            answer_bytes: bytes(self.policy_answer),
            log_lines: self.policy_log_lines as usize,
            log_bytes: self.policy_log_bytes as usize,
            host_calls: self.policy_host_calls,
            ..Limits::default()
        })
    }

    /// The threads that policies get, and a tenant's share of them.
    pub(super) fn lanes(&self) -> LaneSettings {
        LaneSettings { per_tenant: self.policy_questions, ..LaneSettings::default() }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        policies: PolicyLimits,
    }

    #[test]
    fn who_sets_nothing_gets_the_defaults() {
        let line = Line::parse_from(["serve"]).policies;
        assert_eq!(line.limits().unwrap(), Limits::default());
        assert_eq!(line.lanes().per_tenant, LaneSettings::default().per_tenant);
    }

    #[test]
    fn limits_that_contradict_each_other_are_named() {
        for (options, named) in [
            (["--policy-wall=50", "--policy-chain-wall=20"], "--policy-chain-wall is 20 ms"),
            (["--policy-compile-wall=5", "--policy-compile-cpu=6"], "--policy-compile-cpu"),
            (["--policy-memory=100", "--policy-fuel=1000"], "take 128"),
        ] {
            let line = Line::parse_from(["serve"].into_iter().chain(options)).policies;
            let error = line.limits().unwrap_err().to_string();
            assert!(error.contains(named), "{error}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_its_range() {
        for option in
            ["--policy-chain=0", "--policy-component=5000", "--policy-fuel=1", "--policy-questions=none"]
        {
            let error = Line::try_parse_from(["serve", option]).unwrap_err().to_string();
            assert!(error.contains(option.split('=').next().unwrap()), "{error}");
        }
    }
}
