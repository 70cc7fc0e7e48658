-- The skeletons of usernames, by which usernames are unique.

ALTER TABLE auth_users ADD COLUMN username_skeleton TEXT;
