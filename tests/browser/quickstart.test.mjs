// A person at the quickstart: signs up, sees their name, signs out, signs in again, and is
// still signed in after a restart of the server.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { chromium } from "playwright-core";

const FLAGS = [
  "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync",
];

let browser, folder, port, server;

async function start() {
  const environment = { ...process.env, PORT: String(port), DATABASE: join(folder, "app.db") };
  server = spawn(process.env.QUICKSTART, { env: environment, stdio: ["ignore", "pipe", "inherit"] });
  await once(server.stdout, "data");
}

async function stop() {
  server.kill();
  await once(server, "exit");
}

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "authlayer-"));
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  port = probe.address().port;
  probe.close();
  await start();
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: FLAGS });
});

after(async () => {
  await browser?.close();
  await stop();
  await rm(folder, { recursive: true });
});

test("a person signs up, sees their name, signs out and signs in again", async () => {
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
  await page.getByRole("button", { name: "Sign in" }).waitFor();
  assert.deepEqual(await context.cookies(), []);

  await page.getByLabel("E-mail").fill("ADA@example.com");
  await page.getByLabel("Password").fill("not the password");
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("alert").getByText("The address or the password is wrong").waitFor();
  await page.getByLabel("Password").fill("zq8 xw2v plum");
  await page.getByRole("button", { name: "Sign in" }).click();
  await greeting.waitFor();

  await stop();
  await start();
  await page.reload();
  await greeting.waitFor();
  assert.deepEqual(broken, []);
  await context.close();
});
