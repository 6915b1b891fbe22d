//! Every bound on a policy, in one place.

use crate::canonical::Canonical;

/// What a policy may cost. The defaults are those that an operator gets who sets nothing; a
/// breach names its limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Size of an uploaded component, in bytes.
    pub component_bytes: usize,
    /// CPU time of one compilation, in seconds.
    pub compile_cpu_seconds: u64,
    /// Wall clock time of one compilation, in seconds.
    pub compile_wall_seconds: u64,
    /// Address space of the process that compiles, in bytes.
    pub compile_memory_bytes: u64,
    /// Size of a compiled artefact, in bytes.
    pub artefact_bytes: usize,
    /// Core modules' functions, in all.
    pub functions: u32,
    /// Size of one function's body, in bytes.
    pub function_body_bytes: usize,
    /// Locals of one function, its parameters apart.
    pub locals: u32,
    /// Blocks, loops and ifs inside each other: a `match` of 30 arms has 30, Rust's own standard
    /// library 37.
    pub nesting: u32,
    /// Parameters of one core function type, and as many results.
    pub parameters: usize,
    /// Targets of one `br_table`.
    pub branch_targets: u32,
    /// Core modules that a component instantiates: one, or five where an adapter stands between the
    /// guest and WASI.
    pub core_instances: u32,
    /// Components inside the component.
    pub nested_components: u32,
    /// Tables of the component's core modules, in all.
    pub tables: u32,
    /// Elements of one table.
    pub table_elements: usize,
    /// Policies attached to one boot.
    pub chain: usize,
    /// Fuel of one question, in wasmtime's units: about one an instruction.
    pub fuel: u64,
    /// Wall clock of one question to one policy, in milliseconds. The clock ticks once a
    /// millisecond, so that a question is stopped up to one millisecond later. Where it was the
    /// machine that took the time, the question may use its time once more, as the processor
    /// counts it.
    pub wall_ms: u64,
    /// Wall clock of a whole chain, in milliseconds.
    pub chain_wall_ms: u64,
    /// Linear memory of one question, in bytes, all memories together.
    pub memory_bytes: usize,
    /// Stack of one question, in bytes.
    pub stack_bytes: usize,
    /// What crosses from the policy to the host in one call, in bytes: an answer, or one log line.
    pub answer_bytes: usize,
    /// Log lines of one question; those beyond are dropped and counted.
    pub log_lines: usize,
    /// Bytes of all log lines of one question; lines beyond are dropped and counted.
    pub log_bytes: usize,
    /// Calls of the host by one question; one more fails it.
    pub host_calls: u32,
    /// Component handles that one question may hold.
    pub handles: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            component_bytes: 1 << 20,
            compile_cpu_seconds: 10,
            compile_wall_seconds: 20,
            compile_memory_bytes: 1 << 30,
            artefact_bytes: 32 << 20,
            functions: 4096,
            function_body_bytes: 8 << 10,
            locals: 64,
            nesting: 64,
            parameters: 16,
            branch_targets: 256,
            core_instances: 5,
            nested_components: 8,
            tables: 4,
            table_elements: 4096,
            chain: 8,
            fuel: 10_000_000,
            wall_ms: 5,
            chain_wall_ms: 10,
            memory_bytes: 4 << 20,
            stack_bytes: 256 << 10,
            answer_bytes: 64 << 10,
            log_lines: 32,
            log_bytes: 4 << 10,
            host_calls: 256,
            handles: 16,
        }
    }
}

impl Limits {
    /// Adds what an answer may depend on, so that answers under other limits are not mistaken for
    /// answers under these. The wall clock is not among it: what it stops is never remembered.
    #[must_use]
    pub(super) fn canonical(&self, hash: Canonical) -> Canonical {
        let numbers = [
            self.fuel,
            self.memory_bytes as u64,
            self.stack_bytes as u64,
            self.answer_bytes as u64,
            self.host_calls.into(),
            self.handles as u64,
            self.table_elements as u64,
            self.tables.into(),
            self.core_instances.into(),
        ];
        hash.each(numbers.into_iter(), Canonical::number)
    }
}
