//! Compiled code on disk, so that a restart compiles nothing.

use std::{
    collections::HashSet,
    fs::{self, File},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

use crate::{
    id::Digest,
    policy::{
        Limits,
        artefact::{Artefact, MAC_BYTES},
    },
};

/// A directory of compiled code, one file for each component and engine configuration.
pub(super) struct Store {
    dir: PathBuf,
    key: [u8; 32],
    /// The most that a file is read, in bytes.
    limit: u64,
}

impl Store {
    pub(super) fn new(dir: PathBuf, key: &[u8; 32], limits: &Limits) -> Self {
        Self { dir, key: *key, limit: (limits.artefact_bytes + MAC_BYTES) as u64 }
    }

    /// What this host compiled before. Absent, unreadable, short, changed, of another host or of
    /// another configuration: all the same, it has to be compiled.
    pub(super) fn load(&self, component: Digest, configuration: Digest) -> Option<Artefact> {
        let stored = self.read(&self.path(component, configuration)).ok()?;
        Artefact::restore(&stored, &self.key, component, configuration)
    }

    /// Keeps compiled code. Complete or not at all: written beside, then renamed. It need not
    /// survive a power loss, which at worst leaves what [`Store::load`] refuses.
    pub(super) fn save(&self, code: &Artefact, component: Digest, configuration: Digest) -> io::Result<()> {
        fs::create_dir_all(&self.dir)?;
        let mut file = tempfile::NamedTempFile::new_in(&self.dir)?;
        file.write_all(&code.store(&self.key, component, configuration))?;
        file.persist(self.path(component, configuration))?;
        Ok(())
    }

    /// Removes what was compiled from components that are not in `keep`, and says how many files
    /// that were.
    pub(super) fn sweep(&self, keep: &HashSet<Digest>) -> io::Result<usize> {
        let keep: HashSet<String> = keep.iter().map(|digest| hex::encode(digest.0)).collect();
        let entries = match fs::read_dir(&self.dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
            entries => entries?,
        };
        let mut removed = 0;
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name();
            // What is being written has another name, and is not swept from under its writer.
            let component = name.to_str().and_then(|name| name.split_once('-')).map(|(head, _)| head);
            if component.is_some_and(|component| component.len() == 64 && !keep.contains(component)) {
                match fs::remove_file(entry.path()) {
                    // Another sweep was faster.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    removal => {
                        removal?;
                        removed += 1;
                    }
                }
            }
        }
        Ok(removed)
    }

    /// A file above the limit is cut, and then its MAC is wrong.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let mut stored = Vec::new();
        File::open(path)?.take(self.limit).read_to_end(&mut stored)?;
        Ok(stored)
    }

    fn path(&self, component: Digest, configuration: Digest) -> PathBuf {
        let name = |digest: Digest| hex::encode(digest.0);
        self.dir.join(format!("{}-{}", name(component), name(configuration)))
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.key);
    }
}
