-- The events of a user who acted, to remove the IP addresses after the deletion of that user.

ALTER TABLE auth_events ALTER COLUMN actor_id TYPE TEXT COLLATE "C";

CREATE INDEX auth_events_actor ON auth_events (actor_id, id) WHERE actor_id IS NOT NULL;
