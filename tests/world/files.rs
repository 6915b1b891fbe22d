//! Files on the disk.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Every file below a directory.
pub(crate) fn files(below: &Path) -> Vec<PathBuf> {
    let mut directories = vec![below.to_owned()];
    let mut found = Vec::new();
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { directories.push(path) } else { found.push(path) }
        }
    }
    found
}

/// Every file of Rust below a directory, with its text.
pub(crate) fn sources(below: &Path) -> Vec<(PathBuf, String)> {
    let rust = files(below).into_iter().filter(|path| path.extension().is_some_and(|kind| kind == "rs"));
    rust.map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect()
}
