// Passkeys in a real browser, with the virtual authenticator of its developer tools.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { launch, stop, testbed } from "./support.mjs";

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
  const page = await context.newPage();
  const devtools = await context.newCDPSession(page);
  await devtools.send("WebAuthn.enable");
  const add = async (more = {}) => {
    const { authenticatorId } = await devtools.send("WebAuthn.addVirtualAuthenticator", {
      options: {
        protocol: "ctap2",
        transport: "internal",
        hasResidentKey: true,
        hasUserVerification: true,
        isUserVerified: true,
        automaticPresenceSimulation: true,
        ...options,
        ...more,
      },
    });
    return authenticatorId;
  };
  const first = await add();
  await page.goto(`${bed.origin}/public`);
  await page.evaluate(async () => {
    window.asked = async (work) => {
      try {
        return await work();
      } catch (error) {
        return { code: error.problem?.code ?? error.name };
      }
    };
    ({ auth: window.auth } = await import("/auth/client.js"));
  });
  return { context, page, devtools, add, first };
}

const signUp = (page, email) =>
  page.evaluate(([email, password]) => auth.signUp({ email, password }), [email, PASSWORD]);
const status = (page, path) => page.evaluate(async (path) => (await fetch(path)).status, path);
const addPasskey = (page, name) => page.evaluate((name) => asked(() => auth.addPasskey(name)), name);
const enter = (page, options) =>
  page.evaluate((options) => asked(() => auth.signInWithPasskey(options)), options);

test("a user adds a passkey, signs in without an email address, and steps up", async () => {
  const { context, page } = await visitor();
  await signUp(page, "ada@example.com");
  assert.equal(await status(page, "/strong"), 403);
  const passkey = await addPasskey(page, "Laptop");
  assert.equal(passkey.name, "Laptop");
  assert.deepEqual(passkey.transports, ["internal"]);
  assert.equal((await page.evaluate(() => auth.passkeys())).length, 1);

  const proved = await page.evaluate(() => auth.proveWithPasskey());
  assert.deepEqual(proved.session.factors.map(({ method }) => method), ["password", "passkey"]);
  assert.equal(await status(page, "/strong"), 200);

  await page.evaluate(() => auth.signOut());
  assert.equal(await status(page, "/me"), 401);
  const entered = await enter(page);
  assert.equal(entered.user.email, "ada@example.com");
  assert.equal(await status(page, "/strong"), 200);

  const again = await addPasskey(page, "Laptop again");
  assert.equal(again.code, "InvalidStateError", "the authenticator already has one");
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
  const passkey = await addPasskey(page, "Laptop");
  assert.deepEqual(passkey.transports, ["internal"]);
  const proved = await page.evaluate(() => auth.proveWithPasskey());
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
  assert.deepEqual((await addPasskey(page, "Laptop")).transports, ["internal"]);
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
  assert.deepEqual((await addPasskey(page, "Laptop")).transports, []);
  await page.evaluate(() => auth.signOut());
  assert.equal((await enter(page)).user.email, "hollow@example.com");
  await context.close();
});

test("the accepted passkeys of the account are signaled to the authenticator", async () => {
  const without = () => {
    window.signaled = [];
    PublicKeyCredential.signalAllAcceptedCredentials = async (list) => void signaled.push(list);
  };
  const { context, page } = await visitor({ without });
  await signUp(page, "signal@example.com");
  await addPasskey(page, "Laptop");
  await page.evaluate(() => auth.passkeys());
  const [list] = await page.evaluate(() => signaled);
  assert.equal(list.rpId, "localhost");
  assert.equal(list.allAcceptedCredentialIds.length, 1);
  assert.match(list.userId, /^[\w-]{22}$/);
  await context.close();
});

test("the browser offers the passkey by autofill", async () => {
  const { context, page } = await visitor();
  await signUp(page, "autofill@example.com");
  await addPasskey(page, "Laptop");
  await page.evaluate(() => auth.signOut());
  await page.setContent('<input autocomplete="username webauthn" autofocus>');
  const entered = await enter(page, { autofill: true });
  assert.equal(entered.user.email, "autofill@example.com");
  await context.close();
});

test("a ceremony that is aborted by another one is not an error", async () => {
  const { context, page, devtools, first } = await visitor();
  await signUp(page, "abort@example.com");
  await addPasskey(page, "Laptop");
  await page.evaluate(() => auth.signOut());
  await devtools.send("WebAuthn.setAutomaticPresenceSimulation", { authenticatorId: first, enabled: false });
  await page.evaluate(async () => {
    window.waiting = asked(() => auth.signInWithPasskey());
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
  const one = await addPasskey(page, "Laptop");
  const { credentials } = await devtools.send("WebAuthn.getCredentials", { authenticatorId: first });
  await devtools.send("WebAuthn.removeVirtualAuthenticator", { authenticatorId: first });
  await add({ transport: "usb" });
  const two = await addPasskey(page, "Key ring");
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
  await addPasskey(page, "Laptop");
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
  await addPasskey(page, "Laptop");
  await devtools.send("WebAuthn.setUserVerified", { authenticatorId: first, isUserVerified: false });
  assert.equal(await addPasskey(page, "Second"), null);
  await page.evaluate(() => auth.signOut());
  assert.equal(await enter(page), null);
  assert.equal(await status(page, "/me"), 401);
  await context.close();
});
