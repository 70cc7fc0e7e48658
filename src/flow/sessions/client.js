// Authentication for pages, without dependencies. By default the session is in cookies that scripts
// cannot read.
//
//   import { auth } from "/auth/client.js";
//   await auth.signIn({ email, password });
//   const notes = await auth.fetch("/api/notes");
//
// If several tabs or requests detect an expired access token, only one of them refreshes it.

/** How early a token is refreshed, in milliseconds: the `Date` header is in whole seconds. */
const MARGIN = 1_000;
/** The default timeout of a request in milliseconds. A server that hashes passwords may be slow. */
const TIMEOUT = 30_000;
/** The timeout of a refresh in milliseconds, so that a tab that hangs does not block the others. */
const REFRESH_TIMEOUT = 10_000;
/** How long a tab that died blocks a refresh without the Web Locks API, in addition to the timeout. */
const LEASE_MARGIN = 5_000;
/** Where the browser learns about the sheet of Google. */
const GOOGLE = "https://accounts.google.com/gsi/fedcm.json";

/**
 * A failed request. `status` and the stable `code` are those of the response; without a response,
 * `status` is 0, `code` is `network_error` or `timeout`, and `cause` is the error of the browser.
 */
export class AuthError extends Error {
  constructor(status, problem, options) {
    super(problem.title ?? "The request failed", options);
    this.name = "AuthError";
    this.status = status;
    this.code = problem.code ?? "unknown";
    this.members = problem.members ?? [];
    this.methods = problem.methods ?? [];
    this.missing = problem.missing ?? [];
    this.retryAfter = problem.retry_after;
    this.problem = problem;
  }
}

/**
 * The session of this browser, shared by its tabs. The events `signin` and `signout` are
 * dispatched in every tab; `detail.user` is the user.
 */
export class AuthClient extends EventTarget {
  /**
   * Called with the error if a request is rejected with `step_up_required`: verifies one of
   * `error.methods`. If the result is truthy, the request is sent again.
   */
  onStepUp;

  #base;
  #key;
  #channel;
  #timeout;
  #refreshTimeout;
  #credentials;
  /** Whether tokens are in this object and not in cookies. */
  #bearer;
  /** Whether these tokens are also in `sessionStorage`. */
  #stored;
  #tokens;
  #refreshing;
  #stepping;
  #asking;
  /** Whether a passkey was rejected, which its authenticator may therefore have to hide. */
  #rejected = false;
  /** The challenge of a pending change of the email address, which authenticators show. */
  #renaming;
  /**
   * The expiry of the access token, by the local clock: `null` if no user is signed in,
   * `undefined` until this tab has read it.
   */
  #until;

  /**
   * @param base the URL at which the router is nested; by default that of this module
   * @param options
   *   `transport`: `"cookie"` (default), or `"bearer"` for a page on another site;
   *   `tokens`: where bearer tokens are: `"memory"` (default), or `"sessionStorage"`, which
   *   survives a reload and can be read by every script of the page;
   *   `credentials`: as for `fetch`; `"include"` by default, and `"same-origin"` with bearer tokens;
   *   `timeout`, `refreshTimeout`: the timeout of a request and of a refresh, in milliseconds
   */
  constructor(base = new URL(".", import.meta.url), options = {}) {
    super();
    this.#bearer = options.transport === "bearer";
    this.#stored = options.tokens === "sessionStorage";
    this.#credentials = options.credentials ?? (this.#bearer ? "same-origin" : "include");
    this.#timeout = options.timeout ?? TIMEOUT;
    this.#refreshTimeout = options.refreshTimeout ?? REFRESH_TIMEOUT;
    this.#base = new URL(base, globalThis.location?.href);
    if (!this.#base.pathname.endsWith("/")) this.#base.pathname += "/";
    this.#key = `authlayer:${this.#base.href}`;
    if (this.#bearer && this.#stored) {
      this.#tokens = attempt(() => JSON.parse(sessionStorage.getItem(this.#key))) ?? undefined;
    }
    if (this.#bearer) this.#until = this.#tokens?.until ?? null;
    // Tokens in memory belong to one tab.
    if (globalThis.BroadcastChannel && (!this.#bearer || this.#stored)) {
      this.#channel = new BroadcastChannel(this.#key);
      this.#channel.onmessage = ({ data }) => this.#hear(data);
    }
  }

  // Sign-up and sign-in. The results are `complete`, or `pending` with the `methods` of `verify`.

  /** Signs up: `{email, password, display_name?, username?, user_metadata?, persistent?}`. */
  signUp(fields) {
    return this.#signIn("sign-up", fields);
  }

  /** Signs in: `{email, password, persistent?}`, or `login`, an email address or a username. */
  signIn(fields) {
    return this.#signIn("sign-in", fields);
  }

  /** Signs in a user without credentials, who keeps the id after a sign-up. */
  signInAnonymously(fields = {}) {
    return this.#signIn("anonymous", fields);
  }

  /** Sends a message with a code and a link: `{email, redirect_to?, display_name?, persistent?}`. */
  signInByEmail(fields) {
    return this.#signIn("email-sign-in", fields);
  }

  /**
   * Signs in with the token of that link. In another browser than the one that requested it, the
   * error `confirm_required` has `problem.address`: ask the user, then pass `confirm`.
   */
  signInByLink(token, { confirm = false, persistent } = {}) {
    return this.#signIn("email-sign-in/link", { token, confirm, persistent });
  }

  /**
   * Signs in with a passkey of this device or another. With `autofill`, the browser offers them
   * in a field that has `autocomplete="username webauthn"`, until another ceremony is started.
   * Returns `null` if the user selects none.
   */
  async signInWithPasskey({ email, autofill = false, persistent, signal } = {}) {
    if (autofill && !(await globalThis.PublicKeyCredential?.isConditionalMediationAvailable?.())) {
      return null;
    }
    const named = email?.trim();
    const ceremony = {
      signal,
      mediation: autofill ? "conditional" : undefined,
      start: named ? { email: named } : {},
      finish: { persistent, ...this.#transport() },
    };
    try {
      return this.#arrived(await this.#ceremony("get", "passkeys/sign-in", ceremony));
    } catch (error) {
      this.#rejected ||= error.code === "invalid_passkey";
      throw error;
    }
  }

  /** Signs up with a passkey: `{email, display_name?, name?, persistent?}`; `name` is its name. */
  async signUpWithPasskey({ email, display_name, name, persistent }) {
    const start = { email: email.trim(), display_name };
    const finish = { name, persistent, ...this.#transport() };
    return this.#arrived(await this.#ceremony("create", "passkeys/sign-up", { start, finish }));
  }

  /**
   * Leads to the provider: `{redirect_to?, persistent?}`. With bearer tokens, the page at
   * `redirect_to` passes the `code` of its URL to `exchange`.
   */
  async signInWithProvider(provider, { redirect_to = location.pathname, persistent } = {}) {
    const url = this.#url(`oauth/${encodeURIComponent(provider)}/start`);
    const query = { redirect_to: this.#absolute(redirect_to), persistent, ...this.#transport() };
    if (this.#bearer) {
      const verifier = encode(crypto.getRandomValues(new Uint8Array(32)));
      sessionStorage.setItem(`${this.#key}:verifier`, verifier);
      const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier));
      query.code_challenge = encode(hash);
    }
    for (const [name, value] of Object.entries(query)) {
      if (value !== undefined) url.searchParams.set(name, value);
    }
    location.assign(url);
  }

  /**
   * Signs in with an ID token of a provider: `ask(nonce)` shows the provider's sheet with this nonce
   * and returns the token. Returns `null` without one. `display_name` names a new user.
   */
  async signInWithIdToken(provider, ask, { display_name, persistent } = {}) {
    const path = `oauth/${encodeURIComponent(provider)}`;
    const { nonce } = await this.request("POST", `${path}/nonce`, {});
    const id_token = await ask(nonce);
    if (!id_token) return null;
    return this.#signIn(`${path}/id-token`, { id_token, nonce, display_name, persistent });
  }

  /** Does so with the sheet of the browser (FedCM); `configURL` is that of Google by default. */
  signInWithFedCM(provider, { clientId, configURL = GOOGLE, mediation, signal, ...options }) {
    const ask = async (nonce) => {
      const own = { configURL, clientId, nonce, params: { nonce } };
      try {
        const asked = { identity: { context: "signin", providers: [own] }, mediation, signal };
        return (await navigator.credentials.get(asked))?.token;
      } catch (cause) {
        // A network error may be a user who closed the sheet: sites shall not learn the difference.
        if (["AbortError", "NotAllowedError", "NetworkError"].includes(cause.name)) return null;
        throw new AuthError(0, { code: "sheet_failed", title: cause.message }, { cause });
      }
    };
    return this.signInWithIdToken(provider, ask, options);
  }

  /**
   * Does so with One Tap of Google, whose script the page loads. Further `settings` are those of its
   * `initialize`.
   */
  signInWithOneTap(provider, { clientId, settings, ...options }) {
    const ask = (nonce) => new Promise((done, fail) => {
      const sheet = globalThis.google?.accounts?.id;
      if (!sheet) {
        fail(new AuthError(0, { code: "sheet_failed", title: "The script of Google is missing" }));
        return;
      }
      const callback = ({ credential }) => done(credential);
      const own = { client_id: clientId, nonce, callback };
      sheet.initialize({ use_fedcm_for_prompt: true, ...settings, ...own });
      sheet.prompt((moment) => {
        const dismissed = moment.isDismissedMoment?.() && moment.getDismissedReason?.();
        const closed = dismissed && dismissed !== "credential_returned";
        if (closed || moment.isSkippedMoment?.()) done(null);
      });
    });
    return this.signInWithIdToken(provider, ask, options);
  }

  /** Completes a sign-in with bearer tokens at a provider, with the `code` of the redirect. */
  async exchange(code, code_verifier = sessionStorage.getItem(`${this.#key}:verifier`)) {
    const answer = await this.request("POST", "oauth/exchange", { code, code_verifier });
    sessionStorage.removeItem(`${this.#key}:verifier`);
    return this.#arrived(answer);
  }

  /**
   * Completes a pending sign-up, sign-in or change: `{challenge, code, method?, remember?}`.
   * `method` is one of `methods`; after a provider, the challenge is in a cookie. With `remember`,
   * this device is not asked for a second factor again.
   */
  async verify({ challenge, code, method, remember }) {
    const fields = { challenge, code: plain(code), method, remember };
    const answer = this.#arrived(await this.request("POST", "verify", fields));
    if (challenge && challenge === this.#renaming) {
      this.#renaming = answer?.challenge;
      if (answer?.status === "complete") this.#signalUser(answer.user);
    }
    return answer;
  }

  /** Sends another code: `{challenge, method?}`; `resend_at` is when the next one is allowed. */
  resend({ challenge, method } = {}) {
    return this.request("POST", "verify/resend", { challenge, method });
  }

  /**
   * Returns where to go after a sign-in: `return_to` of the page's URL if it is a path of this
   * origin or a URL of one of `origins`, or else `fallback`.
   */
  returnTo({ fallback = "/", origins = [], search = location.search } = {}) {
    const all = new URLSearchParams(search).getAll("return_to");
    const url = attempt(() => new URL(all[0], location.origin));
    if (all.length !== 1 || all[0].length > 2_048 || !url) return fallback;
    if (origins.includes(url.origin)) return url.href;
    // A path that begins with two slashes would lead to another host.
    if (url.origin !== location.origin || url.pathname.startsWith("//")) return fallback;
    return url.pathname + url.search + url.hash;
  }

  // Step-up: verifies a factor again on this session, for example after `step_up_required`.

  /**
   * Verifies a passkey or security key of the user: for this session, or with the `challenge` of a
   * pending sign-in instead of its code. Returns `null` if the user declines.
   */
  async verifyPasskey(challenge) {
    const start = challenge ? { challenge } : {};
    return this.#arrived(await this.#ceremony("get", "passkeys/verify", { start }));
  }

  /** Verifies a code of an authenticator app. */
  async verifyTotp(code) {
    return this.#arrived(await this.request("POST", "totp/verify", { code: plain(code) }));
  }

  /** Verifies the password. */
  async verifyPassword(password) {
    return this.#arrived(await this.request("POST", "password/verify", { password }));
  }

  /** Sends an email code; complete it with `verify`. */
  verifyByEmail() {
    return this.request("POST", "email/verify", {});
  }

  /** Leads to a linked provider, and from there to `redirect_to`. */
  verifyWithProvider(provider, { redirect_to = location.pathname } = {}) {
    return this.#leave(provider, "step-up", redirect_to);
  }

  // The session.

  /** Returns the user and the session, or `null` if no user is signed in. */
  async session() {
    try {
      return await this.request("GET", "session");
    } catch (error) {
      if (error.code === "unauthenticated") return null;
      throw error;
    }
  }

  /** Ends the session, here and in every tab. */
  async signOut() {
    const { response, body } = await this.#renew("sign-out", this.#timeout);
    if (!response.ok) throw failure(response, body);
    await this.#left();
  }

  /** Returns the sessions of the user, newest first. */
  async sessions() {
    return (await this.request("GET", "sessions")).sessions;
  }

  /** Ends a session. */
  endSession(id) {
    return this.request("DELETE", `sessions/${encodeURIComponent(id)}`);
  }

  /** Ends all other sessions, or with `"all"` this one too. Returns their number. */
  async endSessions(scope = "others") {
    const { revoked } = await this.request("DELETE", `sessions?scope=${encodeURIComponent(scope)}`);
    if (scope === "all") await this.#left();
    return revoked;
  }

  /** Returns a ticket for one WebSocket or event stream: `{ticket, expires_in}`. */
  ticket() {
    return this.request("POST", "ticket", {});
  }

  // The account.

  /** Returns the user and the numbers of credentials. */
  account() {
    return this.request("GET", "account");
  }

  /** Changes the profile: `{display_name?, avatar_url?, username?, locale?, user_metadata?}`. */
  async updateAccount(patch) {
    const user = await this.request("PATCH", "account", patch);
    await this.#signalUser(user);
    return user;
  }

  /** Returns a page of the events of the account: `{events, next_cursor}`. */
  accountEvents(cursor) {
    const query = cursor ? `?cursor=${encodeURIComponent(cursor)}` : "";
    return this.request("GET", `account/events${query}`);
  }

  /** Deletes the account; requires recent authentication. */
  async deleteAccount() {
    await this.request("DELETE", "account");
    await this.#left();
  }

  /** Changes the password and signs out all other devices. */
  async changePassword(current_password, new_password) {
    const fields = { current_password, new_password };
    return this.#arrived(await this.request("POST", "password/change", fields));
  }

  /** Sets a first password; requires recent authentication. */
  async setPassword(new_password) {
    return this.#arrived(await this.request("POST", "password/set", { new_password }));
  }

  /** Requests a password reset link. The response does not disclose whether an account exists. */
  async forgotPassword(email) {
    await this.request("POST", "password/forgot", { email: email.trim() });
  }

  /** Sets a new password with the token in the fragment of that link. */
  resetPassword(token, new_password) {
    return this.request("POST", "password/reset", { token, new_password });
  }

  /** Requests a code at a new email address; `verify` then changes the address. */
  async changeEmail(new_email) {
    const answer = await this.request("POST", "email/change", { new_email: new_email.trim() });
    this.#renaming = answer?.challenge;
    return answer;
  }

  /** Reverts a change of the email address with the token of the link; returns a `reset_token`. */
  undoEmailChange(token) {
    return this.request("POST", "email/undo", { token });
  }

  /**
   * Requests the recovery of an account whose strongest factor is lost: a code is sent by email, and
   * `finish(code)` returns `{available_at}`, a day later.
   */
  async requestRecovery() {
    const pending = await this.request("POST", "account/recovery", {});
    const { challenge } = pending;
    const finish = (code) => this.request("POST", "verify", { challenge, code: plain(code) });
    return { ...pending, finish };
  }

  /** Stops a recovery with the token of the link, and signs out all devices. */
  cancelRecovery(token) {
    return this.request("POST", "account/recovery/cancel", { token });
  }

  // Second factors.

  /** Turns two-step verification on or off for a user without an authenticator app. */
  async setTwoStep(enabled) {
    return (await this.request("PUT", "account/two-step", { enabled })).two_step;
  }

  /**
   * Starts the enrollment of an authenticator app; requires recent authentication. `qr` is an SVG
   * document; `finish(code, name)` enrolls it and returns the first `recovery_codes`.
   */
  async enrollTotp() {
    const { challenge, secret, uri, qr } = await this.request("POST", "totp/register/start", {});
    const finish = (code, name) =>
      this.request("POST", "totp/register/finish", { challenge, code: plain(code), name });
    return { secret, uri, qr, finish };
  }

  /** Returns the authenticator apps of the user. */
  async totp() {
    return (await this.request("GET", "totp")).totp;
  }

  /** Removes an authenticator app; requires recent authentication. */
  removeTotp(id) {
    return this.request("DELETE", `totp/${encodeURIComponent(id)}`);
  }

  /** Returns how many recovery codes are `left`. */
  recoveryCodes() {
    return this.request("GET", "recovery-codes");
  }

  /** Replaces the recovery codes and returns the new ones; requires recent authentication. */
  async replaceRecoveryCodes() {
    return (await this.request("POST", "recovery-codes", {})).codes;
  }

  /** Returns the remembered devices. */
  async devices() {
    return (await this.request("GET", "devices")).devices;
  }

  /** Forgets a remembered device. */
  forgetDevice(id) {
    return this.request("DELETE", `devices/${encodeURIComponent(id)}`);
  }

  /** Forgets all remembered devices. Returns their number. */
  async forgetDevices() {
    return (await this.request("DELETE", "devices")).forgotten;
  }

  // Passkeys and security keys.

  /** Returns the passkeys and security keys of the user, oldest first. */
  async passkeys() {
    const { passkeys, signal } = await this.request("GET", "passkeys");
    // Authenticators hide removed passkeys.
    if (signal) inform("signalAllAcceptedCredentials", signal);
    return passkeys;
  }

  /**
   * Registers a passkey, or with `secondFactor` a security key; requires recent authentication.
   * Returns `null` if the user declines.
   */
  async registerPasskey({ name, secondFactor = false, signal } = {}) {
    const start = secondFactor ? { second_factor: true } : {};
    return this.#ceremony("create", "passkeys/register", { start, finish: { name }, signal });
  }

  /**
   * Lets the password manager create a passkey without a dialog, after a sign-in with a password
   * that it stores. Returns `null` if the browser or the password manager does not. Never fails.
   */
  async upgradeToPasskey({ name } = {}) {
    const limit = new AbortController();
    const timer = setTimeout(() => limit.abort(), this.#timeout);
    const conditional = {
      mediation: "conditional",
      start: { conditional: true },
      finish: { name },
      signal: limit.signal,
      silent: true,
    };
    try {
      const available = await PublicKeyCredential.getClientCapabilities();
      if (!available.conditionalCreate) return null;
      return await this.#ceremony("create", "passkeys/register", conditional);
    } catch {
      return null;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Renames a passkey. */
  renamePasskey(id, name) {
    return this.request("PATCH", `passkeys/${encodeURIComponent(id)}`, { name });
  }

  /** Removes a passkey; requires recent authentication. */
  async removePasskey(id) {
    await this.request("DELETE", `passkeys/${encodeURIComponent(id)}`);
    // The passkey is removed, even if this request, which informs authenticators, fails.
    await this.passkeys().catch(() => {});
  }

  // Providers and API keys.

  /** Returns the linked identities. */
  async identities() {
    return (await this.request("GET", "identities")).identities;
  }

  /** Leads to a provider to link an identity; requires recent authentication. */
  linkProvider(provider, { redirect_to = location.pathname } = {}) {
    return this.#leave(provider, "link", redirect_to);
  }

  /** Unlinks an identity; requires recent authentication. */
  unlink(id) {
    return this.request("DELETE", `identities/${encodeURIComponent(id)}`);
  }

  /** Returns the API keys of the user. */
  async apiKeys() {
    return (await this.request("GET", "api-keys")).api_keys;
  }

  /** Creates an API key: `{name, scopes, expires_in?}`. Its `key` is shown once. */
  createApiKey(fields) {
    return this.request("POST", "api-keys", fields);
  }

  /** Revokes an API key. */
  revokeApiKey(id) {
    return this.request("DELETE", `api-keys/${encodeURIComponent(id)}`);
  }

  // Requests.

  /**
   * Like `fetch`, authenticated: refreshes the session first if the access token has expired,
   * again after a 401, and calls `onStepUp` for a problem document. The timeout is that of `init.signal`. Requests to
   * other origins than that of the router are passed to `fetch` unchanged.
   */
  async fetch(input, init) {
    const request = new Request(input, init);
    if (new URL(request.url).origin !== this.#base.origin) return fetch(request);
    const during = this.#stepping;
    const send = () => fetch(this.#authorized(request.clone()));
    const response = await this.#send(send, ({ status }) => status === 401);
    if (response.status !== 403 || !this.onStepUp || !isJSON(response)) return response;
    const problem = (await response.clone().json().catch(() => null)) ?? {};
    return (await this.#steppedUp(new AuthError(403, problem), during)) ? send() : response;
  }

  /** Requests a route of the router, such as one of a flow of your own. Returns the JSON. */
  request(method, path, body) {
    return this.#call(method, path, body);
  }

  /**
   * Refreshes the tokens once for all tabs. Returns whether a user is signed in.
   * @param seen the expiry known to the caller; a newer one means that another tab refreshed first
   */
  refresh(seen = this.#until) {
    const work = () => this.#refresh(seen);
    this.#refreshing ??= exclusively(`${this.#key}:lock`, this.#refreshTimeout, work).finally(() => {
      this.#refreshing = undefined;
    });
    return this.#refreshing;
  }

  async #refresh(seen) {
    const until = await this.#load();
    if (seen !== undefined && until !== seen) {
      this.#until = until;
      return until !== null;
    }
    if (this.#bearer && !this.#tokens) return false;
    const { response, body } = await this.#renew("refresh", this.#refreshTimeout);
    if (body?.code === "invalid_refresh_token") {
      await this.#left();
      return false;
    }
    if (body?.code === "device_proof_required") {
      // The browser refreshes a bound session itself, before a request without a valid cookie.
      const current = await this.#exchange("GET", "session", undefined, { authorized: false });
      if (!current.response.ok) throw failure(current.response, current.body);
      await this.#adopt(current.body, current.response);
      return true;
    }
    if (!response.ok) throw failure(response, body);
    await this.#adopt(body, response);
    return true;
  }

  /** Sends a request that is authenticated by the refresh token. */
  #renew(path, timeout) {
    const body = this.#tokens ? { refresh_token: this.#tokens.refresh } : {};
    return this.#exchange("POST", path, body, { timeout, authorized: false });
  }

  async #call(method, path, body, { silent = false } = {}) {
    const during = this.#stepping;
    const send = async () => {
      const expired = ({ body }) => body?.code === "unauthenticated";
      const answer = await this.#send(() => this.#exchange(method, path, body), expired);
      if (!answer.response.ok) throw failure(answer.response, answer.body);
      await this.#adopt(answer.body, answer.response);
      return answer.body;
    };
    try {
      return await send();
    } catch (error) {
      if (silent || !(await this.#steppedUp(error, during))) throw error;
      return send();
    }
  }

  /** Calls `send` with a current access token, and again if the response shows that it expired. */
  async #send(send, expired) {
    this.#until ??= await this.#load();
    // If this fails, the request returns the reason.
    if (this.#until !== null && this.#until <= Date.now()) await this.refresh().catch(() => false);
    const seen = this.#until;
    const answer = await send();
    // If there was no session, there is nothing to refresh.
    if (seen === null || !expired(answer)) return answer;
    const refreshed = await this.refresh(seen).catch(() => false);
    // A route that requires no user rejects the token of an ended session, but not its absence.
    return refreshed || (this.#bearer && !this.#tokens) ? send() : answer;
  }

  /** Sends one request and reads its JSON, within the timeout. */
  async #exchange(method, path, body, { timeout = this.#timeout, authorized = true } = {}) {
    const limit = new AbortController();
    const timer = setTimeout(() => limit.abort(), timeout);
    const init = { method, signal: limit.signal, credentials: this.#credentials };
    if (body !== undefined) {
      init.headers = { "content-type": "application/json" };
      init.body = JSON.stringify(body);
    }
    try {
      const request = new Request(this.#url(path), init);
      const response = await fetch(authorized ? this.#authorized(request) : request);
      const text = await response.text();
      const json = text ? attempt(() => JSON.parse(text)) : undefined;
      if (response.ok && text && json === undefined) throw failure(response, undefined);
      return { response, body: json };
    } catch (cause) {
      if (cause instanceof AuthError) throw cause;
      const problem = limit.signal.aborted
        ? { code: "timeout", title: "The server did not respond in time" }
        : { code: "network_error", title: "The server could not be reached" };
      throw new AuthError(0, problem, { cause });
    } finally {
      clearTimeout(timer);
    }
  }

  #authorized(request) {
    if (this.#tokens && !request.headers.has("authorization")) {
      request.headers.set("authorization", `Bearer ${this.#tokens.access}`);
    }
    if (request.credentials !== "same-origin") return request;
    return new Request(request, { credentials: this.#credentials });
  }

  /**
   * Calls `onStepUp` once for all requests that wait for it. `during` is the step-up that was
   * pending when the request began: `onStepUp` may have sent it, and would wait for itself.
   */
  async #steppedUp(error, during) {
    if (error.code !== "step_up_required" || !this.onStepUp) return false;
    if (during && during === this.#stepping) return false;
    // Called after the assignment, so that its first request is one of the step-up.
    const ask = () => Promise.resolve().then(() => this.onStepUp(error));
    this.#stepping ??= ask().finally(() => {
      this.#stepping = undefined;
    });
    return Boolean(await this.#stepping);
  }

  async #signIn(path, fields) {
    const body = { ...trimmed(fields), ...this.#transport() };
    return this.#arrived(await this.request("POST", path, body));
  }

  async #leave(provider, to, redirect_to) {
    const path = `oauth/${encodeURIComponent(provider)}/${to}`;
    const body = { redirect_to: this.#absolute(redirect_to) };
    location.assign((await this.request("POST", path, body)).authorization_url);
  }

  /** A path is one of the router's origin, so a page of another origin needs the whole URL. */
  #absolute(place) {
    const elsewhere = this.#base.origin !== location.origin;
    return elsewhere ? new URL(place, location.href).href : place;
  }

  #transport() {
    return this.#bearer ? { transport: "bearer" } : {};
  }

  #url(path) {
    return new URL(path, this.#base);
  }

  // Ceremonies of WebAuthn.

  async #ceremony(how, path, { start, finish, mediation, signal, silent }) {
    const begun = await this.#call("POST", `${path}/start`, start, { silent });
    const { challenge, options } = begun;
    const credential = await this.#ask(how, options, mediation, signal);
    if (!credential) return null;
    const body = { challenge, credential, ...finish };
    try {
      return await this.#call("POST", `${path}/finish`, body, { silent });
    } catch (error) {
      // The authenticator has stored a passkey that the server has not.
      const rejected = error.status >= 400 && error.status < 500 && error.code !== "passkey_taken";
      if (how === "create" && rejected) {
        inform("signalUnknownCredential", { rpId: options.rp.id, credentialId: credential.id });
      }
      throw error;
    }
  }

  /** Runs one ceremony at a time. Returns `null` if the user or a later ceremony cancels it. */
  async #ask(how, options, mediation, cancel) {
    this.#asking?.abort();
    const asking = (this.#asking = new AbortController());
    const abort = () => asking.abort();
    if (cancel?.aborted) abort();
    cancel?.addEventListener("abort", abort);
    try {
      const publicKey = how === "create" ? creation(options) : request(options);
      const { signal } = asking;
      return toJSON(await navigator.credentials[how]({ publicKey, signal, mediation }));
    } catch (cause) {
      if (["AbortError", "NotAllowedError"].includes(cause.name)) return null;
      // The authenticator has a passkey of this account already.
      const code = cause.name === "InvalidStateError" ? "passkey_taken" : "passkey_failed";
      throw new AuthError(0, { code, title: cause.message }, { cause });
    } finally {
      cancel?.removeEventListener("abort", abort);
      if (this.#asking === asking) this.#asking = undefined;
    }
  }

  /** Shows the current name of the user in authenticators. */
  async #signalUser(user) {
    if (!globalThis.PublicKeyCredential?.signalCurrentUserDetails) return;
    const signal = (await this.request("GET", "passkeys").catch(() => null))?.signal;
    if (!signal?.allAcceptedCredentialIds?.length) return;
    const name = user.email ?? user.username ?? user.id;
    const { rpId, userId } = signal;
    const displayName = user.display_name ?? name;
    inform("signalCurrentUserDetails", { rpId, userId, name, displayName });
  }

  // The state, which tabs share.

  #arrived(answer) {
    if (answer?.status !== "complete") return answer;
    this.#announce("signin", answer.user);
    if (this.#rejected) this.passkeys().catch(() => {});
    this.#rejected = false;
    return answer;
  }

  async #left() {
    const session = this.#tokens?.session;
    await this.#keep(null);
    this.#announce("signout", undefined, session);
  }

  #announce(type, user, session) {
    this.#publish({ type, user }, session);
    this.#tell(type, user);
  }

  #tell(type, user) {
    this.dispatchEvent(new CustomEvent(type, { detail: { user } }));
  }

  /** Tabs with the same cookies, or with the same stored tokens, have the same session. */
  #publish(message, session = this.#tokens?.session) {
    const state = { session, until: this.#until, tokens: this.#tokens };
    this.#channel?.postMessage({ ...message, ...state });
  }

  #hear({ type, user, session, until, tokens }) {
    if (session !== this.#tokens?.session) return;
    this.#until = until;
    if (this.#bearer) this.#store(tokens);
    if (type) this.#tell(type, user);
  }

  /** Reads the new tokens of a response, or the expiry of the cookies. */
  async #adopt(answer, response) {
    if (this.#bearer && answer?.tokens) {
      const { access_token: access, refresh_token: refresh, expires_in } = answer.tokens;
      // Only this object needs them.
      delete answer.tokens;
      const until = Date.now() + Math.max(expires_in * 1_000 - MARGIN, 0);
      const session = answer.session?.id ?? this.#tokens?.session;
      await this.#keep(until, { access, refresh, until, session });
    } else if (!this.#bearer && answer?.session?.access_expires_at) {
      const { access_expires_at, last_seen_at } = answer.session;
      // The date of a response of another origin may be hidden.
      const now = Date.parse(response.headers.get("date") ?? last_seen_at);
      await this.#keep(Date.now() + Math.max(Date.parse(access_expires_at) - now - MARGIN, 0));
    }
  }

  async #keep(until, tokens) {
    this.#until = until;
    if (this.#bearer) this.#store(tokens);
    else await change(this.#key, () => until);
    if (until !== null) this.#publish();
  }

  #store(tokens) {
    this.#tokens = tokens;
    if (!this.#stored) return;
    if (tokens) attempt(() => sessionStorage.setItem(this.#key, JSON.stringify(tokens)));
    else attempt(() => sessionStorage.removeItem(this.#key));
  }

  /** Returns the expiry that the latest tab has stored. */
  async #load() {
    return this.#bearer ? (this.#tokens?.until ?? null) : load(this.#key);
  }
}

/** The client for the router that served this module. */
export const auth = new AuthClient();

/** Trims names, to which users and keyboards add spaces; passwords are not trimmed. */
function trimmed(fields) {
  const names = ["email", "login", "username"].filter((name) => typeof fields?.[name] === "string");
  return { ...fields, ...Object.fromEntries(names.map((name) => [name, fields[name].trim()])) };
}

/** Removes the spaces and hyphens that group a code. */
function plain(code) {
  return String(code).replaceAll(/[\s\u2010-\u2015-]/g, "");
}

/** Whether the body is JSON: a file is not read to look for a problem document. */
function isJSON(response) {
  return /^application\/(problem\+)?json\b/i.test(response.headers.get("content-type") ?? "");
}

function failure(response, problem) {
  const after = Number(response.headers.get("retry-after") ?? undefined);
  const waiting = Number.isNaN(after) ? {} : { retry_after: after };
  return new AuthError(response.status, { ...waiting, ...problem });
}

/** Informs the authenticators, if the browser supports this signal. Does not wait for them. */
function inform(signal, details) {
  attempt(() => PublicKeyCredential[signal](details))?.catch?.(() => {});
}

// Replacements for functions of WebAuthn Level 3 that older browsers lack.

function creation(options) {
  if (PublicKeyCredential.parseCreationOptionsFromJSON) {
    return PublicKeyCredential.parseCreationOptionsFromJSON(options);
  }
  return {
    ...options,
    challenge: decode(options.challenge),
    user: { ...options.user, id: decode(options.user.id) },
    excludeCredentials: options.excludeCredentials?.map((one) => ({ ...one, id: decode(one.id) })),
  };
}

function request(options) {
  if (PublicKeyCredential.parseRequestOptionsFromJSON) {
    return PublicKeyCredential.parseRequestOptionsFromJSON(options);
  }
  return {
    ...options,
    challenge: decode(options.challenge),
    allowCredentials: options.allowCredentials?.map((one) => ({ ...one, id: decode(one.id) })),
  };
}

function toJSON(credential) {
  if (!credential) return null;
  // Page scripts of password managers replace credentials with objects that the methods of the
  // platform reject, or that have no data to serialize.
  const json = attempt(() => credential.toJSON());
  if (json?.rawId && json.response?.clientDataJSON) return json;
  const { response } = credential;
  const transports = attempt(() => response.getTransports());
  const names = ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"];
  const present = names.filter((name) => response[name]);
  return {
    id: credential.id,
    rawId: encode(credential.rawId),
    type: credential.type,
    clientExtensionResults: {},
    response: {
      ...Object.fromEntries(present.map((name) => [name, encode(response[name])])),
      ...(transports && { transports }),
    },
  };
}

function attempt(read) {
  try {
    return read();
  } catch {
    return undefined;
  }
}

function decode(text) {
  const plain = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(plain, (letter) => letter.charCodeAt(0));
}

function encode(buffer) {
  const plain = String.fromCharCode(...new Uint8Array(buffer));
  return btoa(plain).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** Runs `work` in one tab at a time, or anyway if the tab before does not end within `limit`. */
async function exclusively(key, limit, work) {
  if (!globalThis.navigator?.locks) return leased(key, limit, work);
  const waiting = new AbortController();
  const timer = setTimeout(() => waiting.abort(), limit);
  let begun = false;
  const begin = () => {
    clearTimeout(timer);
    begun = true;
    return work();
  };
  try {
    return await navigator.locks.request(key, { signal: waiting.signal }, begin);
  } catch (error) {
    if (begun) throw error;
    // The server accepts refreshes at the same time.
    return begin();
  }
}

/** Plain http has no Web Locks API; a lease is used instead, which expires if its tab dies. */
async function leased(key, limit, work) {
  const mine = `${Date.now()}:${Math.random()}`;
  const end = () => Date.now() + limit + LEASE_MARGIN;
  const take = (lease) => (lease && lease.until > Date.now() ? lease : { mine, until: end() });
  const last = end();
  while ((await change(key, take)).mine !== mine && Date.now() < last) {
    await new Promise((done) => setTimeout(done, 25));
  }
  try {
    return await work();
  } finally {
    await change(key, (lease) => (lease?.mine === mine ? null : lease));
  }
}

// Data shared by tabs is in IndexedDB, which serializes writes and makes them visible to the next
// reader; localStorage guarantees neither. If the browser denies it, tabs do not share data.
const alone = new Map();
let database;

function load(key) {
  return change(key, (value) => value);
}

/** Replaces a shared value with the result of `next` and returns it; `null` is no value. */
async function change(key, next) {
  for (const last of [false, true]) {
    try {
      return await transact(await (database ??= open()), key, next);
    } catch {
      // A sign-out may clear the storage, and with it this connection.
      database = undefined;
      if (last) break;
    }
  }
  alone.set(key, next(alone.get(key) ?? null));
  return alone.get(key);
}

function open() {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open("authlayer", 1);
    request.onupgradeneeded = () => request.result.createObjectStore("shared");
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

function transact(database, key, next) {
  return new Promise((resolve, reject) => {
    const transaction = database.transaction("shared", "readwrite");
    const shared = transaction.objectStore("shared");
    let value;
    shared.get(key).onsuccess = ({ target }) => {
      value = next(target.result ?? null);
      if (value === null) shared.delete(key);
      else shared.put(value, key);
    };
    transaction.oncomplete = () => resolve(value);
    transaction.onabort = () => reject(transaction.error);
  });
}
