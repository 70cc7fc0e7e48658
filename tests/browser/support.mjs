// A browser, and servers on free ports.

import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { join } from "node:path";

import { chromium } from "playwright-core";

export const FLAGS = [
  "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync",
];

export function launch() {
  return chromium.launch({ executablePath: process.env.CHROMIUM, args: FLAGS });
}

export async function freePort() {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address();
  probe.close();
  return port;
}

/** Starts an example, and waits for its first line. */
export async function start(example, environment) {
  const server = spawn(join(process.env.EXAMPLES, example), {
    env: { ...process.env, ...environment },
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(server.stdout, "data");
  return server;
}

export async function stop(server) {
  server.kill();
  await once(server, "exit");
}

/** The testbed on a free port; `origin` is its URL for pages. */
export async function testbed(config = {}) {
  const port = await freePort();
  const origin = `http://localhost:${port}`;
  // Links and guards lead to the application, except in the tests of the pages.
  const pages = false;
  const cheap = { listen: `127.0.0.1:${port}`, origin, pages, argon2: { m: 64, t: 1, p: 1 } };
  const server = await start("testbed", { TESTBED: JSON.stringify({ ...cheap, ...config }) });
  return { origin, server };
}

/** A page with the module as `auth`; `tried` returns the error of a call in place of its result. */
export async function open(context, origin, { path = "/public", options } = {}) {
  const page = await context.newPage();
  await page.goto(origin + path);
  await load(page, options);
  return page;
}

/** Loads the module into a page, with a client of these options in place of the default one. */
export function load(page, options) {
  return page.evaluate(async (options) => {
    const module = await import("/auth/client.js");
    window.AuthError = module.AuthError;
    window.AuthClient = module.AuthClient;
    window.auth = options ? new AuthClient("/auth", options) : module.auth;
    window.tried = async (work) => {
      try {
        return (await work()) ?? null;
      } catch (error) {
        const { name, code, status, members, methods, missing, retryAfter, problem } = error;
        return { name, code, status, members, methods, missing, retryAfter, problem };
      }
    };
  }, options);
}

/** A virtual authenticator that consents automatically. */
export async function authenticator(page, options = {}) {
  const devtools = await page.context().newCDPSession(page);
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
  return { devtools, add, first: await add() };
}

/** The messages to an email address, oldest first. */
export async function mail(origin, to) {
  const answer = await fetch(`${origin}/testbed/mail?to=${encodeURIComponent(to)}`);
  return (await answer.json()).messages;
}

export async function advance(origin, advance_ms) {
  const body = JSON.stringify({ advance_ms });
  const headers = { "content-type": "application/json" };
  await fetch(`${origin}/testbed/clock`, { method: "POST", headers, body });
}

/** The code of an authenticator app by `oathtool`, this many periods of 30 seconds from now. */
export function totp(secret, periods = 0) {
  const at = Math.floor(Date.now() / 1_000) + 30 * periods;
  const options = ["--totp", "--base32", `--now=@${at}`, secret];
  return execFileSync("oathtool", options, { encoding: "utf8" }).trim();
}
