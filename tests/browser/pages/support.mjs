// A visitor of the pages, who reports every violation of the policy and every script error.

import assert from "node:assert/strict";

export const PASSWORD = "zq8 xw2v plum";

/** Opens a page in a new browser context. The returned function closes it and checks the reports. */
export async function visit(browser, options = {}) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  const reports = [];
  page.on("pageerror", (error) => reports.push(String(error)));
  page.on("console", (message) => {
    const text = message.text();
    if (/Content.Security.Policy/i.test(text)) reports.push(text);
  });
  const close = async () => {
    assert.deepEqual(reports, []);
    await context.close();
  };
  return { context, page, close };
}

/** Returns the messages to an email address, oldest first. */
export async function mails(origin, to) {
  const response = await fetch(`${origin}/testbed/mail?to=${encodeURIComponent(to)}`);
  return (await response.json()).messages;
}

export async function lastCode(origin, to) {
  return (await mails(origin, to)).findLast((mail) => mail.code).code;
}

export async function lastLink(origin, to) {
  return (await mails(origin, to)).findLast((mail) => mail.link).link;
}

export async function advance(origin, seconds) {
  const body = JSON.stringify({ advance_ms: seconds * 1000 });
  const headers = { "content-type": "application/json" };
  await fetch(`${origin}/testbed/clock`, { method: "POST", headers, body });
}

export async function now(origin) {
  const body = JSON.stringify({ advance_ms: 0 });
  const headers = { "content-type": "application/json" };
  const response = await fetch(`${origin}/testbed/clock`, { method: "POST", headers, body });
  return new Date((await response.json()).now).getTime();
}

export async function signUp(page, origin, email, target = "/public") {
  await page.goto(`${origin}/account/sign-up?return_to=${encodeURIComponent(target)}`);
  await page.locator("input[name=email]").fill(email);
  await page.locator("input[name=password]").fill(PASSWORD);
  await submit(page);
}

/** Sends the first form, or another one, by its button. */
export const submit = (page, form = "main form") =>
  page.locator(`${form} button:not([type=button])`).first().click();

export const path = (page) => new URL(page.url()).pathname;

export async function signIn(page, origin, email, target = "/public", password = PASSWORD) {
  await page.goto(`${origin}/account/sign-in?return_to=${encodeURIComponent(target)}`);
  await page.locator("input[name=email]").fill(email);
  await page.locator("input[name=password]").fill(password);
  await submit(page);
}

/** Returns the code of an authenticator app (RFC 6238). */
export async function totp(secret, milliseconds) {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  const bits = [...secret].map((c) => alphabet.indexOf(c).toString(2).padStart(5, "0")).join("");
  const bytes = Uint8Array.from(bits.match(/.{8}/g), (byte) => parseInt(byte, 2));
  const key = await crypto.subtle.importKey("raw", bytes, { name: "HMAC", hash: "SHA-1" }, false, ["sign"]);
  const counter = new DataView(new ArrayBuffer(8));
  counter.setBigUint64(0, BigInt(Math.floor(milliseconds / 30000)));
  const mac = new DataView(await crypto.subtle.sign("HMAC", key, counter.buffer));
  const at = mac.getUint8(19) & 15;
  return String((mac.getUint32(at) & 0x7fffffff) % 1000000).padStart(6, "0");
}
