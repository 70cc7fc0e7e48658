//! The raw crate, one password at a time: the maximum for one core.

use std::time::{Duration, Instant};

use argon2::{Algorithm, Argon2, Params, Version};

use crate::measure::Failure;

pub fn one_at_a_time(seconds: u64) -> Result<(), Failure> {
    let params = Params::new(19_456, 2, 1, Some(32)).map_err(|error| error.to_string())?;
    let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let (began, mut done) = (Instant::now(), 0);
    while began.elapsed() < Duration::from_secs(seconds) {
        let mut out = [0; 32];
        argon
            .hash_password_into(b"zq8 xw2v plum", b"a salt of sixteen", &mut out)
            .map_err(|error| error.to_string())?;
        done += 1;
    }
    println!("{}", f64::from(done) / began.elapsed().as_secs_f64());
    Ok(())
}
