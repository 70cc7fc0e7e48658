-- The administrator of an impersonation, as JSON: the id of the user, and the session that began it.
ALTER TABLE auth_sessions ADD COLUMN impersonator TEXT;

-- Set on a session that has begun an impersonation.
ALTER TABLE auth_sessions ADD COLUMN has_impersonated BIGINT;

-- An impersonation ends with the session of the administrator.
CREATE TRIGGER auth_impersonator_ended AFTER DELETE ON auth_sessions
    WHEN OLD.has_impersonated IS NOT NULL BEGIN
    DELETE FROM auth_sessions WHERE id IN
        (SELECT owner FROM auth_tags WHERE tag = '#impersonator/' || OLD.id);
END;
