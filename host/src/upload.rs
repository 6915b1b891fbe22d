//! (stand-in while the real one is being merged)
use crate::{
    id::WorkspaceId,
    model::question::Attribute,
    policy::{Engine, Loaded},
};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};
/// x
pub enum Compiler {
    /** x */
    InProcess,
    /** x */
    Child {
        /** x */
        program: PathBuf,
        /** x */
        args: Vec<String>,
    },
}
/// x
#[derive(Debug, thiserror::Error)]
#[error("x")]
pub struct UploadError;
impl UploadError {
    /** x */
    pub fn violations(&self) -> Vec<String> {
        vec![]
    }
}
/// x
pub struct Uploads;
impl Uploads {
    /** x */
    pub fn new(_: &Path, _: &[u8; 32], _: Compiler, _: Engine) -> Result<Self, UploadError> {
        Ok(Self)
    }
    /** x */
    pub fn admit(&self, _: &WorkspaceId, _: &[u8], _: &[Vec<Attribute>]) -> Result<Arc<Loaded>, UploadError> {
        Err(UploadError)
    }
}
