//! A workspace directory on the disk, as the tree of bytes that [`source`] reads, within its
//! limits.
//!
//! Nothing outside the directory gets in: a link that leads out of it is refused, as it could put
//! any file of this machine into a bundle. Hidden files are left out.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};

use super::exit::Misuse;
use crate::source::{self, Directory, MAX_FILES, MAX_PATH_DEPTH, MAX_TREE_BYTES, Problems, Tree};

/// Reads every file under `directory`.
///
/// # Errors
/// When something cannot be read, leads outside, or there is more than a workspace may have.
pub(crate) fn read(directory: &Path) -> anyhow::Result<Tree> {
    let root = fs::canonicalize(directory)
        .with_context(|| Misuse(format!("cannot read the directory {}", directory.display())))?;
    let mut walk = Walk { root: &root, shown: directory, tree: Tree::new(), bytes: 0 };
    walk.directory(&root, "", 1)?;
    Ok(walk.tree)
}

/// Reads a directory that must be ready to build.
///
/// # Errors
/// Everything that is wrong with it, each with its file as a person would open it.
pub(crate) fn load(directory: &Path) -> anyhow::Result<Directory> {
    source::load(&read(directory)?).map_err(|problems| explained(directory, problems))
}

/// Reads a directory that is well written, valid or not.
///
/// # Errors
/// As [`load`].
pub(crate) fn parse(directory: &Path) -> anyhow::Result<Directory> {
    source::parse(&read(directory)?).map_err(|problems| explained(directory, problems))
}

/// Writes `tree` into `directory`, which is new or empty.
///
/// # Errors
/// When it is neither, or the disk refuses.
pub(crate) fn write(directory: &Path, tree: &Tree) -> anyhow::Result<()> {
    new_or_empty(directory)?;
    for (path, bytes) in tree {
        let path = directory.join(path);
        let writing = || format!("cannot write {}", path.display());
        path.parent().map_or(Ok(()), fs::create_dir_all).with_context(writing)?;
        let file = OpenOptions::new().write(true).create_new(true).open(&path);
        file.and_then(|mut file| file.write_all(bytes)).with_context(writing)?;
    }
    Ok(())
}

/// Refuses a directory that already holds something.
///
/// # Errors
/// When it does, or is no directory.
pub(crate) fn new_or_empty(directory: &Path) -> anyhow::Result<()> {
    match fs::read_dir(directory).map(|mut entries| entries.next().is_none()) {
        Ok(true) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Ok(false) => {
            Err(Misuse(format!("{} is not empty; name a new directory", directory.display())).into())
        }
        Err(error) => Err(error).context(Misuse(format!("{} is no usable directory", directory.display()))),
    }
}

fn explained(directory: &Path, Problems(mut problems): Problems) -> anyhow::Error {
    for problem in &mut problems {
        problem.file = directory.join(&problem.file).display().to_string();
    }
    let mistakes =
        if problems.len() == 1 { "1 mistake".to_owned() } else { format!("{} mistakes", problems.len()) };
    let summary = format!("{} has {mistakes}", directory.display());
    anyhow::Error::new(Problems(problems)).context(summary)
}

struct Walk<'a> {
    root: &'a Path,
    shown: &'a Path,
    tree: Tree,
    bytes: usize,
}

impl Walk<'_> {
    fn directory(&mut self, at: &Path, prefix: &str, depth: usize) -> anyhow::Result<()> {
        let reading = || format!("cannot read the directory {}", self.shown.join(prefix).display());
        let mut entries: Vec<_> = fs::read_dir(at).and_then(Iterator::collect).with_context(reading)?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let name = entry.file_name();
            let Some(name) = name.to_str() else {
                bail!("a file's name in {} is not UTF-8; rename it", self.shown.join(prefix).display());
            };
            if name.starts_with('.') {
                continue;
            }
            let path = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}/{name}") };
            self.entry(&entry.path(), path, depth)?;
        }
        Ok(())
    }

    fn entry(&mut self, at: &Path, path: String, depth: usize) -> anyhow::Result<()> {
        let shown = self.shown.join(&path);
        let target = self.inside(at).with_context(|| format!("cannot use {}", shown.display()))?;
        let kind = fs::symlink_metadata(&target)?.file_type();
        if kind.is_file() {
            return self.file(&target, path);
        }
        // A link to a directory could lead in a circle.
        if !kind.is_dir() || target != at {
            bail!("{} is neither a file nor a directory; move it elsewhere", shown.display());
        }
        // One more than allowed, so that what lies there is named with its rule, not left out.
        if depth > MAX_PATH_DEPTH {
            bail!("{} lies more than {MAX_PATH_DEPTH} deep; move it up", shown.display());
        }
        self.directory(at, &path, depth + 1)
    }

    /// Where a link leads, if that is inside the root; anything else as it is.
    fn inside(&self, at: &Path) -> anyhow::Result<PathBuf> {
        if !fs::symlink_metadata(at)?.file_type().is_symlink() {
            return Ok(at.to_owned());
        }
        let target = fs::canonicalize(at)?;
        if !target.starts_with(self.root) {
            bail!("it is a link that leads out of the workspace directory; copy the file instead");
        }
        Ok(target)
    }

    fn file(&mut self, at: &Path, path: String) -> anyhow::Result<()> {
        if self.tree.len() == MAX_FILES {
            bail!(
                "{} has more than {MAX_FILES} files; move what is no configuration elsewhere",
                self.shown.display()
            );
        }
        let room = MAX_TREE_BYTES - self.bytes;
        let mut bytes = Vec::new();
        let read = File::open(at).and_then(|file| file.take(room as u64 + 1).read_to_end(&mut bytes));
        read.with_context(|| format!("cannot read {}", self.shown.join(&path).display()))?;
        if bytes.len() > room {
            bail!(
                "{} has more than {} MiB; move what is no configuration elsewhere",
                self.shown.display(),
                MAX_TREE_BYTES >> 20
            );
        }
        self.bytes += bytes.len();
        self.tree.insert(path, bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn tree(paths: &[&str]) -> Tree {
        paths.iter().map(|path| ((*path).to_owned(), path.as_bytes().to_vec())).collect()
    }

    #[test]
    fn what_is_written_reads_back_and_hidden_files_stay_out() {
        let place = tempfile::tempdir().unwrap();
        let directory = place.path().join("acme");
        let written = tree(&["workspace.toml", "environments/preview/pr-42.toml", "policies/a.wasm"]);
        write(&directory, &written).unwrap();
        fs::create_dir(directory.join(".git")).unwrap();
        fs::write(directory.join(".git/config"), "x").unwrap();
        fs::write(directory.join(".hidden.toml"), "x").unwrap();
        assert_eq!(read(&directory).unwrap(), written);
        assert!(write(&directory, &written).unwrap_err().is::<Misuse>());
    }

    #[test]
    fn a_link_inside_is_followed_and_one_that_leads_out_is_refused() {
        let place = tempfile::tempdir().unwrap();
        let directory = place.path().join("acme");
        write(&directory, &tree(&["a.toml"])).unwrap();
        symlink("a.toml", directory.join("b.toml")).unwrap();
        assert_eq!(read(&directory).unwrap()["b.toml"], b"a.toml");

        fs::write(place.path().join("acme-secret"), "root key").unwrap();
        for target in ["../acme-secret", "/etc/hostname", "missing"] {
            symlink(target, directory.join("out.toml")).unwrap();
            let error = format!("{:#}", read(&directory).unwrap_err());
            assert!(error.contains("out.toml") && !error.contains("root key"), "{error}");
            fs::remove_file(directory.join("out.toml")).unwrap();
        }
    }

    #[test]
    fn a_circle_and_a_deep_directory_end() {
        let place = tempfile::tempdir().unwrap();
        symlink(".", place.path().join("circle")).unwrap();
        assert!(read(place.path()).is_err());
        fs::remove_file(place.path().join("circle")).unwrap();
        fs::create_dir_all(place.path().join("a/b/c/d/e/f/g/h/i/j")).unwrap();
        assert!(format!("{}", read(place.path()).unwrap_err()).contains("deep"));
    }

    #[test]
    fn mistakes_are_wrong_usage_and_name_the_file_to_open() {
        let place = tempfile::tempdir().unwrap();
        fs::write(place.path().join("workspace.toml"), "format = 2").unwrap();
        let error = load(place.path()).unwrap_err();
        let file = place.path().join("workspace.toml").display().to_string();
        assert!(error.downcast_ref::<Problems>().unwrap().0.iter().all(|problem| problem.file == file));
        assert_eq!(crate::cli::exit::code(&error), crate::cli::exit::MISUSE);
    }
}
