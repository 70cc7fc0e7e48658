// Passkeys in a real browser, with the virtual authenticator of its developer tools.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { authenticator, launch, mail, open, stop, testbed } from "./support.mjs";

const PASSWORD = "zq8 xw2v plum";

let bed, browser;

before(async () => {
  bed = await testbed({ sign_in_code: false });
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await stop(bed.server);
});

/** A page with the module, and a virtual authenticator that consents automatically. */
async function visitor({ without, ...options } = {}) {
  const context = await browser.newContext();
  if (without) await context.addInitScript(without);
  const page = await open(context, bed.origin);
  return { context, page, ...(await authenticator(page, options)) };
}

const signUp = (page, email) =>
  page.evaluate(([email, password]) => auth.signUp({ email, password }), [email, PASSWORD]);
const status = (page, path) => page.evaluate(async (path) => (await fetch(path)).status, path);
const register = (page, name) =>
  page.evaluate((name) => tried(() => auth.registerPasskey({ name })), name);
const enter = (page, options) =>
  page.evaluate((options) => tried(() => auth.signInWithPasskey(options)), options);

test("a user adds a passkey, signs in without an email address, and steps up", async () => {
  const { context, page } = await visitor();
  await signUp(page, "ada@example.com");
  assert.equal(await status(page, "/strong"), 403);
  const passkey = await register(page, "Laptop");
  assert.equal(passkey.name, "Laptop");
  assert.deepEqual(passkey.transports, ["internal"]);
  assert.equal((await page.evaluate(() => auth.passkeys())).length, 1);

  const proved = await page.evaluate(() => auth.verifyPasskey());
  assert.deepEqual(proved.session.factors.map(({ method }) => method), ["password", "passkey"]);
  assert.equal(await status(page, "/strong"), 200);

  await page.evaluate(() => auth.signOut());
  assert.equal(await status(page, "/me"), 401);
  const entered = await enter(page);
  assert.equal(entered.user.email, "ada@example.com");
  assert.equal(await status(page, "/strong"), 200);

  const again = await register(page, "Laptop again");
  assert.deepEqual([again.name, again.code, again.status], ["AuthError", "passkey_taken", 0]);
  await page.evaluate(() => auth.signOut());
  const named = await enter(page, { email: "ada@example.com" });
  assert.equal(named.status, "complete");
  await context.close();
});

test("passkeys work in a browser without the JSON methods of Level 3", async () => {
  const without = () => {
    delete PublicKeyCredential.parseCreationOptionsFromJSON;
    delete PublicKeyCredential.parseRequestOptionsFromJSON;
    delete PublicKeyCredential.prototype.toJSON;
  };
  const { context, page } = await visitor({ without });
  await signUp(page, "older@example.com");
  const passkey = await register(page, "Laptop");
  assert.deepEqual(passkey.transports, ["internal"]);
  const proved = await page.evaluate(() => auth.verifyPasskey());
  assert.equal(proved.status, "complete");
  await page.evaluate(() => auth.signOut());
  assert.equal((await enter(page)).user.email, "older@example.com");
  await context.close();
});

test("a broken toJSON falls back to reading the members", async () => {
  const without = () => {
    PublicKeyCredential.prototype.toJSON = () => {
      throw new TypeError("Illegal invocation");
    };
  };
  const { context, page } = await visitor({ without });
  await signUp(page, "patched@example.com");
  assert.deepEqual((await register(page, "Laptop")).transports, ["internal"]);
  await page.evaluate(() => auth.signOut());
  assert.equal((await enter(page)).user.email, "patched@example.com");
  await context.close();
});

test("a credential with broken methods is serialized from its members", async () => {
  const without = () => {
    const broken = () => {
      throw new TypeError("Illegal invocation");
    };
    PublicKeyCredential.prototype.toJSON = () => ({});
    PublicKeyCredential.prototype.getClientExtensionResults = broken;
    AuthenticatorAttestationResponse.prototype.getTransports = broken;
  };
  const { context, page } = await visitor({ without });
  await signUp(page, "hollow@example.com");
  assert.deepEqual((await register(page, "Laptop")).transports, []);
  await page.evaluate(() => auth.signOut());
  assert.equal((await enter(page)).user.email, "hollow@example.com");
  await context.close();
});

/** Replaces the signals of the browser, which have no visible effect, by a list of them. */
const recordSignals = () => {
  window.signaled = [];
  for (const name of ["UnknownCredential", "AllAcceptedCredentials", "CurrentUserDetails"]) {
    PublicKeyCredential[`signal${name}`] = async (details) => void signaled.push([name, details]);
  }
};
const signals = (page) => page.evaluate(() => signaled.splice(0));

test("authenticators are informed of the accepted passkeys when they are listed or removed", async () => {
  const { context, page } = await visitor({ without: recordSignals });
  await signUp(page, "signal@example.com");
  await register(page, "Laptop");
  const [passkey] = await page.evaluate(() => auth.passkeys());
  const [[name, list], ...others] = await signals(page);
  assert.deepEqual([name, list.rpId, others], ["AllAcceptedCredentials", "localhost", []]);
  assert.equal(list.allAcceptedCredentialIds.length, 1);
  assert.match(list.userId, /^[\w-]{22}$/);
  await page.evaluate((id) => auth.removePasskey(id), passkey.id);
  assert.deepEqual(await signals(page), [
    ["AllAcceptedCredentials", { ...list, allAcceptedCredentialIds: [] }],
  ]);
  // The authenticator still has the passkey: it learns of the removal at the next sign-in.
  await page.evaluate(() => auth.signOut());
  assert.equal((await enter(page)).code, "invalid_passkey");
  assert.deepEqual(await signals(page), []);
  const fields = { email: "signal@example.com", password: PASSWORD };
  await page.evaluate((fields) => auth.signIn(fields), fields);
  await page.waitForFunction(() => signaled.length > 0);
  assert.deepEqual(await signals(page), [
    ["AllAcceptedCredentials", { ...list, allAcceptedCredentialIds: [] }],
  ]);
  await context.close();
});

test("authenticators are informed of the name of the user when it changes", async () => {
  const { context, page } = await visitor({ without: recordSignals });
  await signUp(page, "before@example.com");
  await page.evaluate(() => auth.updateAccount({ display_name: "Ada" }));
  assert.deepEqual(await signals(page), [], "without passkeys there is nothing to rename");
  await register(page, "Laptop");
  await page.evaluate(() => auth.updateAccount({ display_name: "Ada L." }));
  const [[name, details]] = await signals(page);
  assert.deepEqual([name, details.name, details.displayName], ["CurrentUserDetails", "before@example.com", "Ada L."]);
  const { challenge } = await page.evaluate(() => auth.changeEmail("after@example.com"));
  const { code } = (await mail(bed.origin, "after@example.com")).at(-1);
  await page.evaluate((proof) => auth.verify(proof), { challenge, code });
  await page.waitForFunction(() => signaled.length > 0);
  assert.deepEqual(await signals(page), [["CurrentUserDetails", { ...details, name: "after@example.com" }]]);
  await context.close();
});

test("a step-up before the code does not replace the signal of a new email address", async () => {
  const { context, page } = await visitor({ without: recordSignals });
  await signUp(page, "earlier@example.com");
  await register(page, "Laptop");
  const { challenge } = await page.evaluate(() => auth.changeEmail("later@example.com"));
  await page.evaluate(() => auth.verifyPasskey());
  const { code } = (await mail(bed.origin, "later@example.com")).at(-1);
  await page.evaluate((proof) => auth.verify(proof), { challenge, code });
  await page.waitForFunction(() => signaled.length > 0);
  const all = await signals(page);
  assert.deepEqual(all.map(([name, details]) => [name, details.name]), [["CurrentUserDetails", "later@example.com"]]);
  await context.close();
});

test("a removed passkey is removed even if authenticators cannot be informed", async () => {
  const { context, page } = await visitor();
  await signUp(page, "removed@example.com");
  await register(page, "Laptop");
  const [passkey] = await page.evaluate(() => auth.passkeys());
  await context.route("**/auth/passkeys", (route) => route.abort());
  assert.equal(await page.evaluate((id) => tried(() => auth.removePasskey(id)), passkey.id), null);
  await context.unroute("**/auth/passkeys");
  await page.evaluate(() => {
    PublicKeyCredential.signalAllAcceptedCredentials = () => {
      throw new TypeError("not supported");
    };
  });
  assert.deepEqual(await page.evaluate(() => auth.passkeys()), []);
  await register(page, "Laptop again");
  const [again] = await page.evaluate(() => auth.passkeys());
  assert.equal(await page.evaluate((id) => tried(() => auth.removePasskey(id)), again.id), null);
  await context.close();
});

test("authenticators are informed of a passkey that the server rejected", async () => {
  const { context, page, devtools, first } = await visitor({ without: recordSignals });
  await signUp(page, "rejected@example.com");
  const answer = async (status, code) => {
    await context.unroute("**/register/finish");
    await context.route("**/register/finish", (route) => route.fulfill({ status, json: { code, title: code } }));
  };
  await answer(422, "invalid_passkey");
  assert.equal((await register(page, "Laptop")).code, "invalid_passkey");
  const { credentials } = await devtools.send("WebAuthn.getCredentials", { authenticatorId: first });
  const credentialId = credentials[0].credentialId.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  assert.deepEqual(await signals(page), [["UnknownCredential", { rpId: "localhost", credentialId }]]);
  // Without a response, the server may have stored it.
  await answer(503, "unavailable");
  assert.equal((await register(page, "Laptop")).code, "unavailable");
  await answer(409, "passkey_taken");
  assert.equal((await register(page, "Laptop")).code, "passkey_taken");
  assert.deepEqual(await signals(page), []);
  await context.close();
});

test("a user signs up with a passkey and without a password", async () => {
  const { context, page } = await visitor();
  const fields = { email: " new@example.com", display_name: "New", name: "Laptop" };
  const done = await page.evaluate((fields) => tried(() => auth.signUpWithPasskey(fields)), fields);
  assert.deepEqual([done.user.email, done.user.display_name], ["new@example.com", "New"]);
  const account = await page.evaluate(() => auth.account());
  assert.deepEqual([account.has_password, account.passkeys], [false, 1]);
  await context.close();
});

test("a password manager creates a passkey without a dialog after a sign-in with a password", async () => {
  // Chromium does so only with its own password manager, which a test cannot have.
  const without = () => {
    window.conditional = [];
    const create = CredentialsContainer.prototype.create;
    CredentialsContainer.prototype.create = function ({ mediation, ...options }) {
      conditional.push([mediation, options.publicKey.authenticatorSelection.userVerification]);
      return create.call(this, options).then((credential) => {
        // Password managers neither test presence nor verify the user then.
        const json = credential.toJSON();
        const bytes = new Uint8Array(credential.response.attestationObject);
        const data = new Uint8Array(credential.response.getAuthenticatorData());
        const at = bytes.findIndex((_, at) => data.every((byte, next) => bytes[at + next] === byte));
        bytes[at + 32] &= ~0x05;
        json.response.attestationObject = bytes.toBase64({ alphabet: "base64url", omitPadding: true });
        return { toJSON: () => json };
      });
    };
  };
  const { context, page } = await visitor({ without });
  await signUp(page, "upgrade@example.com");
  const passkey = await page.evaluate(() => auth.upgradeToPasskey({ name: "Password manager" }));
  assert.equal(passkey.name, "Password manager");
  assert.equal(await page.evaluate(() => auth.upgradeToPasskey()), null, "there is one already");
  const asked = await page.evaluate(() => conditional);
  // The new passkey is the strongest factor, which this session has not verified yet.
  assert.deepEqual(asked, [["conditional", "preferred"]]);
  await page.evaluate(() => auth.signOut());
  assert.equal((await enter(page)).user.email, "upgrade@example.com");

  await page.evaluate(() => {
    conditional.length = 0;
    PublicKeyCredential.getClientCapabilities = async () => ({ conditionalCreate: false });
  });
  assert.equal(await page.evaluate(() => auth.upgradeToPasskey()), null);
  assert.deepEqual(await page.evaluate(() => conditional), [], "the browser does not support it");
  await context.close();
});

test("a page cancels a ceremony", async () => {
  const { context, page, devtools, first } = await visitor();
  await signUp(page, "cancel@example.com");
  await devtools.send("WebAuthn.setAutomaticPresenceSimulation", { authenticatorId: first, enabled: false });
  const cancelled = await page.evaluate(async () => {
    const cancel = new AbortController();
    const waiting = tried(() => auth.registerPasskey({ signal: cancel.signal }));
    cancel.abort();
    return [await waiting, await tried(() => auth.registerPasskey({ signal: AbortSignal.abort() }))];
  });
  assert.deepEqual(cancelled, [null, null]);
  await context.close();
});

test("the browser offers the passkey by autofill", async () => {
  const { context, page } = await visitor();
  await signUp(page, "autofill@example.com");
  await register(page, "Laptop");
  await page.evaluate(() => auth.signOut());
  await page.setContent('<input autocomplete="username webauthn" autofocus>');
  const entered = await enter(page, { autofill: true });
  assert.equal(entered.user.email, "autofill@example.com");
  await context.close();
});

test("a ceremony that is aborted by another one is not an error", async () => {
  const { context, page, devtools, first } = await visitor();
  await signUp(page, "abort@example.com");
  await register(page, "Laptop");
  await page.evaluate(() => auth.signOut());
  await devtools.send("WebAuthn.setAutomaticPresenceSimulation", { authenticatorId: first, enabled: false });
  await page.evaluate(async () => {
    window.waiting = tried(() => auth.signInWithPasskey());
    await new Promise((done) => setTimeout(done, 300));
  });
  await devtools.send("WebAuthn.setAutomaticPresenceSimulation", { authenticatorId: first, enabled: true });
  const done = await enter(page);
  assert.equal(await page.evaluate(() => window.waiting), null);
  assert.equal(done.user.email, "abort@example.com");
  await context.close();
});

test("one of two authenticators is removed and no longer signs in", async () => {
  const { context, page, devtools, add, first } = await visitor();
  await signUp(page, "two@example.com");
  const one = await register(page, "Laptop");
  const { credentials } = await devtools.send("WebAuthn.getCredentials", { authenticatorId: first });
  await devtools.send("WebAuthn.removeVirtualAuthenticator", { authenticatorId: first });
  await add({ transport: "usb" });
  const two = await register(page, "Key ring");
  assert.deepEqual(two.transports, ["usb"]);
  await page.evaluate((id) => auth.removePasskey(id), one.id);
  assert.equal((await page.evaluate(() => auth.passkeys())).length, 1);
  await page.evaluate(() => auth.signOut());
  assert.equal((await enter(page)).user.email, "two@example.com");
  await page.evaluate(() => auth.signOut());
  await context.close();

  const thief = await visitor();
  await thief.devtools.send("WebAuthn.addCredential", {
    authenticatorId: thief.first,
    credential: credentials[0],
  });
  assert.equal((await enter(thief.page)).code, "invalid_passkey");
  await thief.context.close();
});

test("a cloned authenticator with a lower counter is rejected", async () => {
  const { context, page, devtools, first } = await visitor();
  await signUp(page, "clone@example.com");
  await register(page, "Laptop");
  const { credentials } = await devtools.send("WebAuthn.getCredentials", { authenticatorId: first });
  await page.evaluate(() => auth.signOut());
  for (let uses = 0; uses < 3; uses++) assert.equal((await enter(page)).status, "complete");
  await context.close();

  const clone = await visitor();
  await clone.devtools.send("WebAuthn.addCredential", {
    authenticatorId: clone.first,
    credential: credentials[0],
  });
  assert.equal((await enter(clone.page)).code, "invalid_passkey");
  assert.equal(await status(clone.page, "/me"), 401);
  const { events } = await (await fetch(`${bed.origin}/testbed/events`)).json();
  assert.equal(events.filter(({ kind }) => kind === "passkey_cloned").length, 1);
  await clone.context.close();
});

test("registration and sign-in require user verification", async () => {
  const { context, page, devtools, first } = await visitor();
  await signUp(page, "unverified@example.com");
  await register(page, "Laptop");
  await devtools.send("WebAuthn.setUserVerified", { authenticatorId: first, isUserVerified: false });
  assert.equal(await register(page, "Second"), null);
  await page.evaluate(() => auth.signOut());
  assert.equal(await enter(page), null);
  assert.equal(await status(page, "/me"), 401);
  await context.close();
});
