-- The key that a session is bound to, as JSON; NULL for a session that is not bound. The transport of
-- a bound session is 'device' (cookies) or 'dpop' (bearer), which earlier versions reject.
ALTER TABLE auth_sessions ADD COLUMN binding TEXT;

-- The challenges for proofs of a key of a browser, as JSON.
ALTER TABLE auth_sessions ADD COLUMN challenges TEXT;

-- The time at which the user was notified of a proof of another key.
ALTER TABLE auth_sessions ADD COLUMN mismatch_at BIGINT;
