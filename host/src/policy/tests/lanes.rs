//! Who runs where, and that nobody holds up anybody.

use super::{call::processor_ms, *};
use crate::id::WorkspaceId;

fn lanes(per_tenant: u32, waiting: usize) -> Lanes {
    Lanes::new(&LaneSettings { threads: 2, waiting, per_tenant }).unwrap()
}

fn tenant(name: &str) -> WorkspaceId {
    name.parse().unwrap()
}

#[test]
fn a_cheap_chain_moves_to_its_callers_thread() {
    let lanes = lanes(64, 64);
    let share = lanes.share(&tenant("acme"));
    let chain = mode_on(&HOSTILE, "ok");
    assert!(!chain.standing().is_good());
    // One that the machine was slow at costs it a few more, and may be the last.
    let moves = (0..100).any(|_| {
        lanes.decide_blocking(&share, &chain, &Facts::default()).unwrap();
        chain.standing().is_good()
    });
    assert!(moves);
    assert_eq!(share.under_way(), 0);
}

#[test]
fn a_chain_that_is_cheap_no_more_holds_its_callers_thread_for_a_moment_only() {
    const WALL_MS: u64 = 1_000;
    let limits =
        Limits { fuel: u64::MAX / 2, wall_ms: WALL_MS, chain_wall_ms: 10 * WALL_MS, ..Limits::default() };
    let engine = Engine::new(&EngineSettings { limits, slots: 2, ..EngineSettings::default() }).unwrap();
    let hostile = load(&engine, "hostile.wasm");
    let settings = [("mode", "loop"), ("only-in", "mars")];
    let chain = super::chain(&engine, vec![link(&hostile, &settings)], subject(1, 1));
    let lanes = lanes(64, 64);
    let share = lanes.share(&tenant("acme"));
    while !chain.standing().is_good() {
        lanes.decide_blocking(&share, &chain, &Facts::default()).unwrap();
    }
    let mars = Facts { region: Some("mars".into()), ..Facts::default() };
    let before = processor_ms();
    let failure = lanes.decide_blocking(&share, &chain, &mars).unwrap_err();
    let used = processor_ms() - before;
    assert_eq!(failure.kind, FailureKind::Interrupted { limit_ms: WALL_MS });
    assert!(used < WALL_MS / 2, "{used} ms of the caller's thread");
}

#[tokio::test]
async fn a_runtimes_worker_asks_without_blocking_for_an_expensive_chain() {
    let lanes = lanes(64, 64);
    let share = lanes.share(&tenant("acme"));
    let chain = mode_on(&HOSTILE, "loop");
    let failure = lanes.decide(&share, &chain, &Facts::default()).await.unwrap_err();
    assert!(matches!(failure.kind, FailureKind::Fuel { .. }));
    assert!(!chain.standing().is_good());
    let wasi = load(&ENGINE, "wasi.wasm");
    let closed = super::chain(&ENGINE, vec![link(&wasi, &[])], subject(1, 1));
    assert!(lanes.decide(&share, &closed, &Facts::default()).await.is_ok());
}

#[test]
fn a_tenant_has_so_many_questions_under_way_and_no_more() {
    let lanes = lanes(2, 64);
    let share = lanes.share(&tenant("acme"));
    let other = lanes.share(&tenant("other"));
    let slow = mode_on(&HOSTILE, "loop");
    let quick = mode_on(&HOSTILE, "ok");
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let facts = Facts::default();
        let questions = (0..8).map(|_| lanes.decide(&share, &slow, &facts));
        let mut running: Vec<_> = questions.map(Box::pin).collect();
        // Polled once, a question is under way or refused.
        let mut busy = 0;
        for question in &mut running {
            let polled =
                std::future::poll_fn(|context| std::task::Poll::Ready(question.as_mut().poll(context)));
            if let std::task::Poll::Ready(Err(failure)) = polled.await {
                busy += u32::from(failure.is_busy());
            }
        }
        assert!(busy >= 1, "{busy}");
        assert!(lanes.decide(&other, &quick, &facts).await.is_ok());
    });
    let deadline = Instant::now() + Duration::from_secs(30);
    while share.under_way() > 0 && Instant::now() < deadline {
        std::thread::yield_now();
    }
    assert_eq!(share.under_way(), 0);
}

#[test]
fn a_tenants_flood_does_not_hold_up_another_tenant() {
    let lanes = lanes(64, 1024);
    let (flood, victim) = (lanes.share(&tenant("flood")), lanes.share(&tenant("victim")));
    let slow = mode_on(&HOSTILE, "loop");
    let quick = mode_on(&HOSTILE, "ok");
    std::thread::scope(|scope| {
        for _ in 0..32 {
            scope.spawn(|| lanes.decide_blocking(&flood, &slow, &Facts::default()));
        }
        while flood.under_way() < 16 {
            std::thread::yield_now();
        }
        // The victim's first question has to wait for a thread; not for 32 questions.
        assert!(lanes.decide_blocking(&victim, &quick, &Facts::default()).is_ok());
        assert!(flood.under_way() > 8, "{}", flood.under_way());
    });
}

#[test]
fn a_share_is_the_same_as_long_as_somebody_holds_it() {
    let lanes = lanes(64, 64);
    let first = lanes.share(&tenant("acme"));
    assert!(Arc::ptr_eq(&first, &lanes.share(&tenant("acme"))));
    assert!(!Arc::ptr_eq(&first, &lanes.share(&tenant("other"))));
}
