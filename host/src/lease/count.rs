//! Counts boots without a lease. A boot adds to a number and takes no lock; what is durable is a bound that
//! the number stays within, so that no start ever counts fewer than there were.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use crate::id::{EnvironmentName, ServiceId};

/// What is not counted beyond: so many, or more.
pub const MAX_COUNT: u64 = 1_024;

/// A version of the credential of a service's instance. Kept with its count: the configuration forgets the version
/// as soon as there is another, and the role behind it works on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialVersion {
    /// The service.
    pub service: ServiceId,
    /// The environment that owns the instance.
    pub owner: EnvironmentName,
    /// Its number.
    pub version: u64,
}

/// The boots that were given one version.
#[derive(Default)]
pub struct Counter {
    /// Where it is a credential's.
    pub credential: Option<CredentialVersion>,
    count: AtomicU64,
    /// How far the count may go before a larger bound is durable.
    durable: AtomicU64,
}

impl Counter {
    /// As after a start: all that may have been counted was.
    #[must_use]
    pub fn restored(durable: u64, credential: Option<CredentialVersion>) -> Self {
        Self { credential, count: AtomicU64::new(durable), durable: AtomicU64::new(durable) }
    }

    /// Counts a boot. Gives the bound that has to be durable before it may be answered, where it is not.
    #[must_use = "a boot that was not counted durably is not answered"]
    pub fn add(&self) -> Option<u64> {
        let durable = self.durable.load(SeqCst);
        if durable >= MAX_COUNT && self.count.load(SeqCst) >= MAX_COUNT {
            return None;
        }
        let count = (self.count.fetch_add(1, SeqCst) + 1).min(MAX_COUNT);
        // Twice as many each time: a dozen records, however many boots there are.
        (count > durable).then(|| count.next_power_of_two())
    }

    /// A bound is durable.
    pub fn reserved(&self, bound: u64) {
        self.durable.fetch_max(bound, SeqCst);
    }

    /// How many there were, and no fewer; [`MAX_COUNT`] stands for more, too.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count.load(SeqCst).min(MAX_COUNT)
    }
}
