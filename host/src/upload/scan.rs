//! Looks at a component's structure without compiling it. The bounds are far below those of the
//! validator, since what is merely valid may take minutes and gigabytes to compile.

use wasmparser::{
    BinaryReaderError, CompositeInnerType, Encoding, FunctionBody, Instance, Operator, Parser, Payload,
};

use super::Refusal;
use crate::policy::{Limits, WASI_INTERFACES};

/// Everything that is wrong with a component's structure, imports and exports.
#[must_use]
pub fn scan(component: &[u8], limits: &Limits) -> Vec<Refusal> {
    let mut scan = Scan::new(limits);
    scan.run(component);
    scan.check_world();
    scan.refusals
}

/// What a component imports and exports, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Surface {
    /// What it wants of the host.
    pub imports: Vec<String>,
    /// What it offers.
    pub exports: Vec<String>,
}

impl Surface {
    /// That of a component that was found well-formed.
    pub(super) fn of(component: &[u8], limits: &Limits) -> Self {
        let mut scan = Scan::new(limits);
        scan.run(component);
        Self { imports: scan.imports, exports: scan.exports }
    }
}

/// Everything that is wrong with the structure of a core module, before it is made a component.
pub(super) fn scan_module(module: &[u8], limits: &Limits) -> Vec<Refusal> {
    let mut scan = Scan::new(limits);
    scan.run(module);
    scan.refusals
}

/// More than this is not read: enough to help, too little to be a nuisance.
const LISTED: usize = 32;

const LIFECYCLE: &str = "bootlace:policy/lifecycle@0.1.";
const RESOLVE: &str = "bootlace:policy/resolve@0.1.";
const PROMOTION: &str = "bootlace:policy/promotion@0.1.";
/// What may be imported beside WASI.
const IMPORTS: [&str; 2] = ["bootlace:policy/log@0.1.", "bootlace:policy/types@0.1."];

struct Scan<'a> {
    limits: &'a Limits,
    refusals: Vec<Refusal>,
    /// The encodings of what the reader is inside of.
    inside: Vec<Encoding>,
    imports: Vec<String>,
    exports: Vec<String>,
    functions: u64,
    core_instances: u64,
    component_instances: u64,
    components: u64,
    memories: u64,
    tables: u64,
    starts: bool,
    imports_wasi: bool,
}

impl<'a> Scan<'a> {
    fn new(limits: &'a Limits) -> Self {
        Self {
            limits,
            refusals: Vec::new(),
            inside: Vec::new(),
            imports: Vec::new(),
            exports: Vec::new(),
            functions: 0,
            core_instances: 0,
            component_instances: 0,
            components: 0,
            memories: 0,
            tables: 0,
            starts: false,
            imports_wasi: false,
        }
    }

    fn run(&mut self, wasm: &[u8]) {
        for payload in Parser::new(0).parse_all(wasm) {
            let read = payload.and_then(|payload| self.payload(payload));
            if let Err(error) = read {
                let at = error.offset();
                self.refuse("malformed", format!("the file is malformed at byte {at}: {}", error.message()));
                return;
            }
            if self.refusals.len() >= LISTED {
                return;
            }
        }
        let limits = self.limits;
        self.count("functions", self.functions, limits.functions.into());
        self.count("core instances", self.core_instances, limits.core_instances.into());
        self.count("component instances", self.component_instances, u64::from(limits.nested_components) * 4);
        self.count("nested components", self.components, limits.nested_components.into());
        self.count("memories", self.memories, 1);
        self.count("tables", self.tables, limits.tables.into());
        // An adapter of WASI has one of its own.
        if self.starts && !self.imports_wasi {
            self.refuse("start-function", "there is a start function; a policy runs when it is asked");
        }
    }

    fn payload(&mut self, payload: Payload<'_>) -> Result<(), BinaryReaderError> {
        match payload {
            Payload::Version { encoding, .. } => self.enter(encoding),
            Payload::End(_) => drop(self.inside.pop()),
            Payload::ComponentImportSection(imports) if self.is_outermost() => {
                for import in imports {
                    self.import(import?.name.name);
                }
            }
            Payload::ComponentExportSection(exports) if self.is_outermost() => {
                for export in exports {
                    self.exports.push(export?.name.name.to_owned());
                }
            }
            Payload::InstanceSection(instances) => {
                for instance in instances {
                    self.core_instances += u64::from(matches!(instance?, Instance::Instantiate { .. }));
                }
            }
            Payload::ComponentInstanceSection(list) => self.component_instances += u64::from(list.count()),
            Payload::TypeSection(groups) => {
                for group in groups {
                    for sub_type in group?.into_types() {
                        self.core_type(&sub_type.composite_type.inner);
                    }
                }
            }
            Payload::FunctionSection(functions) => self.functions += u64::from(functions.count()),
            Payload::MemorySection(memories) => {
                for memory in memories {
                    self.memory(memory?.initial);
                }
            }
            Payload::TableSection(tables) => {
                for table in tables {
                    self.table(table?.ty.initial);
                }
            }
            Payload::StartSection { .. } | Payload::ComponentStartSection { .. } => self.starts = true,
            Payload::CodeSectionEntry(body) => self.body(&body)?,
            _ => {}
        }
        Ok(())
    }

    fn enter(&mut self, encoding: Encoding) {
        if encoding == Encoding::Component && !self.inside.is_empty() {
            self.components += 1;
        }
        self.inside.push(encoding);
    }

    fn is_outermost(&self) -> bool {
        self.inside.len() == 1
    }

    fn core_type(&mut self, inner: &CompositeInnerType) {
        let limit = self.limits.parameters;
        match inner {
            CompositeInnerType::Func(function) => {
                let most = function.params().len().max(function.results().len());
                if most > limit {
                    self.refuse(
                        "function-type",
                        format!("a function type has {most} parameters or results, and may have {limit}"),
                    );
                }
            }
            _ => self.refuse("garbage-collection", "there are types of the GC proposal"),
        }
    }

    fn memory(&mut self, pages: u64) {
        self.memories += 1;
        let (bytes, limit) = (pages.saturating_mul(64 << 10), self.limits.memory_bytes as u64);
        if bytes > limit {
            self.refuse("memory", format!("a memory starts with {bytes} bytes, and may have {limit}"));
        }
    }

    fn table(&mut self, elements: u64) {
        self.tables += 1;
        let limit = self.limits.table_elements as u64;
        if elements > limit {
            self.refuse("table", format!("a table starts with {elements} elements, and may have {limit}"));
        }
    }

    fn body(&mut self, body: &FunctionBody<'_>) -> Result<(), BinaryReaderError> {
        let at = body.range().start;
        let shape = Shape::of(body)?;
        let limits = self.limits;
        let mut bound = |what, count: u64, limit: u64| {
            if count > limit {
                self.refuse(
                    "function-body",
                    format!("the function at byte {at} has {count} {what}, and may have {limit}"),
                );
            }
        };
        bound("bytes", shape.bytes, limits.function_body_bytes as u64);
        bound("locals", shape.locals, limits.locals.into());
        bound("nested blocks", shape.nesting, limits.nesting.into());
        bound("targets in one br_table", shape.targets, limits.branch_targets.into());
        Ok(())
    }

    fn import(&mut self, name: &str) {
        let of = |known: &str, version: &str| {
            let rest = name.strip_prefix(known).and_then(|rest| rest.strip_prefix(version));
            rest.is_some_and(is_patch)
        };
        let own = IMPORTS.iter().any(|known| of(known, ""));
        let wasi = WASI_INTERFACES.iter().any(|known| of(known, "@0.2."));
        self.imports_wasi |= wasi;
        self.imports.push(name.to_owned());
        if !own && !wasi {
            self.refuse("import", format!("it imports {name}, which no policy gets"));
        }
    }

    fn check_world(&mut self) {
        if self.refusals.len() >= LISTED || self.refusals.iter().any(|refusal| refusal.code == "malformed") {
            return;
        }
        let exports =
            |prefix: &str| self.exports.iter().any(|name| name.strip_prefix(prefix).is_some_and(is_patch));
        let (lifecycle, resolve, promotion) = (exports(LIFECYCLE), exports(RESOLVE), exports(PROMOTION));
        if !lifecycle {
            self.refuse("world", "it does not export bootlace:policy/lifecycle@0.1.0");
        }
        match (resolve, promotion) {
            (true, false) | (false, true) => {}
            (false, false) => self.refuse(
                "world",
                "it exports neither bootlace:policy/resolve@0.1.0 nor bootlace:policy/promotion@0.1.0",
            ),
            (true, true) => {
                self.refuse("world", "it exports both bootlace:policy/resolve and bootlace:policy/promotion");
            }
        }
    }

    fn count(&mut self, what: &'static str, count: u64, limit: u64) {
        if count > limit {
            self.refuse("count", format!("there are {count} {what}, and may be {limit}"));
        }
    }

    fn refuse(&mut self, code: &'static str, message: impl Into<String>) {
        self.refusals.push(Refusal::new(code, message));
    }
}

/// What compile time depends on.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Shape {
    pub(super) bytes: u64,
    pub(super) locals: u64,
    pub(super) nesting: u64,
    pub(super) targets: u64,
}

impl Shape {
    pub(super) fn of(body: &FunctionBody<'_>) -> Result<Self, BinaryReaderError> {
        let mut shape = Self { bytes: body.range().len() as u64, ..Self::default() };
        for declared in body.get_locals_reader()? {
            shape.locals += u64::from(declared?.0);
        }
        let mut depth = 0_u64;
        for operator in body.get_operators_reader()? {
            match operator? {
                Operator::Block { .. }
                | Operator::Loop { .. }
                | Operator::If { .. }
                | Operator::TryTable { .. } => {
                    depth += 1;
                    shape.nesting = shape.nesting.max(depth);
                }
                Operator::End => depth = depth.saturating_sub(1),
                Operator::BrTable { targets } => shape.targets = shape.targets.max(targets.len().into()),
                _ => {}
            }
        }
        Ok(shape)
    }
}

/// Whether the rest of a version is its patch number.
fn is_patch(rest: &str) -> bool {
    !rest.is_empty() && rest.len() <= 5 && rest.bytes().all(|byte| byte.is_ascii_digit())
}
