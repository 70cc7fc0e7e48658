use super::*;
use crate::crypto::password::PasswordHashing;

fn pool(workers: usize, queue: usize) -> HashPool {
    HashPool::new(PasswordHasher::new(PasswordHashing::argon2id()).unwrap(), workers, queue)
}

fn text(raw: &str) -> NormalizedPassword {
    NormalizedPassword::parse_existing(raw).unwrap()
}

#[tokio::test]
async fn every_outcome_costs_one_hash() {
    // PW-13
    let pool = pool(1, 1);
    let stored = pool.hash("ada", text("right")).await.unwrap();
    for (stored, matches, unusable) in [
        (Some(stored.clone()), true, false),
        (None, false, false),
        (Some("$x$".to_owned()), false, true),
    ] {
        let before = pool.hash_count();
        let verified = pool.verify("ada", text("right"), stored).await.unwrap();
        assert_eq!((verified.matches, verified.unusable), (matches, unusable));
        assert_eq!(pool.hash_count() - before, 1);
    }
}

#[tokio::test]
async fn full_queue_is_rejected_immediately() {
    // DS-02
    let pool = pool(1, 0);
    let (one, two) = tokio::join!(pool.hash("ada", text("a")), pool.hash("bob", text("b")));
    assert!(one.is_ok());
    assert!(matches!(two, Err(PoolError::Full)));
    while pool.0.workers.0.count().2 > 0 {
        tokio::task::yield_now().await;
    }
    assert!(pool.hash("ada", text("c")).await.is_ok(), "the place is free again");
}

#[tokio::test]
async fn canceled_caller_keeps_its_worker_busy() {
    // DS-02
    let pool = pool(1, 1);
    let begin = |whose: &'static str| {
        let pool = pool.clone();
        tokio::spawn(async move { pool.hash(whose, text("a")).await })
    };
    let running = begin("ada");
    while pool.0.workers.0.count().2 == 0 {
        tokio::task::yield_now().await;
    }
    running.abort();
    let waiting = begin("bob");
    while pool.0.workers.0.count().1 == 0 {
        tokio::task::yield_now().await;
    }
    assert!(matches!(pool.hash("eve", text("b")).await, Err(PoolError::Full)));
    waiting.abort();
    assert!(waiting.await.is_err());
    assert!(pool.hash("eve", text("b")).await.is_ok(), "one who only waited leaves a place");
}

/// Runs jobs that record their order, queued behind one that occupies the worker.
#[tokio::test]
async fn waiting_callers_are_served_in_turn() {
    let pool = pool(1, 100);
    let (go, hold) = std::sync::mpsc::channel::<()>();
    let order = Arc::new(std::sync::Mutex::new(Vec::new()));
    let mut all = vec![tokio::spawn({
        let pool = pool.clone();
        async move { pool.run("first", move |_, _| hold.recv().unwrap()).await.map(drop) }
    })];
    for (count, whose) in ["mallory"; 5].into_iter().chain(["ada", "mallory", "bob"]).enumerate() {
        let (pool, order) = (pool.clone(), Arc::clone(&order));
        let note = move |_: &PasswordHasher, _: &mut Memory| order.lock().unwrap().push(whose);
        let waiting = pool.clone();
        all.push(tokio::spawn(async move { pool.run(whose, note).await }));
        while waiting.0.workers.0.count().1 <= count {
            tokio::task::yield_now().await;
        }
    }
    go.send(()).unwrap();
    for one in all {
        one.await.unwrap().unwrap();
    }
    let order = order.lock().unwrap();
    assert_eq!(order[..4], ["mallory", "ada", "bob", "mallory"], "{order:?}");
}

#[tokio::test]
async fn panic_fails_only_its_own_job() {
    let pool = pool(1, 1);
    let broken = pool.run("ada", |_, _| panic!("a test of panics")).await;
    assert!(matches!(broken, Err::<(), _>(PoolError::Closed)));
    assert!(pool.hash("ada", text("a")).await.is_ok());
}

#[tokio::test]
async fn idle_threads_exit() {
    let hasher = PasswordHasher::new(PasswordHashing::argon2id()).unwrap();
    let pool = HashPool::idle_after(hasher, 2, 10, Duration::ZERO);
    let workers = pool.0.workers.0.clone();
    for _ in 0..3 {
        let (one, two) = tokio::join!(pool.hash("a", text("a")), pool.hash("b", text("b")));
        assert!(one.is_ok() && two.is_ok());
        while workers.count().0 > 0 {
            tokio::task::yield_now().await;
        }
    }
    let pool = HashPool::new(PasswordHasher::new(PasswordHashing::argon2id()).unwrap(), 2, 10);
    let workers = pool.0.workers.0.clone();
    assert!(pool.hash("a", text("a")).await.is_ok());
    assert_eq!(workers.count().0, 1, "one is enough for one");
    drop(pool);
    while workers.count().0 > 0 {
        tokio::task::yield_now().await;
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn hash_threads_have_a_lower_priority() {
    let (pool, own) = (pool(1, 1), priority("self"));
    pool.hash("a", text("a")).await.unwrap();
    let threads = std::fs::read_dir("/proc/self/task").unwrap();
    let threads = threads.map(|thread| thread.unwrap().path());
    let name = |path: &std::path::Path| std::fs::read_to_string(path.join("comm")).unwrap();
    let hashing: Vec<_> = threads.filter(|path| name(path).starts_with("authlayer-hash")).collect();
    assert_eq!(hashing.len(), 1);
    let tid = hashing[0].file_name().unwrap().to_str().unwrap();
    assert_eq!(priority(&format!("self/task/{tid}")), (own + 5).min(19));
}

/// Returns the niceness of a thread, by proc(5).
#[cfg(target_os = "linux")]
fn priority(of: &str) -> i32 {
    let stat = std::fs::read_to_string(format!("/proc/{of}/stat")).unwrap();
    let (_, fields) = stat.rsplit_once(')').unwrap();
    fields.split_whitespace().nth(16).unwrap().parse().unwrap()
}
