// Forward authentication with nginx, in the configuration of the guide.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { createInterface } from "node:readline";

import * as oauth from "oauth4webapi";

import { CLI, OPTIONS, PROGRAMS, signInProgram } from "./programs.mjs";
import { advance, freePort, stop, testbed } from "./support.mjs";
import { Visitor } from "./visitor.mjs";

const GUIDE = new URL("../../guide/services.md", import.meta.url);
const PASSWORD = "zq8 xw2v plum";

/** The locations of the guide. */
async function locations() {
  const blocks = [...(await readFile(GUIDE, "utf8")).matchAll(/^```nginx\n([\s\S]*?)^```$/gm)];
  assert.equal(blocks.length, 1);
  return blocks[0][1];
}

/** A service that answers with what it received. */
async function service() {
  const server = createServer(async (request, response) => {
    const body = [];
    for await (const chunk of request) body.push(chunk);
    const { method, url, headers } = request;
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ method, url, headers, bytes: Buffer.concat(body).length }));
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  return server;
}

/** nginx in a folder of its own, in the foreground, once it listens. */
async function nginx(folder, servers) {
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
  const configuration = `
    daemon off; master_process off; pid nginx.pid; error_log stderr notice;
    events {}
    http {
      access_log off;
      ${temporary.map((name) => `${name}_temp_path ${name};`).join(" ")}
      ${servers}
    }`;
  await writeFile(join(folder, "nginx.conf"), configuration);
  const program = spawn("nginx", ["-p", folder, "-c", "nginx.conf", "-e", "stderr"], {
    env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` },
    stdio: ["ignore", "ignore", "pipe"],
  });
  const lines = [];
  const listens = new Promise((resolve, reject) => {
    createInterface(program.stderr).on("line", (line) => {
      lines.push(line);
      if (line.includes("nginx/")) resolve();
    });
    program.on("error", reject);
    program.on("exit", () => reject(new Error(lines.join("\n"))));
  });
  await listens;
  return program;
}

let app, port, api, upstream, proxy, folder;
before(async () => {
  [port, api] = [await freePort(), await freePort()];
  app = await testbed({
    origin: `http://localhost:${port}`,
    pages: true,
    trusted_proxies: ["127.0.0.1"],
    forward_auth: { rules: { staff: { role: "staff" } } },
    email_sign_in: false,
    dpop: true,
    device_grant: PROGRAMS,
  });
  app.address = `127.0.0.1:${new URL(app.origin).port}`;
  upstream = await service();
  const guide = await locations();
  const without = (line) => {
    assert.ok(guide.includes(line), line);
    return guide.replace(line, "");
  };
  const server = (port, locations) => `server { listen 127.0.0.1:${port}; ${locations} }`;
  folder = await mkdtemp(join(tmpdir(), "gateway-"));
  proxy = await nginx(folder, `
    upstream app { server ${app.address}; }
    upstream reports { server 127.0.0.1:${upstream.address().port}; }
    ${server(port, guide)}
    ${server(api, without("error_page 401 = @sign-in;"))}
  `);
});
after(async () => {
  if (proxy) await stop(proxy);
  if (app) await stop(app.server);
  upstream?.close();
  if (folder) await rm(folder, { recursive: true });
});

const at = (path, number = port) => `http://localhost:${number}${path}`;

/** A visitor with a new account. */
async function signedUp(email) {
  const visitor = new Visitor();
  const made = await visitor.post(at("/auth/sign-up"), { email, password: PASSWORD });
  assert.equal(made.status, 201);
  visitor.id = (await made.json()).user.id;
  return visitor;
}

async function change(id, body) {
  const headers = { "content-type": "application/json" };
  const options = { method: "PATCH", headers, body: JSON.stringify(body) };
  assert.equal((await fetch(`http://${app.address}/testbed/users/${id}`, options)).status, 200);
}

async function staff(email) {
  const visitor = await signedUp(email);
  await change(visitor.id, { roles: ["staff"] });
  return visitor;
}

const subject = (received) => {
  const header = received.headers["x-auth-subject"];
  return header && JSON.parse(Buffer.from(header, "base64url").toString());
};

/** What the service received of a request that nginx forwarded. */
async function received(answer) {
  assert.equal(answer.status, 200, await answer.clone().text());
  return answer.json();
}

test("a visitor without a session is sent to sign in and comes back", async () => {
  const visitor = await staff("ada@example.com");
  await visitor.post(at("/auth/sign-out"), {});
  const refused = await visitor.send(at("/reports/june?page=2"));
  assert.equal(refused.status, 303);
  const page = await visitor.follow(new URL(refused.headers.get("location"), at("/")).href);
  assert.equal(page.answer.status, 200, page.text);
  const landed = await visitor.submit(page, { email: "ada@example.com", password: PASSWORD });
  assert.equal(landed.url, at("/reports/june?page=2"));
  assert.equal(landed.answer.status, 200, landed.text);
  assert.equal(subject(JSON.parse(landed.text)).id, visitor.id);
});

test("an API answers 401 and 403 with the headers of the decision", async () => {
  const headers = { authorization: "Bearer aat_x" };
  const anonymous = await fetch(at("/reports/", api));
  assert.equal(anonymous.status, 401);
  assert.equal(anonymous.headers.get("www-authenticate"), "Bearer");
  assert.equal(anonymous.headers.get("x-auth-error"), "unauthenticated");
  const expired = await fetch(at("/reports/", api), { headers });
  assert.equal(expired.headers.get("www-authenticate"), 'Bearer error="invalid_token"');

  const visitor = await signedUp("bob@example.com");
  const refused = await visitor.send(at("/reports/"));
  assert.equal(refused.status, 403);
  assert.equal(refused.headers.get("x-auth-error"), "forbidden");
  await change(visitor.id, { roles: ["staff"] });
  const passed = subject(await received(await visitor.send(at("/reports/"))));
  assert.deepEqual([passed.kind, passed.id, passed.roles], ["user", visitor.id, ["staff"]]);
  await change(visitor.id, { status: "disabled" });
  assert.equal((await visitor.send(at("/reports/"))).status, 303);
});

test("the service receives the subject of the session, never one of the client", async () => {
  const visitor = await staff("carol@example.com");
  const forged = Buffer.from(JSON.stringify({ kind: "user", id: "root" })).toString("base64url");
  for (const name of ["X-Auth-Subject", "x-auth-subject", "X_Auth_Subject"]) {
    const headers = { [name]: forged };
    const one = await received(await visitor.send(at("/reports/"), { headers }));
    assert.equal(subject(one).id, visitor.id, name);
    assert.ok(!JSON.stringify(one).includes(forged), name);
    assert.equal((await fetch(at("/reports/", api), { headers })).status, 401, name);
  }
  const stated = { "x-forwarded-method": "GET", origin: "https://evil.example" };
  const foreign = await visitor.send(at("/reports/"), { method: "POST", headers: stated });
  assert.equal(foreign.headers.get("x-auth-error"), "cross_origin", "nginx states the method");
});

test("requests with a body are judged by their origin and forwarded whole", async () => {
  const visitor = await staff("dan@example.com");
  const send = (origin, body) => visitor.send(at("/reports/new?x=1"), { method: "POST", headers: { origin }, body });
  for (const bytes of [0, 10, 200_000]) {
    const one = await received(await send(at(""), Buffer.alloc(bytes, "a")));
    assert.deepEqual([one.method, one.url, one.bytes], ["POST", "/reports/new?x=1", bytes]);
  }
  const refused = await send("https://evil.example", "a");
  assert.deepEqual([refused.status, refused.headers.get("x-auth-error")], [403, "cross_origin"]);
  const read = await visitor.send(at("/reports/"), { headers: { origin: "https://evil.example" } });
  assert.equal((await received(read)).method, "GET");
});

test("a WebSocket of another site is rejected", async () => {
  const visitor = await staff("eve@example.com");
  const cookie = [...visitor.jar(at("/"))].map(([name, value]) => `${name}=${value}`).join("; ");
  const { request } = await import("node:http");
  const upgrade = async (origin) => {
    const headers = { cookie, origin, connection: "Upgrade", upgrade: "websocket" };
    const sent = request(at("/reports/live").replace("localhost", "127.0.0.1"), { headers });
    const [answer] = await once(sent.end(), "response");
    answer.resume();
    return answer.statusCode;
  };
  assert.deepEqual([await upgrade(at("")), await upgrade("https://evil.example")], [200, 403]);
});

test("a proof of a program is judged by the method and path of its request", async () => {
  const visitor = await staff("hal@example.com");
  const DPoP = oauth.DPoP(CLI, await oauth.generateKeyPair("ES256"));
  const { access_token } = await signInProgram(visitor, at(""), { DPoP });
  const call = (method, url, options) => {
    const request = [access_token, method, new URL(url), undefined, undefined];
    return oauth.protectedResourceRequest(...request, { ...OPTIONS, ...options });
  };
  for (const method of ["GET", "PUT"]) {
    const answer = await call(method, at("/reports/june?page=2"), { DPoP });
    assert.equal(subject(await received(answer)).id, visitor.id, method);
  }
  const proofOf = async (method, path) => {
    let proof;
    const customFetch = (_, { headers }) => {
      proof = new Headers(headers).get("dpop");
      return new Response();
    };
    await call(method, at(path), { DPoP, [oauth.customFetch]: customFetch });
    return proof;
  };
  const send = async (method, path) => {
    const headers = { authorization: `DPoP ${access_token}`, dpop: await proofOf(method, path) };
    return fetch(at("/reports/june", api), { headers });
  };
  assert.equal((await send("GET", "/reports/june")).status, 200);
  for (const [method, path] of [["POST", "/reports/june"], ["GET", "/reports/july"]]) {
    const answer = await send(method, path);
    assert.equal(answer.status, 401, `${method} ${path}`);
    assert.match(answer.headers.get("www-authenticate"), /^DPoP/);
  }
});

test("the application renews the session, and its cookies reach the browser", async () => {
  const visitor = await staff("finn@example.com");
  await advance(`http://${app.address}`, 901_000);
  const expired = await visitor.send(at("/reports/"));
  assert.equal(expired.status, 303, "the access token has expired");
  assert.deepEqual(expired.headers.getSetCookie(), []);
  const page = await visitor.send(at("/me"));
  assert.equal(page.status, 200);
  const renewed = page.headers.getSetCookie().map((line) => line.split("=")[0]);
  assert.deepEqual(renewed.sort(), ["auth", "auth-refresh"]);
  assert.equal(subject(await received(await visitor.send(at("/reports/")))).id, visitor.id);
});

test("nothing is forwarded if the check is not possible", async () => {
  const visitor = await staff("gina@example.com");
  assert.equal((await visitor.send(at("/auth-check"))).status, 404, "internal");
  const folder = await mkdtemp(join(tmpdir(), "gateway-"));
  const other = await freePort();
  const guide = await locations();
  const unknown = guide.replace("forward-auth/staff", "forward-auth/unknown");
  const closed = await freePort();
  const second = await nginx(folder, `
    upstream app { server ${app.address}; }
    upstream closed { server 127.0.0.1:${closed}; }
    upstream reports { server 127.0.0.1:${upstream.address().port}; }
    server { listen 127.0.0.1:${other}; server_name one.localhost; ${unknown} }
    server { listen 127.0.0.1:${other}; server_name two.localhost; ${guide.replace("http://app/auth/", "http://closed/auth/")} }
  `);
  try {
    const { request } = await import("node:http");
    for (const host of ["one.localhost", "two.localhost"]) {
      const cookie = [...visitor.jar(at("/"))].map(([name, value]) => `${name}=${value}`).join("; ");
      const options = { host: "127.0.0.1", port: other, path: "/reports/", headers: { host, cookie } };
      const [answer] = await once(request(options).end(), "response");
      answer.resume();
      assert.equal(answer.statusCode, 500, host);
    }
  } finally {
    await stop(second);
    await rm(folder, { recursive: true });
  }
});
