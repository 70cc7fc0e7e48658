-- The skeletons of usernames, by which usernames are unique.

ALTER TABLE auth_users ADD COLUMN username_skeleton TEXT;

CREATE UNIQUE INDEX auth_users_username_skeleton ON auth_users (username_skeleton);
