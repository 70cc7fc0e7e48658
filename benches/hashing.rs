//! The time of a password hash with the raw crate, which allocates its memory each time, and with
//! the pool, which reuses it but adds its own work. Both use one thread.
//!
//! `cargo bench --features password --bench hashing`

#![allow(clippy::expect_used, reason = "a benchmark that fails should stop")]

use std::hint::black_box;

use argon2::{Algorithm, Argon2, Params, Version};
use authlayer::crypto::password::{HashPool, NormalizedPassword, PasswordHasher, PasswordHashing};
use criterion::{Criterion, criterion_group, criterion_main};
use tokio::runtime::Runtime;

const PASSWORD: &str = "zq8 xw2v plum";

fn hashing(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("a password");
    group.sample_size(50);
    let params = Params::new(19_456, 2, 1, Some(32)).expect("parameters");
    let raw = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    group.bench_function("the raw crate", |bench| {
        bench.iter(|| {
            let mut out = [0; 32];
            let done = raw.hash_password_into(black_box(PASSWORD.as_bytes()), &[7; 16], &mut out);
            done.expect("a hash");
            out
        });
    });
    let hasher = PasswordHasher::new(PasswordHashing::argon2id()).expect("a scheme");
    let pool = HashPool::new(hasher, 1, 16);
    let runtime = Runtime::new().expect("a runtime");
    group.bench_function("the pool", |bench| {
        bench.iter(|| {
            let password =
                NormalizedPassword::parse_existing(black_box(PASSWORD)).expect("a password");
            runtime.block_on(pool.hash("ada", password)).expect("a hash")
        });
    });
    group.finish();
}

criterion_group!(benches, hashing);
criterion_main!(benches);
