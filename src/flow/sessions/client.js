// Authentication for pages, without dependencies. The session is in cookies that scripts cannot
// read.
//
//   import { auth } from "/auth/client.js";
//   await auth.signIn({ email, password });
//   const notes = await auth.fetch("/api/notes");
//
// If several tabs or requests detect an expired access token, only one of them refreshes it.

/** How early a token is refreshed, in milliseconds: the `Date` header is in whole seconds. */
const MARGIN = 1_000;
/** The timeout of a refresh in milliseconds, so that a tab that hangs does not block the others. */
const REFRESH_TIMEOUT = 10_000;
/** The duration of the lease that replaces the Web Locks API; longer than a refresh. */
const LEASE = 15_000;

/** An error response: `status`, the stable `code`, and the problem document (RFC 9457). */
export class AuthError extends Error {
  constructor(status, problem) {
    super(problem.title ?? "The request failed");
    this.name = "AuthError";
    this.status = status;
    this.code = problem.code ?? "unknown";
    this.problem = problem;
  }
}

/**
 * The session of this browser, shared by its tabs. The events `signin` and `signout` are
 * dispatched in every tab; `detail.user` is the user.
 */
export class AuthClient extends EventTarget {
  #base;
  #key;
  #channel;
  #refreshing;
  #refreshTimeout;
  #asking;
  /**
   * The expiry of the access token, by the local clock: `null` if no user is signed in,
   * `undefined` until this tab has read it.
   */
  #until;

  /**
   * @param base the path at which the router is nested; by default that of this module
   * @param options `refreshTimeout`: the timeout of a refresh, in milliseconds
   */
  constructor(base = new URL(".", import.meta.url), { refreshTimeout = REFRESH_TIMEOUT } = {}) {
    super();
    this.#refreshTimeout = refreshTimeout;
    this.#base = new URL(base, globalThis.location?.href);
    this.#key = `authlayer:${this.#base.pathname}`;
    if (globalThis.BroadcastChannel) {
      this.#channel = new BroadcastChannel(this.#key);
      this.#channel.onmessage = ({ data: { type, user, until } }) => {
        this.#until = until;
        if (type) this.#tell(type, user);
      };
    }
  }

  /** Signs up: `{email, password, display_name?, username?, user_metadata?}`. */
  async signUp(fields) {
    return this.#arrived(await this.#post("sign-up", trimmed(fields)));
  }

  /** Signs in: `{email, password}`, or `{login, password}` with an email address or a username. */
  async signIn(fields) {
    return this.#arrived(await this.#post("sign-in", trimmed(fields)));
  }

  /**
   * Signs in with a passkey of this device or another. With `autofill`, the browser offers them
   * in a field that has `autocomplete="username webauthn"`, until another ceremony is started.
   * Returns `null` if the user selects none.
   */
  async signInWithPasskey({ email, autofill = false } = {}) {
    if (autofill && !(await globalThis.PublicKeyCredential?.isConditionalMediationAvailable?.())) {
      return null;
    }
    const named = email?.trim();
    const begun = await this.#post("passkeys/sign-in/start", named ? { email: named } : {});
    const mediation = autofill ? "conditional" : undefined;
    const credential = await this.#ask("get", begun.options, mediation);
    if (!credential) return null;
    const { challenge } = begun;
    return this.#arrived(await this.#post("passkeys/sign-in/finish", { challenge, credential }));
  }

  /** Adds a passkey; requires recent authentication. Returns `null` if the user declines. */
  async addPasskey(name) {
    const begun = await read(await this.#send("passkeys/register/start", {}));
    const credential = await this.#ask("create", begun.options);
    if (!credential) return null;
    const { challenge } = begun;
    return this.#post("passkeys/register/finish", { challenge, credential, name });
  }

  /**
   * Verifies a passkey of the user: for this session, or with the `challenge` of a pending sign-in
   * instead of its code. Returns `null` if the user declines.
   */
  async proveWithPasskey(challenge) {
    const begun = await this.#post("passkeys/verify/start", challenge ? { challenge } : {});
    const credential = await this.#ask("get", begun.options);
    if (!credential) return null;
    const body = { challenge: begun.challenge, credential };
    return this.#arrived(await this.#post("passkeys/verify/finish", body));
  }

  /** Returns the passkeys of the user, oldest first. */
  async passkeys() {
    const { passkeys, signal } = await read(await this.fetch(new URL("passkeys", this.#base)));
    // Authenticators hide removed passkeys, if the browser supports this signal.
    if (signal) globalThis.PublicKeyCredential?.signalAllAcceptedCredentials?.(signal).catch(() => {});
    return passkeys;
  }

  /** Removes a passkey and signs out all other devices; requires recent authentication. */
  async removePasskey(id) {
    const url = new URL(`passkeys/${encodeURIComponent(id)}`, this.#base);
    await read(await this.fetch(url, { method: "DELETE" }));
    await this.passkeys();
  }

  /** Runs one ceremony at a time. Returns `null` if the user or a later ceremony cancels it. */
  async #ask(how, options, mediation) {
    this.#asking?.abort();
    const asking = (this.#asking = new AbortController());
    const publicKey = how === "create" ? creation(options) : request(options);
    try {
      const { signal } = asking;
      return toJSON(await navigator.credentials[how]({ publicKey, signal, mediation }));
    } catch (error) {
      if (["AbortError", "NotAllowedError"].includes(error.name)) return null;
      throw error;
    } finally {
      if (this.#asking === asking) this.#asking = undefined;
    }
  }

  /** Ends the session, here and in every tab. */
  async signOut() {
    await this.#post("sign-out", {});
    await this.#left();
  }

  /** Completes a pending sign-up, sign-in or change with its `challenge` and the emailed code. */
  async verify(challenge, code, { remember = false } = {}) {
    code = String(code).replaceAll(/[\s\u2010-\u2015-]/g, "");
    return this.#arrived(await this.#post("verify", { challenge, code, remember }));
  }

  /** Verifies the password again on this session, for example after `step_up_required`. */
  async verifyPassword(password) {
    return this.#arrived(await this.#post("password/verify", { password }));
  }

  /** Sends an email code to verify the mailbox again on this session; complete it with `verify`. */
  verifyByEmail() {
    return this.#post("email/verify", {});
  }

  /** Sets a first password; requires recent authentication. */
  async setPassword(new_password) {
    return this.#arrived(await this.#post("password/set", { new_password }));
  }

  /** Reverts a change of the email address with the token of the link; returns a `reset_token`. */
  undoEmailChange(token) {
    return this.#post("email/undo", { token });
  }

  /** Requests another message; `resend_at` is the time from which the next one is allowed. */
  resendCode(challenge) {
    return this.#post("verify/resend", { challenge });
  }

  /** InvalidationClock the password and signs out all other devices. */
  async changePassword(current_password, new_password) {
    return this.#arrived(await this.#post("password/change", { current_password, new_password }));
  }

  /** Requests a password reset link. The response does not disclose whether an account exists. */
  async forgotPassword(email) {
    await this.#post("password/forgot", { email: email.trim() });
  }

  /** Sets a new password with the token in the fragment of that link. */
  async resetPassword(token, new_password) {
    await this.#post("password/reset", { token, new_password });
  }

  /** Requests a code at a new email address; `verify` then changes the address. */
  changeEmail(new_email) {
    return this.#post("email/change", { new_email: new_email.trim() });
  }

  /** Deletes the account; requires recent authentication. */
  async deleteAccount() {
    await read(await this.fetch(new URL("account", this.#base), { method: "DELETE" }));
    await this.#left();
  }

  /** Returns the user and the session, or `null` if no user is signed in. */
  async session() {
    const response = await this.fetch(new URL("session", this.#base));
    if (response.status === 401) return null;
    const body = await read(response);
    await this.#remember(body, response);
    return body;
  }

  /** Returns the sessions of the user, newest first. */
  async sessions() {
    return (await read(await this.fetch(new URL("sessions", this.#base)))).sessions;
  }

  /** Ends a session. */
  async endSession(id) {
    const url = new URL(`sessions/${encodeURIComponent(id)}`, this.#base);
    await read(await this.fetch(url, { method: "DELETE" }));
  }

  /** Ends all other sessions, or with `"all"` this one too. Returns their number. */
  async endSessions(scope = "others") {
    const url = new URL("sessions", this.#base);
    url.searchParams.set("scope", scope);
    const { revoked } = await read(await this.fetch(url, { method: "DELETE" }));
    if (scope === "all") await this.#left();
    return revoked;
  }

  /**
   * Like `fetch`, authenticated: refreshes the session first if the access token has expired, and
   * again after a 401. Requests to other origins are passed to `fetch` unchanged.
   */
  async fetch(input, init) {
    const request = new Request(input, init);
    if (new URL(request.url).origin !== this.#base.origin) return fetch(request);
    this.#until ??= await load(this.#key);
    // If this fails, the request returns the reason.
    if (this.#until !== null && this.#until <= Date.now()) await this.refresh().catch(() => false);
    const [seen, again] = [this.#until, request.clone()];
    const response = await fetch(request);
    // If there was no session, there is nothing to refresh.
    if (response.status !== 401 || seen === null) return response;
    return (await this.refresh(seen).catch(() => false)) ? fetch(again) : response;
  }

  /**
   * Refreshes the tokens once for all tabs. Returns whether a user is signed in.
   * @param seen the expiry known to the caller; a newer one means that another tab refreshed first
   */
  refresh(seen = this.#until) {
    this.#refreshing ??= exclusively(`${this.#key}:lock`, () => this.#refresh(seen)).finally(() => {
      this.#refreshing = undefined;
    });
    return this.#refreshing;
  }

  async #refresh(seen) {
    const until = await load(this.#key);
    if (seen !== undefined && until !== seen) {
      this.#until = until;
      return until !== null;
    }
    const limit = new AbortController();
    const timer = setTimeout(() => limit.abort(), this.#refreshTimeout);
    try {
      const response = await this.#send("refresh", {}, limit.signal);
      if (response.status === 401) {
        await this.#left();
        return false;
      }
      await this.#remember(await read(response), response);
      return true;
    } finally {
      clearTimeout(timer);
    }
  }

  #send(path, body, signal) {
    return fetch(new URL(path, this.#base), {
      signal,
      method: "POST",
      headers: { "content-type": "application/json" },
      credentials: "same-origin",
      body: JSON.stringify(body),
    });
  }

  async #post(path, body) {
    const response = await this.#send(path, body);
    const answer = await read(response);
    if (answer?.status === "complete") await this.#remember(answer, response);
    return answer;
  }

  #arrived(answer) {
    if (answer.status === "complete") this.#announce("signin", answer.user);
    return answer;
  }

  async #left() {
    await this.#keep(null);
    this.#announce("signout");
  }

  #announce(type, user) {
    this.#channel?.postMessage({ type, user, until: this.#until });
    this.#tell(type, user);
  }

  #tell(type, user) {
    this.dispatchEvent(new CustomEvent(type, { detail: { user } }));
  }

  async #remember({ session }, response) {
    const there = Date.parse(session.access_expires_at);
    const sent = Date.parse(response.headers.get("date") ?? "");
    const left = there - (Number.isNaN(sent) ? Date.now() : sent);
    await this.#keep(Date.now() + Math.max(left - MARGIN, 0));
  }

  async #keep(until) {
    this.#until = await change(this.#key, () => until);
    this.#channel?.postMessage({ until });
  }
}

/** The client for the router that served this module. */
export const auth = new AuthClient();

/** Trims names and addresses, to which users and keyboards add spaces; passwords are not trimmed. */
function trimmed(fields) {
  const all = { ...fields };
  for (const name of ["email", "login", "username"]) {
    if (typeof all[name] === "string") all[name] = all[name].trim();
  }
  return all;
}

async function read(response) {
  if (response.status === 204) return undefined;
  const body = await response.json().catch(() => ({}));
  if (!response.ok) throw new AuthError(response.status, body);
  return body;
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

/** Runs `work` in one tab at a time. */
async function exclusively(key, work) {
  if (globalThis.navigator?.locks) return navigator.locks.request(key, work);
  // Plain http has no Web Locks API; a lease is used instead, which expires if its tab dies.
  const mine = `${Date.now()}:${Math.random()}`;
  const take = (lease) =>
    lease && lease.until > Date.now() ? lease : { mine, until: Date.now() + LEASE };
  while ((await change(key, take)).mine !== mine) {
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
