//! placeholder
use std::path::Path;
use crate::source::Tree;
pub(crate) fn read(_: &Path) -> anyhow::Result<Tree> { anyhow::bail!("x") }
