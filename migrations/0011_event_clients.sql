-- The client of an event, and the user who acted if it was not the user of the account.

ALTER TABLE auth_events ADD COLUMN actor_id TEXT;

ALTER TABLE auth_events ADD COLUMN user_agent TEXT;
