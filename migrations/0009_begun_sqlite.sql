-- Users of whom a session ever began: an account that nobody ever signed in to keeps its roles when
-- its address is verified for the first time.
CREATE TABLE auth_begun (user_id TEXT NOT NULL PRIMARY KEY) WITHOUT ROWID;

CREATE TRIGGER auth_session_began AFTER INSERT ON auth_sessions BEGIN
    INSERT INTO auth_begun (user_id) VALUES (NEW.user_id) ON CONFLICT (user_id) DO NOTHING;
END;

INSERT INTO auth_begun (user_id) SELECT DISTINCT user_id FROM auth_sessions WHERE TRUE
    ON CONFLICT (user_id) DO NOTHING;
