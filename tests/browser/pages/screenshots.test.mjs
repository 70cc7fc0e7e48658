// Pictures of every page, and those of the quickstart in README.md. `SCREENSHOTS=1` writes them: look
// at them before you commit them. They are not compared; each must exist and be small.

import assert from "node:assert/strict";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";

import { freePort, launch, start, stop, testbed } from "../support.mjs";
import { smaller } from "./picture.mjs";
import { lastCode, lastLink, now, signUp, submit, totp, visit } from "./support.mjs";

const FOLDER = fileURLToPath(new URL("./pictures/", import.meta.url));
const MAX_BYTES = 40_000;

let browser;
const taken = [];

before(async () => {
  browser = await launch();
});
after(() => browser?.close());

async function take(page, name) {
  // Without the caret, which blinks, and without the focus of a field.
  await page.evaluate(() => document.activeElement?.blur());
  const picture = smaller(await page.screenshot({ fullPage: true, caret: "hide" }));
  assert.ok(picture.length < MAX_BYTES, `${name} has ${picture.length} bytes`);
  taken.push(`${name}.png`);
  if (process.env.SCREENSHOTS) await writeFile(`${FOLDER}${name}.png`, picture);
}

const EMAIL = "ada@example.com";
// Every page in one appearance, and some in the others.
const SOME = ["sign-in", "sign-up", "security", "admin", "admin-user"];

async function takeAll(origin, mode, options) {
  const { page, close } = await visit(browser, options);
  const picture = async (name) => {
    if (mode === "narrow" || SOME.includes(name)) await take(page, `${name}-${mode}`);
  };
  const show = async (place, name = place) => {
    await page.goto(`${origin}/account/${place}`);
    await picture(name);
  };
  for (const place of ["sign-in", "sign-up", "email", "forgot", "sign-out"]) await show(place);
  await show("nowhere", "error");
  await signUp(page, origin, EMAIL, "/account/security");
  await page.waitForURL("**/account/verify");
  await picture("verify");
  await page.locator("input[name=code]").fill(await lastCode(origin, EMAIL));
  await submit(page);
  await page.waitForURL("**/account/security");
  await show("step-up");
  await page.goto(`${origin}/account/security`);
  await page.locator("#totp form[action$='security/totp'] button").last().click();
  await page.locator("#secret").waitFor();
  await picture("totp");
  const secret = (await page.locator("#secret").textContent()).trim();
  await page.locator("input[name=code]").fill(await totp(secret, await now(origin)));
  await submit(page);
  await page.locator(".codes code").last().waitFor();
  await picture("recovery-codes");
  await show("security");
  // Each page of a link is opened by the link of a message.
  const showLink = async (name) => {
    await page.goto(await lastLink(origin, EMAIL));
    assert.equal(page.url(), `${origin}/account/${name}`);
    assert.equal(await page.getByRole("alert").count(), 0, `the link of ${name} is valid`);
    await picture(name);
  };
  for (const [place, next, name] of [["forgot", "forgot?sent=1", "reset"], ["email", "verify", "sign-in-link"]]) {
    await page.goto(`${origin}/account/${place}`);
    await page.locator("input[name=email]").fill(EMAIL);
    await submit(page);
    await page.waitForURL(`${origin}/account/${next}`);
    await showLink(name);
  }
  await page.goto(`${origin}/account/security`);
  await page.locator("#email summary").click();
  await page.locator("input[name=new_email]").fill("grace@example.com");
  await submit(page, "#email form");
  await page.waitForURL("**/account/verify");
  await showLink("undo-email-change");
  await page.goto(`${origin}/account/security`);
  await page.locator("form[action$='security/recovery'] button").click();
  await page.waitForURL("**/account/verify");
  await page.locator("input[name=code]").fill(await lastCode(origin, EMAIL));
  await submit(page);
  await page.waitForURL("**/account/security");
  await showLink("cancel-recovery");
  await takeAdministration(page, origin, picture, show);
  await close();
}

/** The pages of administrators, an impersonation, and the request of a program. */
async function takeAdministration(page, origin, picture, show) {
  const session = await (await page.context().request.get(`${origin}/auth/session`)).json();
  await fetch(`${origin}/testbed/users/${session.user.id}`, {
    method: "PATCH",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ roles: ["admin"] }),
  });
  await show("admin/new", "admin-new");
  await page.locator("input[name=email]").fill("grace@example.com");
  await page.locator("input[name=display_name]").fill("Grace Hopper");
  await page.locator("textarea[name=roles]").fill("editor");
  await submit(page);
  await page.waitForURL("**/account/admin/users/*");
  await picture("admin-user");
  const user = page.url();
  await show("admin");
  await show("admin/events?kind=user_created", "admin-events");
  const body = new URLSearchParams({ client_id: "cli" });
  const asked = await fetch(`${origin}/auth/device-authorization`, { method: "POST", body });
  await page.goto((await asked.json()).verification_uri_complete);
  await submit(page);
  await page.locator("button[value=approve]").waitFor();
  await picture("device");
  await page.goto(user);
  await page.locator("input[name=reason]").fill("Ticket 4711");
  await submit(page, "form[action$='/impersonate']");
  await page.waitForURL(`${origin}/`);
  await show("sign-out", "impersonation");
}

for (const [mode, width, colorScheme, locale] of [
  ["narrow", 320, "light", "en"],
  ["wide-dark", 1280, "dark", "en"],
  ["narrow-ar", 320, "light", "ar"],
]) {
  test(`pages are pictured, ${mode}`, async () => {
    const oidc = [{ id: "corp", issuer: "http://localhost:9", client_id: "corp", client_secret: "x" }];
    const device_grant = { clients: [{ id: "cli", name: "Notes for the command line" }] };
    const bed = await testbed({ pages: true, verify_email: true, limits: false, oidc, device_grant });
    try {
      await takeAll(bed.origin, mode, { colorScheme, locale, viewport: { width, height: 600 } });
    } finally {
      await stop(bed.server);
    }
  });
}

test("the pages of the quickstart are pictured", async () => {
  const port = await freePort();
  const folder = await mkdtemp(join(tmpdir(), "authlayer-"));
  const server = await start("quickstart", { PORT: String(port), DATABASE: join(folder, "app.db") });
  try {
    const { page, close } = await visit(browser, { viewport: { width: 640, height: 600 } });
    const origin = `http://localhost:${port}`;
    await page.goto(`${origin}/account/sign-in`);
    await take(page, "quickstart-sign-in");
    await page.goto(`${origin}/account/sign-up`);
    await page.locator("input[name=display_name]").fill("Ada Lovelace");
    await page.locator("input[name=email]").fill("ada@example.com");
    await page.locator("input[name=password]").fill("zq8 xw2v plum");
    await submit(page);
    await page.getByText("Hello, ").waitFor();
    await page.goto(`${origin}/account/security`);
    await take(page, "quickstart-account");
    await close();
  } finally {
    await stop(server);
    await rm(folder, { recursive: true });
  }
});

test("each picture is committed", async () => {
  const committed = await readdir(FOLDER);
  assert.deepEqual(committed.sort(), taken.sort());
});
