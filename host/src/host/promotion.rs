//! The policies that a promotion is put to.

use std::sync::Arc;

use super::Host;
use crate::{
    generation::Served,
    id::EnvironmentName,
    model::{PolicyKind, question::attributes},
    plan::promotion_policies,
    policy::{ChainError, Link, PromotionChain},
};

impl Host {
    /// The promotion policies that are asked before a release of any deployment moves to `environment`:
    /// its own, then the workspace's.
    ///
    /// # Errors
    /// When there are more than one promotion may ask.
    pub fn promotion_chain(
        &self,
        served: &Served,
        environment: &EnvironmentName,
    ) -> Result<PromotionChain, ChainError> {
        let configuration = &served.snapshot.configuration;
        let links = promotion_policies(configuration, environment).filter_map(|attachment| {
            let loaded = served.policies.get(&attachment.policy)?;
            (loaded.kind() == PolicyKind::Promotion).then(|| Link {
                loaded: Arc::clone(loaded),
                settings: attributes(&attachment.settings),
                name: attachment.policy.to_string(),
                tally: self.tallies.of(&configuration.workspace, &attachment.policy),
            })
        });
        PromotionChain::new(links.collect())
    }
}
