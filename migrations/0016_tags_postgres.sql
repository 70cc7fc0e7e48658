-- The tags of sessions and of pending sign-ins, by which both are revoked. The owner is the id of a
-- session or of a challenge; a tag is deleted with its owner.
CREATE TABLE auth_tags (
    tag TEXT COLLATE "C" NOT NULL,
    owner TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (tag, owner)
);

-- A JSON list of text; NULL without tags.
ALTER TABLE auth_sessions ADD COLUMN tags TEXT;

-- Sessions of providers are found by their tags, and no longer by these columns.
UPDATE auth_sessions SET tags = CAST(CASE WHEN upstream_session IS NULL
    THEN jsonb_build_array('oauth/' || upstream_provider || '/subject/' || upstream_subject)
    ELSE jsonb_build_array('oauth/' || upstream_provider || '/subject/' || upstream_subject,
        'oauth/' || upstream_provider || '/session/' || upstream_session) END AS TEXT)
    WHERE upstream_provider IS NOT NULL AND upstream_subject IS NOT NULL;

INSERT INTO auth_tags (tag, owner) SELECT own.value, s.id FROM auth_sessions s
    CROSS JOIN LATERAL jsonb_array_elements_text(CAST(s.tags AS JSONB)) AS own (value)
    WHERE s.tags IS NOT NULL ON CONFLICT (tag, owner) DO NOTHING;

DROP INDEX auth_sessions_upstream_session;

DROP INDEX auth_sessions_upstream_subject;

-- The schema of the table is written into the function, which needs no search path. The tags are a
-- JSON list: the whole column of a session, a member of the data of a challenge. JSONB has no NUL, which
-- the data of a sign-up may have; a tag has none. Processes of earlier versions write the columns of
-- the provider alone.
DO $do$
BEGIN
    EXECUTE format($sql$
        CREATE FUNCTION auth_tags_changed() RETURNS trigger LANGUAGE plpgsql
        SET search_path = pg_catalog, pg_temp AS $$
        DECLARE
            changed RECORD;
            own JSONB;
        BEGIN
            IF TG_OP = 'INSERT' THEN
                changed := NEW;
            ELSE
                changed := OLD;
            END IF;
            IF TG_ARGV[0] = 'challenge' THEN
                own := CAST(replace(changed.data, '\u0000', '\u0001') AS JSONB) -> 'tags';
            ELSIF changed.tags IS NOT NULL THEN
                own := CAST(changed.tags AS JSONB);
            ELSE
                own := jsonb_build_array(
                    'oauth/' || changed.upstream_provider || '/subject/' || changed.upstream_subject,
                    'oauth/' || changed.upstream_provider || '/session/' || changed.upstream_session);
            END IF;
            IF own IS NOT NULL AND TG_OP = 'INSERT' THEN
                INSERT INTO %1$s (tag, owner) SELECT value, NEW.id
                    FROM jsonb_array_elements_text(own) WHERE value IS NOT NULL
                    ON CONFLICT (tag, owner) DO NOTHING;
            ELSIF own IS NOT NULL THEN
                DELETE FROM %1$s WHERE owner = OLD.id
                    AND tag = ANY(ARRAY(SELECT jsonb_array_elements_text(own)));
            END IF;
            RETURN NULL;
        END $$
    $sql$, (SELECT format('%I.auth_tags', n.nspname) FROM pg_class c
        JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.oid = CAST('auth_tags' AS regclass)));
END $do$;

CREATE TRIGGER auth_session_tagged AFTER INSERT ON auth_sessions
    FOR EACH ROW WHEN (NEW.tags IS NOT NULL OR NEW.upstream_provider IS NOT NULL)
    EXECUTE FUNCTION auth_tags_changed('session');

CREATE TRIGGER auth_session_untagged AFTER DELETE ON auth_sessions
    FOR EACH ROW WHEN (OLD.tags IS NOT NULL OR OLD.upstream_provider IS NOT NULL)
    EXECUTE FUNCTION auth_tags_changed('session');

-- Pending sign-ins and sign-ups, and sign-ins of native applications.
CREATE TRIGGER auth_challenge_tagged AFTER INSERT ON auth_challenges
    FOR EACH ROW WHEN (NEW.kind IN ('sign_in', 'sign_up', 'exchange') AND position('"tags"' IN NEW.data) > 0)
    EXECUTE FUNCTION auth_tags_changed('challenge');

CREATE TRIGGER auth_challenge_untagged AFTER DELETE ON auth_challenges
    FOR EACH ROW WHEN (OLD.kind IN ('sign_in', 'sign_up', 'exchange') AND position('"tags"' IN OLD.data) > 0)
    EXECUTE FUNCTION auth_tags_changed('challenge');
