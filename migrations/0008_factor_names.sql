-- Factors have the names that they have on the wire. Of a sign-in at a provider nobody noted whether
-- the provider said when the user authenticated, so it proves no time. Sessions and these two kinds
-- of challenges are all that holds factors.

UPDATE auth_sessions SET factors = replace(replace(replace(replace(factors,
    '"method":"pwd"', '"method":"password"'),
    '"method":"otp"', '"method":"email_code"'),
    '"method":"hwk"', '"method":"passkey"'),
    '"method":"fed"', '"method":"provider","basis":"untimed"')
    WHERE factors LIKE '%"method":"pwd"%' OR factors LIKE '%"method":"otp"%'
    OR factors LIKE '%"method":"hwk"%' OR factors LIKE '%"method":"fed"%';

UPDATE auth_challenges SET data = replace(replace(replace(replace(data,
    '"method":"pwd"', '"method":"password"'),
    '"method":"otp"', '"method":"email_code"'),
    '"method":"hwk"', '"method":"passkey"'),
    '"method":"fed"', '"method":"provider","basis":"untimed"')
    WHERE kind IN ('sign_in', 'exchange');
