//! The cost of recognizing a refresh token: the derivations along the lineage, one for each
//! rotation since the token was issued, and the derivation of one generation.
//!
//! `cargo bench --bench ratchet`

use std::hint::black_box;

use authlayer::{
    crypto::{
        ratchet::{Lineage, RefreshSecret, TokenGeneration, next_lineage},
        secret::Secret,
    },
    model::RefreshPolicy,
};
use criterion::{Criterion, criterion_group, criterion_main};

fn walk(steps: u32) -> Lineage {
    let nonce = [3; 32];
    let mut lineage = Secret::from_bytes([1; 16]);
    for _ in 0..steps {
        lineage = next_lineage(&lineage, &nonce);
    }
    lineage
}

fn ratchet(criterion: &mut Criterion) {
    let longest = RefreshPolicy::default().max_rotations;
    criterion.bench_function("one step of the lineage", |bench| bench.iter(|| walk(black_box(1))));
    criterion.bench_function(&format!("the longest walk, {longest} steps"), |bench| {
        bench.iter(|| walk(black_box(longest)));
    });
    let refresh = RefreshSecret::from_bytes(&[7; 48]);
    criterion.bench_function("one generation", |bench| {
        bench.iter(|| TokenGeneration::next(black_box(&refresh), 1, &[3; 32], &[4; 32]));
    });
}

criterion_group!(benches, ratchet);
criterion_main!(benches);
