-- The roles of users in the table of this crate, to list the users with a role. Triggers write them
-- in the transaction that writes the user, whichever version of this crate that is.

CREATE TABLE auth_user_roles (
    role TEXT COLLATE "C" NOT NULL,
    user_id TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (role, user_id)
);

CREATE INDEX auth_user_roles_newest ON auth_user_roles (role, created_at DESC, user_id DESC);

CREATE INDEX auth_user_roles_user ON auth_user_roles (user_id);

-- The schema of the table is written into the function, which needs no search path. A text with a
-- NUL is no role: PostgreSQL cannot store it.
DO $do$
BEGIN
    EXECUTE format($sql$
        CREATE FUNCTION auth_user_roles_changed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
        SET search_path = pg_catalog, pg_temp AS $$
        BEGIN
            IF TG_OP <> 'INSERT' THEN
                IF OLD.roles <> '[]' THEN
                    DELETE FROM %1$s WHERE user_id = OLD.id;
                END IF;
            END IF;
            IF TG_OP <> 'DELETE' THEN
                IF NEW.roles <> '[]' AND position('\u0000' in NEW.roles) = 0 THEN
                    INSERT INTO %1$s (role, user_id, created_at)
                        SELECT r.role, NEW.id, NEW.created_at
                        FROM jsonb_array_elements_text(CAST(NEW.roles AS JSONB)) AS r(role)
                        ON CONFLICT (role, user_id) DO NOTHING;
                END IF;
            END IF;
            RETURN NULL;
        END $$
    $sql$, (SELECT format('%I.auth_user_roles', n.nspname) FROM pg_class c
        JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.oid = CAST('auth_user_roles' AS regclass)));
END $do$;

CREATE TRIGGER auth_roles_changed AFTER INSERT OR DELETE ON auth_users
    FOR EACH ROW EXECUTE FUNCTION auth_user_roles_changed();

CREATE TRIGGER auth_roles_updated AFTER UPDATE ON auth_users
    FOR EACH ROW WHEN (ROW(OLD.id, OLD.roles, OLD.created_at)
        IS DISTINCT FROM ROW(NEW.id, NEW.roles, NEW.created_at))
    EXECUTE FUNCTION auth_user_roles_changed();

INSERT INTO auth_user_roles (role, user_id, created_at)
    SELECT r.role, u.id, u.created_at FROM auth_users u
    CROSS JOIN LATERAL jsonb_array_elements_text(CAST(u.roles AS JSONB)) AS r(role)
    WHERE u.roles <> '[]' AND position('\u0000' in u.roles) = 0
    ON CONFLICT (role, user_id) DO NOTHING;
