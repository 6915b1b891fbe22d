//! What a verification came to.

use std::fmt;

/// Findings that are listed; the rest is counted.
const MAX_FINDINGS: usize = 1000;

/// What a log was found to be.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// What is wrong, in the order in which it was found.
    pub findings: Vec<Finding>,
    /// Findings beyond those.
    pub more: u64,
    /// Files read.
    pub files: u64,
    /// Lines read, seals apart.
    pub lines: u64,
    /// The number of the last seal.
    pub seals: u64,
    /// Files of before the chain, which nobody vouches for.
    pub unchained: u64,
    /// The last file that retention removed; 0 for none.
    pub retired: u64,
    /// Lines that a killed host left unsealed, and the next start vouched for as it found them.
    pub killed: u64,
    /// Lines at the end that are not sealed: the host runs, or was killed.
    pub open: u64,
    /// Whether the log ends with a checkpoint, as a host that is stopped ends it. Only a checkpoint that
    /// was kept elsewhere shows that nothing was cut off behind it.
    pub closed: bool,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The file's number.
    pub file: u64,
    /// The line, counted from 1, where there is one.
    pub line: Option<u64>,
    /// What.
    pub wrong: Wrong,
}

/// What can be wrong with a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wrong {
    /// It does not begin as a file of the log.
    NoBeginning,
    /// The file is not there, and retention did not remove it.
    Missing,
    /// It ends earlier than it did: cut, or replaced by an older copy.
    CutOff {
        /// Its last seal.
        has: u64,
        /// The last seal that it had.
        had: u64,
    },
    /// It does not end as the next file says that it did.
    OtherEnd {
        /// The file that says so.
        by: u64,
    },
    /// It begins a chain of its own.
    OtherChain {
        /// The file that it should follow.
        after: u64,
    },
    /// A host found the log so when it went on with it.
    FoundDamaged {
        /// What it found.
        damage: String,
    },
    /// Lines behind the last seal that the next start did not find there.
    Unsealed {
        /// How many.
        lines: u64,
    },
    /// A seal that does not follow the one before it: what was between them is gone, or moved.
    OutOfOrder {
        /// Its number.
        seal: u64,
        /// The number of the seal before it.
        after: u64,
    },
    /// Not the lines that were sealed.
    Changed {
        /// The seal's number.
        seal: u64,
        /// The first and the last line, and how many were sealed.
        lines: (u64, u64, u64),
    },
    /// A seal that was not made with the host's key.
    Forged {
        /// Its number.
        seal: u64,
    },
    /// A line about the log itself that no host wrote so.
    Malformed,
    /// A checkpoint that is not the signer's, or not of this place.
    BadCheckpoint,
    /// The log is not what it was when a kept checkpoint was signed.
    NotAsKept {
        /// The checkpoint's seal.
        seal: u64,
    },
    /// A kept checkpoint is not the signer's.
    KeptForged {
        /// The checkpoint's seal.
        seal: u64,
    },
}

impl Report {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.findings.is_empty()
    }

    pub(super) fn add(&mut self, file: u64, line: Option<u64>, wrong: Wrong) {
        if self.findings.len() < MAX_FINDINGS {
            self.findings.push(Finding { file, line, wrong });
        } else {
            self.more += 1;
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08}.jsonl", self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        f.write_str(": ")?;
        match &self.wrong {
            Wrong::NoBeginning => f.write_str("does not begin as a file of the log"),
            Wrong::Missing => f.write_str("is missing, and retention did not remove it"),
            Wrong::CutOff { has, had } => {
                write!(f, "ends with seal {has}, and had seal {had}: cut off, or an older copy")
            }
            Wrong::OtherEnd { by } => write!(f, "does not end as {by:08}.jsonl says"),
            Wrong::OtherChain { after } => {
                write!(f, "begins a chain of its own instead of following {after:08}.jsonl")
            }
            Wrong::FoundDamaged { damage } => write!(f, "the host found the log damaged: {damage}"),
            Wrong::Unsealed { lines } => write!(f, "ends with {lines} lines that nobody vouches for"),
            Wrong::OutOfOrder { seal, after } => {
                write!(f, "seal {seal} follows seal {after}: lines are missing or were moved")
            }
            Wrong::Changed { seal, lines: (first, last, sealed) } => {
                write!(f, "lines {first} to {last} are not the {sealed} lines of seal {seal}")
            }
            Wrong::Forged { seal } => write!(f, "seal {seal} was not made with the host's key"),
            Wrong::Malformed => f.write_str("a line about the log itself that no host wrote so"),
            Wrong::BadCheckpoint => f.write_str("a checkpoint that is not the host's, or not of this place"),
            Wrong::NotAsKept { seal } => {
                write!(f, "seal {seal} is not the one that the kept checkpoint tells of")
            }
            Wrong::KeptForged { seal } => write!(f, "the kept checkpoint of seal {seal} is not the signer's"),
        }
    }
}
