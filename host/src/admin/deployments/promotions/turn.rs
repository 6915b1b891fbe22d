//! A turn at a target that one promotion has at a time.

use std::time::Duration;

use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};

use crate::{host::ChangeError, serve::respond::Problem};

/// Tries until the target is free, or `patience` is over: again whenever `freed` tells that one may be.
///
/// # Errors
/// As the last try; at once where it was refused for another reason.
pub(super) async fn in_turn<T, F>(
    freed: &watch::Sender<u64>,
    patience: Duration,
    mut attempt: impl FnMut() -> F,
) -> Result<T, Problem>
where
    F: Future<Output = Result<Result<T, ChangeError>, Problem>>,
{
    let until = Instant::now() + patience;
    let mut freed = freed.subscribe();
    loop {
        freed.borrow_and_update();
        match attempt().await? {
            Err(ChangeError::Promoting { .. }) if Instant::now() < until => {
                // When the time is over it is tried once more.
                drop(timeout_at(until, freed.changed()).await);
            }
            answer => return Ok(answer?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held() -> Result<Result<u8, ChangeError>, Problem> {
        Ok(Err(ChangeError::Promoting {
            what: "checkout in staging".into(),
            id: "7".into(),
            by: "ada".into(),
        }))
    }

    #[tokio::test]
    async fn whoever_has_no_patience_is_refused_at_once() {
        let freed = watch::Sender::new(0);
        let mut tries = 0;
        let refused = in_turn(&freed, Duration::ZERO, || {
            tries += 1;
            async { held() }
        })
        .await
        .unwrap_err();
        assert_eq!((refused.status(), tries), (409, 1));
    }

    #[tokio::test]
    async fn whoever_waits_tries_again_when_a_target_is_freed() {
        let freed = watch::Sender::new(0);
        let mut tries = 0;
        let done = in_turn(&freed, Duration::from_secs(600), || {
            tries += 1;
            let is_free = tries == 3;
            // It may be freed between the try and the wait.
            freed.send_modify(|count| *count += 1);
            async move { if is_free { Ok(Ok(1)) } else { held() } }
        });
        assert_eq!(done.await.unwrap(), 1);
        assert_eq!(tries, 3);
    }

    #[tokio::test]
    async fn patience_ends_with_another_try_and_the_refusal() {
        let freed = watch::Sender::new(0);
        let mut tries = 0;
        let refused = in_turn(&freed, Duration::from_millis(1), || {
            tries += 1;
            async { held() }
        });
        assert_eq!(refused.await.unwrap_err().status(), 409);
        assert_eq!(tries, 2);
    }

    #[tokio::test]
    async fn another_refusal_is_not_waited_for() {
        let freed = watch::Sender::new(0);
        let patience = Duration::from_secs(600);
        let refused = in_turn::<u8, _>(&freed, patience, || async { Ok(Err(ChangeError::Unknown)) });
        assert_eq!(refused.await.unwrap_err().status(), 404);
    }
}
