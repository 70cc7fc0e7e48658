// A browser, and servers on free ports.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { join } from "node:path";

import { chromium } from "playwright-core";

const FLAGS = [
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
