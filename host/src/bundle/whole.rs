//! A body in whichever format carries it: the first that does when it is written, and any that there is when
//! it is read.

use super::{
    BundleError, BundleLimits,
    checked::Read,
    form::Form,
    last, more, wire,
    wire::{last::Last, more::More},
};
use crate::model::Configuration;

/// What a body says beyond format 1.
#[derive(Default)]
pub(super) struct Beyond {
    more: Option<More>,
    last: Option<Last>,
}

/// Writes `body`, which is what format 1 knows of `configuration`, with the rest; and in which format.
pub(super) fn write<V: Form>(configuration: &Configuration<V>, body: wire::Body) -> (u8, Vec<u8>) {
    match (more::write(configuration), last::write(configuration)) {
        (None, last) if last == Last::default() => (1, wire::encode(&body)),
        (Some(more), last) if last == Last::default() => (2, wire::encode(&(body, more))),
        (more, last) => (3, wire::encode(&(body, more.unwrap_or_default(), last))),
    }
}

/// Reads a body of `format`, and what it says beyond format 1.
pub(super) fn read(format: u16, bytes: &[u8]) -> Result<(wire::Body, Beyond), BundleError> {
    Ok(match format {
        1 => (wire::decode(bytes)?, Beyond::default()),
        2 => {
            let (body, more) = wire::decode(bytes)?;
            (body, Beyond { more: Some(more), last: None })
        }
        3 => {
            let (body, more, last) = wire::decode(bytes)?;
            (body, Beyond { more: Some(more), last: Some(last) })
        }
        _ => return Err(wire::WireError::Decode { reason: "an unknown format" }.into()),
    })
}

impl Beyond {
    /// Adds this to what format 1 says.
    pub(super) fn add<V: Form>(
        self,
        mut configuration: Configuration<V>,
        limits: &BundleLimits,
    ) -> Read<Configuration<V>> {
        let is_empty = self.more.as_ref().is_none_or(|more| *more == More::default());
        if let Some(more) = self.more.filter(|_| !is_empty || self.last.is_none()) {
            configuration = more::read(configuration, more, limits)?;
        }
        match self.last {
            Some(found) => last::read(configuration, &found),
            None => Ok(configuration),
        }
    }
}
