-- The index of the skeletons of usernames.

CREATE UNIQUE INDEX auth_users_username_skeleton
    ON auth_users (username_skeleton) WHERE username_skeleton IS NOT NULL;
