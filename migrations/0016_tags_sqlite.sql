-- The tags of sessions and of pending sign-ins, by which both are revoked. The owner is the id of a
-- session or of a challenge; a tag is deleted with its owner.
CREATE TABLE auth_tags (
    tag TEXT NOT NULL,
    owner TEXT NOT NULL,
    PRIMARY KEY (tag, owner)
) WITHOUT ROWID;

-- A JSON list of text; NULL without tags.
ALTER TABLE auth_sessions ADD COLUMN tags TEXT;

-- Sessions of providers are found by their tags, and no longer by these columns.
UPDATE auth_sessions SET tags = CASE WHEN upstream_session IS NULL
    THEN json_array('oauth/' || upstream_provider || '/subject/' || upstream_subject)
    ELSE json_array('oauth/' || upstream_provider || '/subject/' || upstream_subject,
        'oauth/' || upstream_provider || '/session/' || upstream_session) END
    WHERE upstream_provider IS NOT NULL AND upstream_subject IS NOT NULL;

INSERT INTO auth_tags (tag, owner) SELECT own.value, s.id FROM auth_sessions s, json_each(s.tags) own
    WHERE s.tags IS NOT NULL ON CONFLICT (tag, owner) DO NOTHING;

DROP INDEX auth_sessions_upstream_session;

DROP INDEX auth_sessions_upstream_subject;

CREATE TRIGGER auth_session_tagged AFTER INSERT ON auth_sessions WHEN NEW.tags IS NOT NULL BEGIN
    INSERT INTO auth_tags (tag, owner) SELECT value, NEW.id FROM json_each(NEW.tags) WHERE TRUE
        ON CONFLICT (tag, owner) DO NOTHING;
END;

CREATE TRIGGER auth_session_untagged AFTER DELETE ON auth_sessions WHEN OLD.tags IS NOT NULL BEGIN
    DELETE FROM auth_tags WHERE tag IN (SELECT value FROM json_each(OLD.tags)) AND owner = OLD.id;
END;

-- Processes of earlier versions write the columns of the provider alone.
CREATE TRIGGER auth_session_of_provider_tagged AFTER INSERT ON auth_sessions
    WHEN NEW.tags IS NULL AND NEW.upstream_provider IS NOT NULL BEGIN
    INSERT INTO auth_tags (tag, owner) SELECT value, NEW.id FROM json_each(json_array(
        'oauth/' || NEW.upstream_provider || '/subject/' || NEW.upstream_subject,
        'oauth/' || NEW.upstream_provider || '/session/' || NEW.upstream_session))
        WHERE value IS NOT NULL ON CONFLICT (tag, owner) DO NOTHING;
END;

CREATE TRIGGER auth_session_of_provider_untagged AFTER DELETE ON auth_sessions
    WHEN OLD.tags IS NULL AND OLD.upstream_provider IS NOT NULL BEGIN
    DELETE FROM auth_tags WHERE owner = OLD.id AND tag IN (
        'oauth/' || OLD.upstream_provider || '/subject/' || OLD.upstream_subject,
        'oauth/' || OLD.upstream_provider || '/session/' || OLD.upstream_session);
END;

-- Pending sign-ins and sign-ups, and sign-ins of native applications.
CREATE TRIGGER auth_challenge_tagged AFTER INSERT ON auth_challenges
    WHEN NEW.kind IN ('sign_in', 'sign_up', 'exchange') BEGIN
    INSERT INTO auth_tags (tag, owner) SELECT value, NEW.id FROM json_each(NEW.data, '$.tags')
        WHERE TRUE ON CONFLICT (tag, owner) DO NOTHING;
END;

CREATE TRIGGER auth_challenge_untagged AFTER DELETE ON auth_challenges
    WHEN OLD.kind IN ('sign_in', 'sign_up', 'exchange') BEGIN
    DELETE FROM auth_tags WHERE tag IN (SELECT value FROM json_each(OLD.data, '$.tags'))
        AND owner = OLD.id;
END;
