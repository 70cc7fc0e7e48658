//! Faults of a provider.

macro_rules! faults {
    ($($(#[$doc:meta])* $name:ident;)*) => {
        /// A fault of a [`FakeIdp`](super::FakeIdp).
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Fault { $($(#[$doc])* $name),* }
    };
}

faults! {
    /// The issuer in the metadata has a trailing slash.
    DiscoveryIssuerOther;
    /// The URL of the key set does not use TLS.
    DiscoveryPlainKeys;
    /// The metadata is not available.
    Down;
    /// The user denies the request.
    Denied;
    /// `iss` of the callback is another provider.
    CallbackIssuerOther;
    /// `iss` of the callback is advertised in the metadata but missing.
    CallbackIssuerMissing;
    /// The code is rejected.
    TokenError;
    /// The token response is a redirect.
    TokenRedirects;
    /// The token response has two mebibytes.
    TokenHuge;
    /// The token response is not JSON.
    TokenNoJson;
    /// The ID token has no signature.
    AlgNone;
    /// The signature is that of other data.
    SignatureWrong;
    /// The ID token is signed with the client secret (HS256).
    SignedWithSecret;
    /// The ID token is signed with the public key as an HS256 secret.
    SignedWithPublicKey;
    /// The algorithm is ES256, with an invalid signature.
    SignatureEs256;
    /// The algorithm is RS384, which is not configured.
    SignedRs384;
    /// The key is embedded in the token.
    KeyEmbedded;
    /// The key is not published.
    KeyUnknown;
    /// There is no `kid`, and one key is published. This is not an error.
    KidAbsentOneKey;
    /// There is no `kid`, and two keys are published.
    KidAbsentTwoKeys;
    /// The published key is for encryption.
    KeyForEncryption;
    /// `iss` is another provider.
    IssuerOther;
    /// There is no `iss`.
    IssuerMissing;
    /// `aud` is another client.
    AudienceOther;
    /// `aud` has this client and another one.
    AudienceMore;
    /// There is no `aud`.
    AudienceMissing;
    /// `azp` is another client.
    PartyOther;
    /// There is no `sub`.
    SubjectMissing;
    /// `sub` is empty.
    SubjectEmpty;
    /// `sub` is a number.
    SubjectNumber;
    /// There is no `iat`.
    IssuedMissing;
    /// `iat` is an hour ago.
    IssuedLongAgo;
    /// `iat` is in an hour.
    IssuedInFuture;
    /// `exp` was two minutes ago.
    Expired;
    /// `exp` was half a minute ago, within the allowed clock skew. This is not an error.
    ExpiredJustNow;
    /// There is no `exp`.
    ExpiryMissing;
    /// `nbf` is in an hour.
    NotYet;
    /// `nonce` is that of another request.
    NonceOther;
    /// There is no `nonce`.
    NonceMissing;
    /// `at_hash` is that of another access token.
    AccessHashOther;
    /// `typ` is that of an access token.
    TypeAccessToken;
    /// `typ` is that of a logout token.
    TypeLogoutToken;
    /// There is an unknown critical header.
    Critical;
    /// `auth_time` was a day ago.
    ProvedLongAgo;
    /// There is no `auth_time`.
    ProvedMissing;
    /// UserInfo has another subject.
    UserInfoSubjectOther;
    /// UserInfo has no subject.
    UserInfoSubjectMissing;
    /// UserInfo is a JWT with an invalid signature.
    UserInfoSigned;
}
