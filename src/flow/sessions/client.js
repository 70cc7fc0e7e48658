// Sign-in for pages. No dependency, no token in sight: the session is in cookies that
// scripts cannot read.
//
//   import { auth } from "/auth/client.js";
//   await auth.signIn({ email, password });
//   const notes = await auth.fetch("/api/notes");
//
// However many tabs and requests find the access token expired, one of them refreshes.

/** Refreshed so early, in milliseconds: the server's Date is in whole seconds. */
const MARGIN = 1_000;
/** How long a refresh may take, in milliseconds: a tab that hangs must not block the others. */
const REFRESH_TIMEOUT = 10_000;
/** How long a tab may hold the lock where the platform has none; longer than a refresh. */
const LEASE = 15_000;

/** A refusal: `status`, the stable `code`, and the whole problem document (RFC 9457). */
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
 * The session of this browser, shared by its tabs. Events: `signin` and `signout`, in every
 * tab; `detail.user` says who.
 */
export class AuthClient extends EventTarget {
  #base;
  #key;
  #channel;
  #refreshing;
  #refreshTimeout;
  #asking;
  /**
   * When the access token expires, by the clock of this machine: `null` when nobody is signed in,
   * `undefined` while this tab has yet to look.
   */
  #until;

  /**
   * @param base where the router is nested, by default where this module came from
   * @param options `refreshTimeout`: how long a refresh may take, in milliseconds
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

  /** Signs up: `{email, password, display_name?, user_metadata?}`. */
  async signUp(fields) {
    return this.#arrived(await this.#post("sign-up", trimmed(fields)));
  }

  /** Signs in: `{email, password}`. */
  async signIn(fields) {
    return this.#arrived(await this.#post("sign-in", trimmed(fields)));
  }

  /**
   * Signs in with a passkey of this device or another. With `autofill` the browser offers them
   * in a field that has `autocomplete="username webauthn"`, for as long as it takes; asking for
   * another passkey ends that. `null` when the person chose none.
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

  /** Adds a passkey to the account, which wants a fresh sign-in; `null` when the person declined. */
  async addPasskey(name) {
    const begun = await read(await this.#send("passkeys/register/start", {}));
    const credential = await this.#ask("create", begun.options);
    if (!credential) return null;
    const { challenge } = begun;
    return this.#post("passkeys/register/finish", { challenge, credential, name });
  }

  /**
   * Proves a passkey of the user: for this session, or with the `challenge` of a pending sign-in
   * in place of its code. `null` when the person declined.
   */
  async proveWithPasskey(challenge) {
    const begun = await this.#post("passkeys/verify/start", challenge ? { challenge } : {});
    const credential = await this.#ask("get", begun.options);
    if (!credential) return null;
    const body = { challenge: begun.challenge, credential };
    return this.#arrived(await this.#post("passkeys/verify/finish", body));
  }

  /** The passkeys of the user, oldest first. */
  async passkeys() {
    const { passkeys, signal } = await read(await this.fetch(new URL("passkeys", this.#base)));
    // Authenticators hide what the account no longer has; not every browser tells them.
    if (signal) globalThis.PublicKeyCredential?.signalAllAcceptedCredentials?.(signal).catch(() => {});
    return passkeys;
  }

  /** Removes a passkey, which wants a fresh sign-in; every other device is signed out. */
  async removePasskey(id) {
    const url = new URL(`passkeys/${encodeURIComponent(id)}`, this.#base);
    await read(await this.fetch(url, { method: "DELETE" }));
    await this.passkeys();
  }

  /** Runs one ceremony at a time; `null` when the person or a later ceremony ended it. */
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

  /** Answers a pending sign-up, sign-in or change: its `challenge` and the code of the message. */
  async verify(challenge, code, { remember = false } = {}) {
    code = String(code).replaceAll(/[\s\u2010-\u2015-]/g, "");
    return this.#arrived(await this.#post("verify", { challenge, code, remember }));
  }

  /** Proves the password once more on this session, as a `step_up_required` may demand. */
  async verifyPassword(password) {
    return this.#arrived(await this.#post("password/verify", { password }));
  }

  /** Mails a code that proves the mailbox once more on this session; `verify` takes it. */
  verifyByEmail() {
    return this.#post("email/verify", {});
  }

  /** Sets a first password; requires recent authentication. */
  async setPassword(new_password) {
    return this.#arrived(await this.#post("password/set", { new_password }));
  }

  /** Takes back a change of address by the token of the link; `reset_token` sets a new password. */
  undoEmailChange(token) {
    return this.#post("email/undo", { token });
  }

  /** Asks for another message; `resend_at` of the answer says when there may be one. */
  resendCode(challenge) {
    return this.#post("verify/resend", { challenge });
  }

  /** Changes the password; every other device is signed out. */
  async changePassword(current_password, new_password) {
    return this.#arrived(await this.#post("password/change", { current_password, new_password }));
  }

  /** Asks for a link to set a new password. The answer never says whether there is an account. */
  async forgotPassword(email) {
    await this.#post("password/forgot", { email: email.trim() });
  }

  /** Sets a new password by the token in the fragment of that link. */
  async resetPassword(token, new_password) {
    await this.#post("password/reset", { token, new_password });
  }

  /** Asks for a code at a new address; `verify` then changes it. */
  changeEmail(new_email) {
    return this.#post("email/change", { new_email: new_email.trim() });
  }

  /** Deletes the account, which wants a fresh sign-in. */
  async deleteAccount() {
    await read(await this.fetch(new URL("account", this.#base), { method: "DELETE" }));
    await this.#left();
  }

  /** The user and the session, or `null` when nobody is signed in. */
  async session() {
    const response = await this.fetch(new URL("session", this.#base));
    if (response.status === 401) return null;
    const body = await read(response);
    await this.#remember(body, response);
    return body;
  }

  /** Every device that is signed in, newest first. */
  async sessions() {
    return (await read(await this.fetch(new URL("sessions", this.#base)))).sessions;
  }

  /** Ends one device's session. */
  async endSession(id) {
    const url = new URL(`sessions/${encodeURIComponent(id)}`, this.#base);
    await read(await this.fetch(url, { method: "DELETE" }));
  }

  /** Ends the sessions of all other devices, or with `"all"` this one too; says how many. */
  async endSessions(scope = "others") {
    const url = new URL("sessions", this.#base);
    url.searchParams.set("scope", scope);
    const { revoked } = await read(await this.fetch(url, { method: "DELETE" }));
    if (scope === "all") await this.#left();
    return revoked;
  }

  /**
   * Like `fetch`, as the user: refreshes first when the access token is known to have expired,
   * and once more after a 401. To other origins than ours it is `fetch` itself.
   */
  async fetch(input, init) {
    const request = new Request(input, init);
    if (new URL(request.url).origin !== this.#base.origin) return fetch(request);
    this.#until ??= await load(this.#key);
    // Should this fail, the request itself will say why.
    if (this.#until !== null && this.#until <= Date.now()) await this.refresh().catch(() => false);
    const [seen, again] = [this.#until, request.clone()];
    const response = await fetch(request);
    // Without a trace of a session there is nothing to refresh.
    if (response.status !== 401 || seen === null) return response;
    return (await this.refresh(seen).catch(() => false)) ? fetch(again) : response;
  }

  /**
   * Exchanges the tokens for new ones, once for all tabs; answers whether somebody is signed in.
   * @param seen the expiry that the caller knew; a newer one means that another tab was faster
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

/** The client of the router that served this module. */
export const auth = new AuthClient();

/** People and keyboards put spaces around an address; nothing of a password is trimmed. */
function trimmed(fields) {
  return typeof fields?.email === "string" ? { ...fields, email: fields.email.trim() } : fields;
}

async function read(response) {
  if (response.status === 204) return undefined;
  const body = await response.json().catch(() => ({}));
  if (!response.ok) throw new AuthError(response.status, body);
  return body;
}

// Level 3 has these in the platform; older browsers get them here.

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
  // Page scripts of password managers replace credentials by objects that the platform's own
  // methods reject, or that have nothing to serialize.
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
  // Plain http knows no locks: a lease then, which a tab that dies gives up by itself.
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

// What tabs share is in IndexedDB: it lets one of them write at a time, and what one has written
// the next one reads. (localStorage promises neither.) A browser may refuse it; then each tab
// stands alone.
const alone = new Map();
let database;

function load(key) {
  return change(key, (value) => value);
}

/** Replaces a shared value by what `next` makes of it, and answers that; `null` is no value. */
async function change(key, next) {
  for (const last of [false, true]) {
    try {
      return await transact(await (database ??= open()), key, next);
    } catch {
      // Signing out clears the storage, and with it this connection.
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
