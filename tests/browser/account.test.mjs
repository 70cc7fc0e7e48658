// The account of a user through the browser module: sign-in by email, profile, events, identities,
// API keys, anonymous users.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";

import { advance, freePort, launch, load, mail, open, stop, testbed, totp } from "./support.mjs";

const PASSWORD = "zq8 xw2v plum";
const PROVIDER = fileURLToPath(new URL("../../examples/oidc/", import.meta.url));

let bed, browser;

before(async () => {
  bed = await testbed({ keep_events: true });
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await stop(bed.server);
});

const visit = async (options) => open(await browser.newContext(), bed.origin, options);
const run = (page, name, ...given) =>
  page.evaluate(([name, given]) => tried(() => auth[name](...given)), [name, given]);
const last = async (email) => (await mail(bed.origin, email)).at(-1);
const token = (message) => message.link.split("#token=")[1];

test("a user signs in by email, with the code or with the link", async () => {
  const page = await visit();
  const email = "ada@example.com";
  const asked = { email: ` ${email} `, redirect_to: "/notes", display_name: "Ada" };
  const pending = await run(page, "signInByEmail", asked);
  assert.deepEqual([pending.status, pending.methods], ["pending", ["email_code"]]);
  const { code } = await last(email);
  const done = await run(page, "verify", { challenge: pending.challenge, code });
  assert.equal(done.status, "complete");
  assert.equal(done.redirect_to, "/notes");
  assert.deepEqual([done.user.display_name, done.user.email_verified], ["Ada", true]);
  await run(page, "signOut");

  await run(page, "signInByEmail", { email });
  const entered = await run(page, "signInByLink", token(await last(email)));
  assert.deepEqual(entered.session.factors.map(({ method }) => method), ["email_link"]);

  await run(page, "signInByEmail", { email });
  const link = token(await last(email));
  const phone = await visit();
  const elsewhere = await run(phone, "signInByLink", link);
  assert.deepEqual([elsewhere.status, elsewhere.code], [409, "confirm_required"]);
  assert.match(elsewhere.problem.address, /^a•+@example\.com$/);
  const confirmed = await run(phone, "signInByLink", link, { confirm: true });
  assert.equal(confirmed.status, "complete");
  await Promise.all([page.context().close(), phone.context().close()]);
});

test("a user without a password verifies the mailbox again and sets one", async () => {
  const page = await visit();
  const email = "bob@example.com";
  const begun = await run(page, "signInByEmail", { email });
  await run(page, "verify", { challenge: begun.challenge, code: (await last(email)).code });
  await advance(bed.origin, 700_000);
  const refused = await run(page, "setPassword", PASSWORD);
  assert.deepEqual([refused.code, refused.methods], ["step_up_required", ["email_code"]]);
  const { challenge } = await run(page, "verifyByEmail");
  await run(page, "verify", { challenge, code: (await last(email)).code });
  assert.equal((await run(page, "setPassword", PASSWORD)).status, "complete");
  assert.equal((await run(page, "account")).has_password, true);
  await run(page, "signOut");
  const answer = await run(page, "signIn", { email: ` ${email}`, password: PASSWORD, persistent: false });
  assert.equal(answer.status, "complete");
  const cookies = await page.context().cookies();
  const session = cookies.filter(({ name }) => ["auth", "auth-refresh"].includes(name));
  assert.deepEqual(session.map(({ expires }) => expires), [-1, -1], "they end with the browser");

  const change = await run(page, "changeEmail", " new-bob@example.com");
  const code = (await last("new-bob@example.com")).code;
  const changed = await run(page, "verify", { challenge: change.challenge, code });
  assert.equal(changed.user.email, "new-bob@example.com");
  const undo = (await mail(bed.origin, email)).findLast(({ link }) => link?.includes("undo"));
  const undone = await run(page, "undoEmailChange", token(undo));
  await run(page, "resetPassword", undone.reset_token, "wq3 tulip okapi");
  assert.equal(await run(page, "session"), null, "every session ended");
  const back = await run(page, "signIn", { email, password: "wq3 tulip okapi" });
  assert.equal(back.user.email, email);
  await page.context().close();
});

test("a user requests an account recovery, and cancels it by the link", async () => {
  // Its clock is that of the codes.
  const own = await testbed();
  const visit = async () => open(await browser.newContext(), own.origin);
  const last = async (email) => (await mail(own.origin, email)).at(-1);
  const page = await visit();
  const email = "hal@example.com";
  const { challenge } = await run(page, "signInByEmail", { email });
  await run(page, "verify", { challenge, code: (await last(email)).code });
  const secret = await page.evaluate(async () => {
    window.enrollment = await auth.enrollTotp();
    return enrollment.secret;
  });
  await page.evaluate((code) => enrollment.finish(code), totp(secret));
  const methods = await page.evaluate(async () => {
    window.recovery = await auth.requestRecovery();
    return recovery.methods;
  });
  assert.deepEqual(methods, ["email_code"]);
  const finish = (code) => page.evaluate((code) => tried(() => recovery.finish(code)), code);
  const { code } = await last(email);
  assert.equal((await finish(code === "000000" ? "000001" : "000000")).code, "invalid_code");
  const before = Date.now();
  const { available_at } = await finish(code.replace(/^.../, "$& "));
  assert.ok(Date.parse(available_at) >= before + 24 * 3_600_000, available_at);

  const link = token(await last(email));
  const phone = await visit();
  assert.equal(await run(phone, "cancelRecovery", link), null);
  const again = await run(phone, "cancelRecovery", link);
  assert.deepEqual([again.status, again.code], [401, "invalid_token"]);
  assert.equal(await run(page, "session"), null, "all devices are signed out");
  await phone.context().close();
  await page.context().close();
  await stop(own.server);
});

test("a user edits the profile and reads the events of the account", async () => {
  const page = await visit();
  await run(page, "signUp", { email: "cyd@example.com", password: PASSWORD, display_name: "Cyd" });
  const user = await run(page, "updateAccount", { display_name: "Cyd C.", locale: "de-CH" });
  assert.deepEqual([user.display_name, user.user_metadata.locale], ["Cyd C.", "de-CH"]);
  const account = await run(page, "account");
  assert.deepEqual([account.user.display_name, account.passkeys, account.identities], ["Cyd C.", 0, 0]);
  let found;
  // Events are written in the background.
  do found = await run(page, "accountEvents");
  while (!found.events.some(({ kind }) => kind === "account_updated"));
  assert.equal(found.next_cursor, null);
  assert.ok(found.events.some(({ kind }) => kind === "signed_in"));
  const none = await run(page, "accountEvents", "no such cursor");
  assert.equal(none.status, 400);
  await page.context().close();
});

test("an anonymous user keeps the id, and opens a connection with a ticket", async () => {
  const page = await visit();
  const { user } = await run(page, "signInAnonymously");
  assert.equal(user.is_anonymous, true);
  const { ticket, expires_in } = await run(page, "ticket");
  assert.equal(expires_in, 30);
  const subject = await page.evaluate((ticket) => new Promise((received) => {
    const socket = new WebSocket(`/ws?ticket=${ticket}`.replace(/^/, location.origin.replace("http", "ws")));
    socket.onmessage = ({ data }) => received(JSON.parse(data).subject);
  }), ticket);
  assert.equal(subject.id, user.id);
  const named = await run(page, "signUp", { email: "dee@example.com", password: PASSWORD });
  assert.deepEqual([named.user.id, named.user.is_anonymous], [user.id, false]);
  await page.context().close();

  const bearer = await visit({ options: { transport: "bearer" } });
  const guest = await run(bearer, "signInAnonymously");
  const kept = await run(bearer, "signUp", { email: "eve@example.com", password: PASSWORD });
  assert.equal(kept.user.id, guest.user.id);
  await bearer.context().close();
});

test("a user creates and revokes an API key", async () => {
  const page = await visit();
  const { user } = await run(page, "signUp", { email: "fay@example.com", password: PASSWORD });
  await fetch(`${bed.origin}/testbed/users/${user.id}`, {
    method: "PATCH",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ scopes: ["notes:read"] }),
  });
  const key = await run(page, "createApiKey", { name: "CI", scopes: ["notes:read"], expires_in: 3600 });
  const status = async () => {
    const response = await fetch(`${bed.origin}/key`, { headers: { authorization: `Bearer ${key.key}` } });
    return response.status;
  };
  assert.equal(await status(), 200);
  const [listed] = await run(page, "apiKeys");
  assert.deepEqual([listed.id, listed.name, listed.key], [key.id, "CI", undefined]);
  const wrong = await run(page, "createApiKey", { name: "CI", scopes: ["admin"] });
  assert.equal(wrong.status, 422);
  await run(page, "revokeApiKey", key.id);
  assert.equal(await status(), 401);
  await page.context().close();
});

test("a user links a provider, verifies and signs in with it, and unlinks it", async () => {
  const [port, providerPort] = [await freePort(), await freePort()];
  const origin = `http://localhost:${port}`;
  const client_secret = "not-a-secret-outside-this-example";
  const own = await testbed({
    listen: `127.0.0.1:${port}`,
    origin,
    redirect_allow: [`${origin}/public`],
    oidc: [
      { id: "corp", issuer: `http://localhost:${providerPort}`, client_id: "corp", client_secret, max_age_s: 600 },
    ],
  });
  const provider = spawn("node", ["provider.mjs"], {
    cwd: PROVIDER,
    env: { ...process.env, APP: origin, PROVIDER_PORT: String(providerPort) },
    stdio: ["ignore", "pipe", "ignore"],
  });
  await once(provider.stdout, "data");
  const page = await open(await browser.newContext(), origin);
  const button = (name) => page.getByRole("button", { name });
  const enter = async (name, ...given) => {
    // The page is left before the call returns.
    await page.evaluate(([name, given]) => void auth[name](...given), [name, given]);
    await page.waitForFunction(() => window.auth === undefined);
    const login = page.getByPlaceholder("Enter any login");
    // The provider does not ask a second time for what it knows.
    while (page.url().startsWith(`http://localhost:${providerPort}/`)) {
      await login.or(button("Continue")).waitFor();
      if (await login.isVisible()) {
        await login.fill("gus");
        await page.getByPlaceholder("and password").fill("anything");
        await button("Sign-in").click();
      } else {
        await button("Continue").click();
      }
      await page.waitForLoadState();
    }
  };
  const { user } = await run(page, "signUp", { email: "gus@example.com", password: PASSWORD });
  await enter("linkProvider", "corp", { redirect_to: "/public?linked" });
  assert.equal(page.url(), `${origin}/public?linked`);
  await load(page);
  const [identity] = await run(page, "identities");
  assert.deepEqual([identity.provider, identity.subject], ["corp", "gus"]);

  await enter("verifyWithProvider", "corp", { redirect_to: "/public" });
  await load(page);
  const { session } = await run(page, "session");
  assert.deepEqual(session.factors.map(({ method }) => method), ["password", "provider"]);

  await run(page, "signOut");
  await enter("signInWithProvider", "corp", { redirect_to: "/public", persistent: false });
  await load(page);
  assert.equal((await run(page, "session")).user.id, user.id);

  const options = { transport: "bearer" };
  await run(page, "signOut");
  await load(page, options);
  await enter("signInWithProvider", "corp", { redirect_to: `${origin}/public` });
  const code = new URL(page.url()).searchParams.get("code");
  await load(page, options);
  const exchanged = await run(page, "exchange", code);
  assert.deepEqual([exchanged.user.id, exchanged.session.transport], [user.id, "bearer"]);
  assert.equal((await run(page, "exchange", code)).code, "invalid_request", "the verifier is used");
  await run(page, "verifyPassword", PASSWORD);
  await run(page, "unlink", identity.id);
  assert.deepEqual(await run(page, "identities"), []);
  await page.context().close();
  provider.kill();
  await once(provider, "exit");
  await stop(own.server);
});
