-- Keys compare by bytes: an index in the collation of the database is corrupt once an upgrade of ICU
-- or glibc changes the order. Every column of an index of ours is COLLATE "C".

ALTER TABLE auth_users
    ALTER COLUMN id TYPE TEXT COLLATE "C",
    ALTER COLUMN email TYPE TEXT COLLATE "C",
    ALTER COLUMN username TYPE TEXT COLLATE "C";

ALTER TABLE auth_sessions
    ALTER COLUMN id TYPE TEXT COLLATE "C",
    ALTER COLUMN user_id TYPE TEXT COLLATE "C",
    ALTER COLUMN upstream_provider TYPE TEXT COLLATE "C",
    ALTER COLUMN upstream_subject TYPE TEXT COLLATE "C",
    ALTER COLUMN upstream_session TYPE TEXT COLLATE "C";

ALTER TABLE auth_credentials
    ALTER COLUMN id TYPE TEXT COLLATE "C",
    ALTER COLUMN user_id TYPE TEXT COLLATE "C",
    ALTER COLUMN kind TYPE TEXT COLLATE "C",
    ALTER COLUMN lookup TYPE TEXT COLLATE "C";

ALTER TABLE auth_challenges
    ALTER COLUMN id TYPE TEXT COLLATE "C",
    ALTER COLUMN user_id TYPE TEXT COLLATE "C";

ALTER TABLE auth_limits ALTER COLUMN key TYPE TEXT COLLATE "C";

ALTER TABLE auth_standing
    ALTER COLUMN user_id TYPE TEXT COLLATE "C",
    ALTER COLUMN email TYPE TEXT COLLATE "C";

ALTER TABLE auth_api_keys
    ALTER COLUMN id TYPE TEXT COLLATE "C",
    ALTER COLUMN hash TYPE TEXT COLLATE "C",
    ALTER COLUMN user_id TYPE TEXT COLLATE "C";

ALTER TABLE auth_events
    ALTER COLUMN id TYPE TEXT COLLATE "C",
    ALTER COLUMN kind TYPE TEXT COLLATE "C",
    ALTER COLUMN user_id TYPE TEXT COLLATE "C";
