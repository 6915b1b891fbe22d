//! Makes a component of a core module with embedded interface types, and says what came out.
//!
//! ```text
//! componentize CORE.wasm COMPONENT.wasm
//! ```
//!
//! A core module that imports WASI preview 1 is given the reactor adapter of the wasmtime version
//! that the host serves. Everything else a policy might import is left as it is: what is allowed is
//! the host's decision.

use std::env;
use std::fs;

use anyhow::{Context, Result, bail};
use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
};
use wasmparser::{Parser, Payload, Validator};
use wit_component::ComponentEncoder;

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [input, output] = &arguments[..] else {
        bail!("usage: componentize CORE.wasm COMPONENT.wasm");
    };
    let module = fs::read(input).with_context(|| format!("reading {input}"))?;
    let component = encode(&module).with_context(|| format!("making a component of {input}"))?;
    let (imports, exports) = surface(&component)?;
    fs::write(output, &component).with_context(|| format!("writing {output}"))?;
    println!("{output}: {} bytes", component.len());
    println!("  imports {}", list(&imports));
    println!("  exports {}", list(&exports));
    Ok(())
}

fn encode(module: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = ComponentEncoder::default().validate(true).module(module)?;
    if imports_wasi(module)? {
        encoder =
            encoder.adapter(WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER)?;
    }
    encoder.encode()
}

fn imports_wasi(module: &[u8]) -> Result<bool> {
    for payload in Parser::new(0).parse_all(module) {
        if let Payload::ImportSection(imports) = payload? {
            for import in imports.into_imports() {
                if import?.module == WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME {
                    return Ok(true);
                }
            }
        }
    }
    Ok(false)
}

/// What the component itself imports and exports, not the modules and components within it.
fn surface(component: &[u8]) -> Result<(Vec<String>, Vec<String>)> {
    Validator::new().validate_all(component)?;
    let (mut imports, mut exports) = (Vec::new(), Vec::new());
    let mut depth = 0;
    for payload in Parser::new(0).parse_all(component) {
        match payload? {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth -= 1,
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    imports.push(import?.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    exports.push(export?.name.name.to_owned());
                }
            }
            _ => {}
        }
    }
    Ok((imports, exports))
}

fn list(names: &[String]) -> String {
    match names {
        [] => "nothing".to_owned(),
        names => names.join(", "),
    }
}
