//! Staying with a promotion that waits, until it has ended.

use std::time::Duration;

use super::{one, shown::Promotion};
use crate::{
    cli::{block_on, connection::AdminHost, output::Output},
    client::{Answer, Request},
    id::DeploymentId,
};

/// How often the host is asked.
const PACE: Duration = Duration::from_secs(1);

/// What the host says of it when it has ended; that comes, at the time that it shows as `expires`.
pub(super) fn to_its_end(
    host: &AdminHost,
    (deployment, promotion): (&DeploymentId, Promotion),
    output: &Output,
) -> anyhow::Result<Answer> {
    let id = promotion.id.clone().unwrap_or_default();
    let request = host.within(Request::get(&one(deployment, &id)));
    let progress = output.progress(&waiting(&promotion));
    let client = host.client()?;
    block_on(async {
        loop {
            let answer = client.send(&request).await?;
            let promotion: Promotion = answer.json()?;
            if !promotion.waits() {
                return Ok(answer);
            }
            progress.now(&waiting(&promotion));
            tokio::time::sleep(PACE).await;
        }
    })
}

fn waiting(promotion: &Promotion) -> String {
    let wanted = promotion.wanted();
    let what = if wanted.is_empty() { promotion.why() } else { wanted };
    format!("{} waits for {what}", promotion.title())
}
