//! What a provider may do wrong.

macro_rules! faults {
    ($($(#[$doc:meta])* $name:ident;)*) => {
        /// One thing that a [`FakeIdp`](super::FakeIdp) does wrong.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Fault { $($(#[$doc])* $name),* }
    };
}

faults! {
    /// The document has a slash behind its issuer.
    DiscoveryIssuerOther;
    /// The keys lie at an address without TLS.
    DiscoveryPlainKeys;
    /// The document does not come.
    Down;
    /// The person says no.
    Denied;
    /// `iss` of the callback is another provider.
    CallbackIssuerOther;
    /// `iss` of the callback is promised and missing.
    CallbackIssuerMissing;
    /// The code is refused.
    TokenError;
    /// The answer is a redirect.
    TokenRedirects;
    /// The answer has two mebibytes.
    TokenHuge;
    /// The answer is no JSON.
    TokenNoJson;
    /// The ID token has no signature.
    AlgNone;
    /// The signature is of something else.
    SignatureWrong;
    /// Signed with the client secret.
    SignedWithSecret;
    /// Signed with the public key as a secret.
    SignedWithPublicKey;
    /// Says ES256, with a signature that is none.
    SignatureEs256;
    /// RS384, which was not configured.
    SignedRs384;
    /// The key is named by the token itself.
    KeyEmbedded;
    /// The key is one that nobody published.
    KeyUnknown;
    /// No `kid`, with one key published: not wrong.
    KidAbsentOneKey;
    /// No `kid`, with two keys published.
    KidAbsentTwoKeys;
    /// The published key is for encryption.
    KeyForEncryption;
    /// `iss` is another provider.
    IssuerOther;
    /// There is no `iss`.
    IssuerMissing;
    /// `aud` is another client.
    AudienceOther;
    /// `aud` names this client and another.
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
    /// `exp` was half a minute ago, which clocks may differ by: not wrong.
    ExpiredJustNow;
    /// There is no `exp`.
    ExpiryMissing;
    /// `nbf` is in an hour.
    NotYet;
    /// `nonce` is another request's.
    NonceOther;
    /// There is no `nonce`.
    NonceMissing;
    /// `at_hash` is of another access token.
    AccessHashOther;
    /// `typ` is that of an access token.
    TypeAccessToken;
    /// `typ` is that of a logout token.
    TypeLogoutToken;
    /// A critical header that nobody knows.
    Critical;
    /// `auth_time` is a day ago.
    ProvedLongAgo;
    /// There is no `auth_time`.
    ProvedMissing;
    /// UserInfo is of somebody else.
    UserInfoSubjectOther;
    /// UserInfo names nobody.
    UserInfoSubjectMissing;
    /// UserInfo is a JWT.
    UserInfoSigned;
}
