//! Presets for widely used providers that are not OpenID providers.
//!
//! GitHub has [its own flow](crate::GitHub), since its email addresses are on several pages.
//!
//! | preset | email address |
//! |---|---|
//! | [`DISCORD`], [`LINKEDIN`] | used if the response states that it is verified |
//! | [`FACEBOOK`], [`FIGMA`], [`SPOTIFY`], [`TWITCH`] | not used: the response does not state whether it is verified |
//! | [`NOTION`], [`REDDIT`], [`X`] | not requested |
//!
//! The member names are those of the providers' documentation; the API tests map its examples.

use super::{endpoints::OAuth2Endpoints, map::UserInfoMap};

/// The properties of a provider.
///
/// ```
/// use authlayer::{OAuth2, flow::oauth2::presets};
///
/// let flow = OAuth2::preset(&presets::TWITCH, "client-id").client_secret("secret");
/// assert_eq!(presets::TWITCH.id(), "twitch");
/// # drop(flow);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Preset {
    id: &'static str,
    authorization: &'static str,
    token: &'static str,
    user_info: &'static str,
    scopes: &'static [&'static str],
    pub(super) client_secret_post: bool,
    pub(super) token_request_json: bool,
    pub(super) pkce: bool,
    subject: &'static str,
    email: Option<[&'static str; 2]>,
    username: Option<&'static str>,
    display_name: Option<&'static str>,
    avatar_url: Option<&'static str>,
    header: Option<(&'static str, ApiHeader)>,
}

/// The value of a header for the requests of the token and the profile.
#[derive(Clone, Copy, Debug)]
enum ApiHeader {
    ClientId,
    Text(&'static str),
}

impl Preset {
    const fn new(id: &'static str, urls: [&'static str; 3], subject: &'static str) -> Self {
        let [authorization, token, user_info] = urls;
        Self {
            id,
            authorization,
            token,
            user_info,
            scopes: &[],
            client_secret_post: false,
            token_request_json: false,
            pkce: true,
            subject,
            email: None,
            username: None,
            display_name: None,
            avatar_url: None,
            header: None,
        }
    }

    /// Returns the id in paths.
    ///
    /// ```
    /// assert_eq!(authlayer::flow::oauth2::presets::X.id(), "x");
    /// ```
    pub const fn id(&self) -> &'static str {
        self.id
    }

    /// Returns the scopes for a profile.
    ///
    /// ```
    /// assert_eq!(authlayer::flow::oauth2::presets::REDDIT.scopes(), ["identity"]);
    /// ```
    pub const fn scopes(&self) -> &'static [&'static str] {
        self.scopes
    }

    pub(super) fn map(&self) -> UserInfoMap {
        let mut map = UserInfoMap::new(self.subject);
        if let Some([email, verified]) = self.email {
            map = map.email(email, verified);
        }
        map = self.username.into_iter().fold(map, UserInfoMap::username);
        map = self.display_name.into_iter().fold(map, UserInfoMap::display_name);
        self.avatar_url.into_iter().fold(map, UserInfoMap::avatar_url)
    }

    pub(super) fn header(&self, client_id: &str) -> Option<(&'static str, String)> {
        self.header.map(|(name, value)| match value {
            ApiHeader::ClientId => (name, client_id.to_owned()),
            ApiHeader::Text(text) => (name, text.to_owned()),
        })
    }

    /// Returns the endpoints.
    ///
    /// ```
    /// let endpoints = authlayer::flow::oauth2::presets::TWITCH.endpoints();
    /// assert!(endpoints.token.starts_with("https://"));
    /// ```
    pub fn endpoints(&self) -> OAuth2Endpoints {
        OAuth2Endpoints {
            authorization: self.authorization.to_owned(),
            token: self.token.to_owned(),
            user_info: self.user_info.to_owned(),
        }
    }
}

/// Discord.
pub const DISCORD: Preset = Preset {
    scopes: &["identify", "email"],
    email: Some(["/email", "/verified"]),
    username: Some("/username"),
    display_name: Some("/global_name"),
    ..Preset::new(
        "discord",
        [
            "https://discord.com/oauth2/authorize",
            "https://discord.com/api/oauth2/token",
            "https://discord.com/api/users/@me",
        ],
        "/id",
    )
};

/// Facebook.
pub const FACEBOOK: Preset = Preset {
    scopes: &["public_profile"],
    client_secret_post: true,
    display_name: Some("/name"),
    avatar_url: Some("/picture/data/url"),
    ..Preset::new(
        "facebook",
        [
            "https://www.facebook.com/dialog/oauth",
            "https://graph.facebook.com/oauth/access_token",
            "https://graph.facebook.com/me?fields=id,name,picture",
        ],
        "/id",
    )
};

/// Figma.
pub const FIGMA: Preset = Preset {
    scopes: &["current_user:read"],
    display_name: Some("/handle"),
    avatar_url: Some("/img_url"),
    ..Preset::new(
        "figma",
        [
            "https://www.figma.com/oauth",
            "https://api.figma.com/v1/oauth/token",
            "https://api.figma.com/v1/me",
        ],
        "/id",
    )
};

/// LinkedIn, by the user info of its product "Sign In with LinkedIn using OpenID Connect". It rejects
/// the code verifier of a client with a secret (`invalid_client`), so PKCE is off.
pub const LINKEDIN: Preset = Preset {
    pkce: false,
    scopes: &["openid", "profile", "email"],
    client_secret_post: true,
    email: Some(["/email", "/email_verified"]),
    display_name: Some("/name"),
    avatar_url: Some("/picture"),
    ..Preset::new(
        "linkedin",
        [
            "https://www.linkedin.com/oauth/v2/authorization",
            "https://www.linkedin.com/oauth/v2/accessToken",
            "https://api.linkedin.com/v2/userinfo",
        ],
        "/sub",
    )
};

/// Notion, for the person who installs a public integration.
pub const NOTION: Preset = Preset {
    token_request_json: true,
    display_name: Some("/bot/owner/user/name"),
    avatar_url: Some("/bot/owner/user/avatar_url"),
    header: Some(("notion-version", ApiHeader::Text("2022-06-28"))),
    ..Preset::new(
        "notion",
        [
            "https://api.notion.com/v1/oauth/authorize?owner=user",
            "https://api.notion.com/v1/oauth/token",
            "https://api.notion.com/v1/users/me",
        ],
        "/bot/owner/user/id",
    )
};

/// Reddit.
pub const REDDIT: Preset = Preset {
    scopes: &["identity"],
    username: Some("/name"),
    display_name: Some("/name"),
    ..Preset::new(
        "reddit",
        [
            "https://www.reddit.com/api/v1/authorize",
            "https://www.reddit.com/api/v1/access_token",
            "https://oauth.reddit.com/api/v1/me",
        ],
        "/id",
    )
};

/// Spotify.
pub const SPOTIFY: Preset = Preset {
    display_name: Some("/display_name"),
    avatar_url: Some("/images/0/url"),
    ..Preset::new(
        "spotify",
        [
            "https://accounts.spotify.com/authorize",
            "https://accounts.spotify.com/api/token",
            "https://api.spotify.com/v1/me",
        ],
        "/id",
    )
};

/// Twitch.
pub const TWITCH: Preset = Preset {
    client_secret_post: true,
    username: Some("/data/0/login"),
    display_name: Some("/data/0/display_name"),
    avatar_url: Some("/data/0/profile_image_url"),
    header: Some(("client-id", ApiHeader::ClientId)),
    ..Preset::new(
        "twitch",
        [
            "https://id.twitch.tv/oauth2/authorize",
            "https://id.twitch.tv/oauth2/token",
            "https://api.twitch.tv/helix/users",
        ],
        "/data/0/id",
    )
};

/// X.
pub const X: Preset = Preset {
    scopes: &["users.read", "tweet.read"],
    username: Some("/data/username"),
    display_name: Some("/data/name"),
    avatar_url: Some("/data/profile_image_url"),
    ..Preset::new(
        "x",
        [
            "https://x.com/i/oauth2/authorize",
            "https://api.x.com/2/oauth2/token",
            "https://api.x.com/2/users/me?user.fields=profile_image_url",
        ],
        "/data/id",
    )
};
