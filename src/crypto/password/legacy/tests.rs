//! Tests of hashes of other systems.

use crate::crypto::password::{
    HashError, LegacySecrets, NormalizedPassword, PasswordHasher, PasswordHashing,
};

fn text(raw: &str) -> NormalizedPassword {
    NormalizedPassword::parse_existing(raw).unwrap()
}

fn hasher() -> PasswordHasher {
    PasswordHasher::new(PasswordHashing::argon2id()).unwrap()
}

fn with_secrets(set: impl FnOnce(&mut LegacySecrets)) -> PasswordHasher {
    let mut secrets = LegacySecrets::default();
    set(&mut secrets);
    assert_eq!(secrets.problem(), None);
    PasswordHasher::build(PasswordHashing::argon2id(), false, secrets).unwrap()
}

#[test]
fn hashes_of_other_systems_are_verified_and_replaced() {
    // CR-02; made by Django, bcrypt, passlib, argon2-cffi, Werkzeug, PHP 8.2 and better-auth 1.7,
    // those of ASP.NET by its layout. The line of WordPress has the steps of its function
    // `wp_hash_password`, in PHP.
    let hasher = hasher();
    for line in include_str!("../../../../tests/vectors/legacy-hashes.txt").lines() {
        let Some((system, hash)) = line.split_once(' ') else { continue };
        let verified = hasher.verify(&text("correct horse"), hash);
        let verified = verified.unwrap_or_else(|error| panic!("{system}: {error}"));
        assert!(verified.matches, "{system}");
        assert_eq!(verified.rehash, !hash.contains("argon2id"), "{system}");
        assert!(!hasher.verify(&text("correct horsf"), hash).unwrap().matches, "{system}");
    }
}

#[test]
fn published_vectors_are_verified() {
    // CR-02
    for (origin, password, hash) in [
        // PasswordHasherTest of ASP.NET Core Identity.
        (
            "asp.net, version 2",
            "my password",
            "ANXrDknc7fGPpigibZXXZFMX4aoqz44JveK6jQuwY3eH/UyPhvr5xTPeGYEckLxz9A==",
        ),
        (
            "asp.net, version 3, SHA-256",
            "my password",
            "AQAAAAEAACcQAAAAEAABAgMEBQYHCAkKCwwNDg+yWU7rLgUwPZb1Itsmra7cbxw2EFpwpVFIEtP+JIuUEw==",
        ),
        (
            "asp.net, version 3, SHA-512",
            "my password",
            "AQAAAAIAAAD6AAAAIJbVi5wbMR+htSfFp8fTw8N8GOS/Sje+S/4YZcgBfU7EQuqv4OkVYmc4VJl9AGZzmRTxSkP7LtVi9IWyUxX8IAAfZ8v+ZfhjCcudtC1YERSqE1OEdXLW9VukPuJWBBjLuw==",
        ),
        // The self-test of phpass.
        ("phpass", "test12345", "$P$9IQRaTwmfeRo7ud9Fh4E2PdI0S3r.L0"),
        // The specification of SHA-crypt (Ulrich Drepper).
        (
            "sha256-crypt",
            "Hello world!",
            "$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5",
        ),
        (
            "sha512-crypt",
            "Hello world!",
            "$6$rounds=10000$saltstringsaltst$OW1/O6BYHV6BcXZu8QVeXbDWra3Oeqh0sbHbbMCVNSnCM/UrjmM0Dp8vOuZeHBy/YTBmSK6H9qs/y3RnOaw5v.",
        ),
    ] {
        let verified = hasher().verify(&text(password), hash);
        let verified = verified.unwrap_or_else(|error| panic!("{origin}: {error}"));
        assert!(verified.matches && verified.rehash, "{origin}");
        assert!(!hasher().verify(&text("other"), hash).unwrap().matches, "{origin}");
    }
}

#[test]
fn better_auth_hashes_the_compatibility_form() {
    // Made by better-auth 1.7 with "correct hors", e, U+0301, space, U+FB01, "n".
    let rows = include_str!("../../../../tests/vectors/import/better-auth.json");
    let bob = rows.lines().find(|row| row.contains("bob@example.com")).unwrap();
    let (_, hash) = bob.split_once("\\\"password\\\":\\\"").unwrap();
    let (hash, _) = hash.split_once("\\\"").unwrap();
    for raw in ["correct horse\u{301} \u{fb01}n", "correct hors\u{e9} fin"] {
        assert!(hasher().verify(&text(raw), hash).unwrap().matches, "{raw}");
    }
    assert!(!hasher().verify(&text("correct horse fin"), hash).unwrap().matches);
}

#[test]
fn wordpress_ignores_whitespace_around_a_password() {
    let vectors = include_str!("../../../../tests/vectors/legacy-hashes.txt");
    for system in ["php-wordpress-6.8", "passlib-phpass"] {
        let line = vectors.lines().find(|line| line.split(' ').next() == Some(system)).unwrap();
        let (_, hash) = line.split_once(' ').unwrap();
        assert!(hasher().verify(&text(" correct horse\n"), hash).unwrap().matches, "{system}");
    }
}

#[test]
fn firebase_hash_requires_the_signer_key() {
    // The vector of https://github.com/firebase/scrypt.
    let hash = "firebase-scrypt$ln=14,r=8$42xEC+ixf3L2lwc$lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ";
    let key =
        "jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==";
    let own = with_secrets(|secrets| secrets.set_firebase_signer_key(key));
    let verified = own.verify(&text("user1password"), hash).unwrap();
    assert!(verified.matches && verified.rehash && own.can_verify(hash));
    assert!(!own.verify(&text("user2password"), hash).unwrap().matches);
    let outcome = hasher().verify(&text("user1password"), hash);
    assert!(matches!(outcome, Err(HashError::MissingSecret)));
    assert!(!hasher().can_verify(hash));
    // A key of another length is that of another project.
    let other = with_secrets(|secrets| secrets.set_firebase_signer_key("c2hvcnQ="));
    assert!(!other.verify(&text("user1password"), hash).unwrap().matches);
}

#[test]
fn devise_hash_requires_the_pepper() {
    // Made by `Devise::Encryptor.digest` of Devise 4.8.1.
    let hash = "devise$$2a$05$8tZmdeyo1NvdA.B5AsisYuE7OoDjRNxv9PUNAO/X9k2gtAlHHCuLm";
    let own = with_secrets(|secrets| {
        secrets.set_devise_pepper("the pepper of an application".to_owned())
    });
    let verified = own.verify(&text("correct horse"), hash).unwrap();
    assert!(verified.matches && verified.rehash && own.can_verify(hash));
    assert!(!own.verify(&text("correct horsf"), hash).unwrap().matches);
    let outcome = hasher().verify(&text("correct horse"), hash);
    assert!(matches!(outcome, Err(HashError::MissingSecret)));
    assert!(!hasher().can_verify(hash));
}

#[test]
fn invalid_secrets_are_reported() {
    let problem = |set: fn(&mut LegacySecrets)| {
        let mut secrets = LegacySecrets::default();
        set(&mut secrets);
        secrets.problem()
    };
    assert!(problem(|secrets| secrets.set_devise_pepper(String::new())).is_some());
    assert!(problem(|secrets| secrets.set_firebase_signer_key("not base64!")).is_some());
    assert!(problem(|secrets| secrets.set_firebase_signer_key("")).is_some());
    let mut secrets = LegacySecrets::default();
    secrets.set_devise_pepper("the pepper".to_owned());
    assert!(!format!("{secrets:?}").contains("the pepper"));
}

#[test]
fn long_password_does_not_match_where_it_would_multiply_the_cost() {
    // CR-03
    let long = "x".repeat(4096);
    for hash in [
        "$6$rounds=1000000$saltstring$YiR6NSM0LQXmu7vAhkMXfkdYk7qtFouVx1Mdr3HmzXspT8kONjlpU3CsV7ezCB62uXJoAdaagsH4ck7/tB9js.",
        "$P$IIQRaTwmfeRo7ud9Fh4E2PdI0S3r.L0",
    ] {
        assert!(!hasher().verify(&text(&long), hash).unwrap().matches, "{hash}");
    }
    // Such a password leaves an output of zeros, which no stored hash has.
    let zeros = format!("$6$saltstring${}", ".".repeat(86));
    assert!(matches!(hasher().verify(&text(&long), &zeros), Err(HashError::Unknown)));
}

#[test]
fn hashes_with_excessive_costs_are_rejected() {
    // CR-03
    let hasher = hasher();
    let text = text("x");
    for greedy in [
        "$2b$31$abcdefghijklmnopqrstuuAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "$wp$2y$31$abcdefghijklmnopqrstuuAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "scrypt$1048576$saltsaltsalt$64$1$BAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        "pbkdf2_sha256$999999999$saltsaltsalt$BAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        "$argon2i$v=19$m=4194304,t=2,p=2$MDEyMzQ1Njc4OWFiY2RlZg$M0oEKvALZLqWKXzMK4TdNzZJKBvHzZlBDoRLTKBoAg4",
        "$5$rounds=999999999$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5",
        "$P$SIQRaTwmfeRo7ud9Fh4E2PdI0S3r.L0",
        "firebase-scrypt$ln=20,r=64$42xEC+ixf3L2lwc$lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ",
    ] {
        let outcome = hasher.verify(&text, greedy);
        assert!(matches!(outcome, Err(HashError::OutOfBounds)), "{greedy}: {outcome:?}");
        assert!(!hasher.can_verify(greedy), "{greedy}");
    }
    for foreign in [
        "$2b$12$short",
        "scrypt$3$saltsaltsalt$8$1$AAAA",
        "AQAAAAA=",
        "md5$a$b",
        "",
        "$6$salt$short",
        "$P$9short",
        "$H$",
        "abc:def",
        "pbkdf2:md5:1000$salt$00",
        // Failure cases of PasswordHasherTest of ASP.NET Core Identity: too short, data at the end.
        "AAABAgMEBQYHCAkKCwwNDg+ukCEMDf0yyQ29NYubggE=",
        "AAABAgMEBQYHCAkKCwwNDg+ukCEMDf0yyQ29NYubggHIVY0sdEUfdyeM+E1LtH1uJgAAAAAAAAAAAAA=",
    ] {
        let outcome = hasher.verify(&text, foreign);
        assert!(matches!(outcome, Err(HashError::Unknown)), "{foreign}: {outcome:?}");
    }
}
