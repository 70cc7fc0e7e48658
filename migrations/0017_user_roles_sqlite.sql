-- The roles of users in the table of this crate, to list the users with a role. Triggers write them
-- in the transaction that writes the user, whichever version of this crate that is.

CREATE TABLE auth_user_roles (
    role TEXT NOT NULL,
    user_id TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (role, user_id)
) WITHOUT ROWID;

CREATE INDEX auth_user_roles_newest ON auth_user_roles (role, created_at DESC, user_id DESC);

CREATE INDEX auth_user_roles_user ON auth_user_roles (user_id);

CREATE TRIGGER auth_roles_inserted AFTER INSERT ON auth_users WHEN NEW.roles <> '[]' BEGIN
    INSERT INTO auth_user_roles (role, user_id, created_at)
        SELECT value, NEW.id, NEW.created_at FROM json_each(NEW.roles) WHERE type = 'text'
        ON CONFLICT (role, user_id) DO NOTHING;
END;

CREATE TRIGGER auth_roles_updated AFTER UPDATE OF id, roles, created_at ON auth_users
WHEN NEW.roles IS NOT OLD.roles OR NEW.id IS NOT OLD.id OR NEW.created_at IS NOT OLD.created_at BEGIN
    DELETE FROM auth_user_roles WHERE user_id = OLD.id;
    INSERT INTO auth_user_roles (role, user_id, created_at)
        SELECT value, NEW.id, NEW.created_at FROM json_each(NEW.roles) WHERE type = 'text'
        ON CONFLICT (role, user_id) DO NOTHING;
END;

CREATE TRIGGER auth_roles_deleted AFTER DELETE ON auth_users WHEN OLD.roles <> '[]' BEGIN
    DELETE FROM auth_user_roles WHERE user_id = OLD.id;
END;

INSERT INTO auth_user_roles (role, user_id, created_at)
    SELECT r.value, u.id, u.created_at FROM auth_users u, json_each(u.roles) r
    WHERE u.roles <> '[]' AND r.type = 'text'
    ON CONFLICT (role, user_id) DO NOTHING;
