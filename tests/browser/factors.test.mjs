// Second factors through the browser module: authenticator apps by `oathtool`, recovery codes,
// remembered devices, and security keys and passkeys of the browser's virtual authenticator.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { advance, authenticator, launch, open, stop, testbed, totp } from "./support.mjs";

const PASSWORD = "zq8 xw2v plum";

let bed, browser;

before(async () => {
  browser = await launch();
  bed = await testbed();
});

after(async () => {
  await browser?.close();
  await stop(bed.server);
});

async function visitor(email, own = bed) {
  const page = await open(await browser.newContext(), own.origin);
  const fields = { email, password: PASSWORD };
  await page.evaluate((fields) => auth.signUp(fields), fields);
  const signIn = async () => {
    await page.evaluate(() => auth.signOut());
    return page.evaluate((fields) => auth.signIn(fields), fields);
  };
  const verify = (fields) => page.evaluate((fields) => tried(() => auth.verify(fields)), fields);
  return { page, signIn, verify };
}

const methods = ({ session }) => session.factors.map(({ method }) => method);

test("a user enrolls an authenticator app, signs in with it, and recovers with a code", async () => {
  // Codes are valid once, so each use has a later period.
  const own = await testbed();
  const { page, signIn, verify } = await visitor("ada@example.com", own);
  const { secret, uri, qr } = await page.evaluate(async () => {
    window.enrollment = await auth.enrollTotp();
    const { secret, uri, qr } = enrollment;
    return { secret, uri, qr };
  });
  assert.match(secret, /^[A-Z2-7]{32}$/);
  assert.match(uri, /^otpauth:\/\/totp\/Testbed:ada(@|%40)example\.com\?/);
  assert.equal(new URL(uri).searchParams.get("secret"), secret);
  assert.match(qr, /^<(\?xml|svg)/);
  const finish = (code) => page.evaluate((code) => tried(() => enrollment.finish(code, "Phone")), code);
  assert.equal((await finish("000000")).code, "invalid_code");
  const spaced = totp(secret).replace(/^.../, "$& ");
  const { totp: app, recovery_codes } = await finish(spaced);
  assert.equal(app.name, "Phone");
  assert.equal(recovery_codes.length, 10);
  assert.deepEqual((await page.evaluate(() => auth.totp())).map(({ id }) => id), [app.id]);
  assert.equal((await page.evaluate(() => auth.recoveryCodes())).left, 10);

  const pending = await signIn();
  assert.equal(pending.status, "pending");
  assert.deepEqual(pending.methods, ["totp", "recovery_code"]);
  assert.equal(await page.evaluate(() => auth.session()), null);
  const { challenge } = pending;
  assert.equal((await verify({ challenge, method: "totp", code: "000000" })).code, "invalid_code");
  const other = await verify({ challenge, method: "email_code", code: "000000" });
  assert.deepEqual([other.code, other.members], ["invalid_request", ["method"]]);
  const resent = await page.evaluate((fields) => tried(() => auth.resend(fields)), { challenge, method: "totp" });
  assert.equal(resent.code, "invalid_request", "an app sends no code");
  const done = await verify({ challenge, method: "totp", code: totp(secret, 1), remember: true });
  assert.deepEqual(methods(done), ["password", "totp"]);

  assert.equal((await signIn()).status, "complete", "the device is remembered");
  const [device] = await page.evaluate(() => auth.devices());
  assert.equal(device.current, true);
  await page.evaluate((id) => auth.forgetDevice(id), device.id);
  const recovery = await signIn();
  const recovered = { challenge: recovery.challenge, method: "recovery_code", code: recovery_codes[0].toUpperCase() };
  assert.deepEqual(methods(await verify({ ...recovered, remember: true })), ["password", "recovery_code"]);
  assert.equal((await page.evaluate(() => auth.recoveryCodes())).left, 9);
  assert.equal(await page.evaluate(() => auth.forgetDevices()), 1);

  await advance(own.origin, 90_000);
  const refused = await page.evaluate(() => tried(() => auth.replaceRecoveryCodes()));
  assert.deepEqual([refused.code, refused.methods], ["step_up_required", ["totp"]]);
  await page.evaluate((code) => {
    auth.onStepUp = ({ methods }) => methods.includes("totp") && auth.verifyTotp(code);
  }, totp(secret, 3));
  const codes = await page.evaluate(() => auth.replaceRecoveryCodes());
  assert.equal(new Set([...codes, ...recovery_codes]).size, 20);
  await page.evaluate((id) => auth.removeTotp(id), app.id);
  const account = await page.evaluate(() => auth.account());
  assert.deepEqual([account.two_step, account.totp, account.recovery_codes_left], [false, 0, 0]);
  await page.context().close();
  await stop(own.server);
});

test("a security key without user verification is a second factor and a step-up", async () => {
  const { page, signIn } = await visitor("bob@example.com");
  await authenticator(page, {
    transport: "usb", hasResidentKey: false, hasUserVerification: false, isUserVerified: false,
  });
  const key = await page.evaluate(() => auth.registerPasskey({ name: "Key", secondFactor: true }));
  assert.deepEqual([key.name, key.user_verified, key.transports], ["Key", false, ["usb"]]);
  const pending = await signIn();
  assert.deepEqual([pending.status, pending.methods[0]], ["pending", "security_key"]);
  const done = await page.evaluate((challenge) => auth.verifyPasskey(challenge), pending.challenge);
  assert.deepEqual(methods(done), ["password", "security_key"]);
  const again = await page.evaluate(() => auth.verifyPasskey());
  assert.equal(again.status, "complete");
  const account = await page.evaluate(() => auth.account());
  assert.deepEqual([account.passkeys, account.security_keys, account.two_step], [0, 1, true]);
  await page.evaluate((id) => auth.removePasskey(id), key.id);
  assert.equal((await signIn()).status, "complete");
  await page.context().close();
});

test("a user turns two-step verification on with passkeys alone", async () => {
  const { page, signIn } = await visitor("cyd@example.com");
  const { devtools, add, first } = await authenticator(page);
  const one = await page.evaluate(() => auth.registerPasskey({ name: "Laptop" }));
  const alone = await page.evaluate(() => tried(() => auth.setTwoStep(true)));
  assert.equal(alone.code, "no_second_factor");
  await devtools.send("WebAuthn.removeVirtualAuthenticator", { authenticatorId: first });
  await add({ transport: "usb" });
  await page.evaluate(() => auth.registerPasskey({ name: "Key ring" }));
  assert.equal(await page.evaluate(() => auth.setTwoStep(true)), true);
  const renamed = await page.evaluate((id) => auth.renamePasskey(id, "Old laptop"), one.id);
  assert.equal(renamed.name, "Old laptop");
  const pending = await signIn();
  assert.deepEqual(pending.methods, ["passkey"]);
  const done = await page.evaluate((challenge) => auth.verifyPasskey(challenge), pending.challenge);
  assert.deepEqual(methods(done), ["password", "passkey"]);
  assert.equal(await page.evaluate(() => auth.setTwoStep(false)), false);
  assert.equal((await signIn()).status, "complete");
  await page.context().close();
});

test("with bearer tokens, a remembered device is a token of the application", async () => {
  const page = await open(await browser.newContext(), bed.origin, { options: { transport: "bearer" } });
  const fields = { email: "dee@example.com", password: PASSWORD };
  await page.evaluate((fields) => auth.signUp(fields), fields);
  const secret = await page.evaluate(async () => {
    window.enrollment = await auth.enrollTotp();
    return enrollment.secret;
  });
  const finished = await page.evaluate((code) => enrollment.finish(code), totp(secret));
  assert.equal(finished.tokens, undefined);
  assert.equal(await page.evaluate(async () => (await auth.fetch("/me")).status), 200);
  await page.evaluate(() => auth.signOut());
  const { challenge } = await page.evaluate((fields) => auth.signIn(fields), fields);
  const proof = { challenge, method: "totp", code: totp(secret, 1), remember: true };
  const { device_token, session } = await page.evaluate((proof) => auth.verify(proof), proof);
  assert.equal(session.transport, "bearer");
  await page.evaluate(() => auth.signOut());
  const again = await page.evaluate((fields) => auth.signIn(fields), { ...fields, device_token });
  assert.equal(again.status, "complete");
  assert.deepEqual(await page.context().cookies(), []);
  await page.context().close();
});
