// Security keys without user verification through the pages, and the end of an account recovery.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { authenticator, launch, load, stop, testbed } from "../support.mjs";
import {
  advance, lastCode, lastLink, mails, now, signIn, signUp, submit, totp, visit,
} from "./support.mjs";

let bed, browser, origin;

before(async () => {
  bed = await testbed({ pages: true, verify_email: true, limits: false });
  origin = bed.origin;
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await stop(bed.server);
});

async function verified(page, email) {
  await signUp(page, origin, email, "/account/security");
  await page.waitForURL("**/account/verify");
  await page.locator("input[name=code]").fill(await lastCode(origin, email));
  await submit(page);
  await page.waitForURL("**/account/security");
}

test("a security key completes a sign-in and verifies again", async () => {
  const { page, close } = await visit(browser);
  const email = "key@example.com";
  await verified(page, email);
  await authenticator(page, {
    transport: "usb", hasResidentKey: false, hasUserVerification: false, isUserVerified: false,
  });
  // An application adds security keys with the browser module.
  await page.goto(`${origin}/public`);
  await load(page);
  const key = await page.evaluate(() => auth.registerPasskey({ name: "Key", secondFactor: true }));
  assert.equal(key.user_verified, false);

  await signIn(page, origin, email);
  await page.waitForURL("**/account/verify");
  await page.locator("[data-passkey=verify]").click();
  await page.waitForURL("**/public");
  await advance(origin, 601);
  await page.goto(`${origin}/fresh`);
  await page.waitForURL("**/account/step-up?**");
  await page.locator("[data-passkey=verify]").click();
  await page.waitForURL("**/fresh");
  await close();
});

for (const javaScriptEnabled of [true, false]) {
  const how = javaScriptEnabled ? "with" : "without";
  const name = (text) => `${text}, ${how} JavaScript`;

  test(name("an account recovery is cancelled by its link"), async () => {
    const { page, close } = await visit(browser, { javaScriptEnabled });
    const email = `recovery-${how}@example.com`;
    await verified(page, email);
    await page.locator("#totp form[action$='security/totp'] button").last().click();
    const secret = (await page.locator("#secret").textContent()).trim();
    await page.locator("input[name=code]").fill(await totp(secret, await now(origin)));
    await submit(page);
    await page.locator(".codes code").last().waitFor();

    await page.goto(`${origin}/account/security`);
    await page.locator("form[action$='security/recovery'] button").click();
    await page.waitForURL("**/account/verify");
    await page.locator("input[name=code]").fill(await lastCode(origin, email));
    await submit(page);
    await page.waitForURL("**/account/security");
    const kinds = (await mails(origin, email)).map(({ kind }) => kind);
    assert.equal(kinds.at(-1), "notice_recovery_requested");

    const owner = await visit(browser, { javaScriptEnabled });
    await owner.page.goto(await lastLink(origin, email));
    assert.equal(owner.page.url(), `${origin}/account/cancel-recovery`, "no token stays in the URL");
    await submit(owner.page);
    await owner.page.waitForURL("**/account/sign-in");
    await owner.close();
    // All devices are signed out, and the app is still required.
    await page.goto(`${origin}/account/security`);
    await page.waitForURL("**/account/sign-in?**");
    await advance(origin, 24 * 3600);
    await signIn(page, origin, email);
    await page.waitForURL("**/account/verify");
    await page.locator("input[value=totp]").waitFor();
    await close();
  });
}
