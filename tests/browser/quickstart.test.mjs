// A user of the quickstart signs up, sees their name, signs out, signs in again, and is still
// signed in after a restart of the server.

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { freePort, launch, start, stop } from "./support.mjs";

let browser, environment, folder, port, server;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "authlayer-"));
  port = await freePort();
  environment = { PORT: String(port), DATABASE: join(folder, "app.db") };
  server = await start("quickstart", environment);
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await stop(server);
  await rm(folder, { recursive: true });
});

test("a user signs up, sees their name, signs out and signs in again", async () => {
  const context = await browser.newContext();
  const page = await context.newPage();
  const broken = [];
  page.on("pageerror", (error) => broken.push(error));
  const greeting = page.getByText("Hello, Ada");

  await page.goto(`http://localhost:${port}/`);
  await page.getByLabel("E-mail").fill("ada@example.com");
  await page.getByLabel("Name").fill("Ada");
  await page.getByLabel("Password").fill("password1");
  await page.getByRole("button", { name: "Sign up" }).click();
  await page.getByRole("alert").getByText("Choose another password: common").waitFor();

  await page.getByLabel("Password").fill("zq8 xw2v plum");
  await page.getByRole("button", { name: "Sign up" }).click();
  await greeting.waitFor();
  const cookies = await context.cookies();
  assert.deepEqual(cookies.map(({ name }) => name).sort(), ["auth", "auth-refresh"]);
  assert.ok(cookies.every(({ httpOnly, sameSite }) => httpOnly && sameSite === "Lax"));
  assert.equal(await page.evaluate(() => document.cookie), "");

  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByRole("button", { name: "Sign in", exact: true }).waitFor();
  assert.deepEqual(await context.cookies(), []);

  await page.getByLabel("E-mail").fill("ADA@example.com");
  await page.getByLabel("Password").fill("not the password");
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await page.getByRole("alert").getByText("The address or the password is wrong").waitFor();
  await page.getByLabel("Password").fill("zq8 xw2v plum");
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await greeting.waitFor();

  await stop(server);
  server = await start("quickstart", environment);
  await page.reload();
  await greeting.waitFor();
  assert.deepEqual(broken, []);
  await context.close();
});

test("a user adds a passkey and signs in with it", async () => {
  const context = await browser.newContext();
  const page = await context.newPage();
  const devtools = await context.newCDPSession(page);
  await devtools.send("WebAuthn.enable");
  await devtools.send("WebAuthn.addVirtualAuthenticator", {
    options: {
      protocol: "ctap2", transport: "internal", hasResidentKey: true, hasUserVerification: true,
      isUserVerified: true, automaticPresenceSimulation: true,
    },
  });
  await page.goto(`http://localhost:${port}/`);
  await page.getByLabel("E-mail").fill("grace@example.com");
  await page.getByLabel("Name").fill("Grace");
  await page.getByLabel("Password").fill("zq8 xw2v plum");
  await page.getByRole("button", { name: "Sign up" }).click();
  await page.getByText("Hello, Grace").waitFor();
  await page.getByRole("button", { name: "Add a passkey" }).click();
  await page.getByText("The passkey was added").waitFor();
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByRole("button", { name: "Sign in with a passkey" }).click();
  await page.getByText("Hello, Grace").waitFor();
  await context.close();
});
