// Token introspection (RFC 7662), DPoP and the device authorization grant with clients of others:
// oauth4webapi, and Authlib in Python.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { test } from "node:test";

import * as oauth from "oauth4webapi";

import { approve, CLI, discover, OPTIONS, PROGRAMS, signInProgram } from "./programs.mjs";
import { python } from "./python.mjs";
import { advance, stop, testbed } from "./support.mjs";
import { Visitor } from "./visitor.mjs";

const PASSWORD = "zq8 xw2v plum";
const SECRET = "s:e%c+r é&t";
const GATEWAY = { client_id: "gate way" };
const CONFIG = {
  dpop: true,
  device_grant: PROGRAMS,
  introspection: [
    { id: GATEWAY.client_id, secret: SECRET },
    // Authlib does not encode the credentials as RFC 6749 requires (section 2.3.1).
    { id: "plain", secret: "plain-secret" },
  ],
};

async function signedUp(origin, email) {
  const visitor = new Visitor();
  const made = await visitor.post(`${origin}/auth/sign-up`, { email, password: PASSWORD });
  assert.equal(made.status, 201);
  visitor.id = (await made.json()).user.id;
  return visitor;
}

test("oauth4webapi introspects the tokens of a program", async () => {
  const { origin, server: process } = await testbed(CONFIG);
  try {
    const server = await discover(origin);
    const introspect = async (token, secret = SECRET) => {
      const basic = oauth.ClientSecretBasic(secret);
      const answer = await oauth.introspectionRequest(server, GATEWAY, basic, token, OPTIONS);
      return oauth.processIntrospectionResponse(server, GATEWAY, answer);
    };
    const visitor = await signedUp(origin, "ada@example.com");
    const tokens = await signInProgram(visitor, origin);
    const active = await introspect(tokens.access_token);
    assert.equal(active.active, true);
    assert.equal(active.sub, visitor.id);
    assert.equal(active.token_type, "Bearer");
    assert.ok(active.exp > active.iat && active.sid && Array.isArray(active.amr));
    for (const other of [tokens.refresh_token, "aat_x", "", "x".repeat(3_000)]) {
      if (other) assert.deepEqual(await introspect(other), { active: false }, other);
    }
    await assert.rejects(
      introspect(tokens.access_token, "wrong"),
      (error) => error instanceof oauth.WWWAuthenticateChallengeError && error.status === 401,
    );

    const DPoP = oauth.DPoP(CLI, await oauth.generateKeyPair("ES256"));
    const bound = await signInProgram(visitor, origin, { DPoP });
    assert.equal(bound.token_type, "dpop");
    const described = await introspect(bound.access_token);
    assert.equal(described.token_type, "DPoP");
    assert.equal(described.cnf.jkt, await DPoP.calculateThumbprint());
    const call = (options) => {
      const url = new URL(`${origin}/me`);
      return oauth.protectedResourceRequest(bound.access_token, "GET", url, undefined, undefined, {
        ...OPTIONS,
        ...options,
      });
    };
    const me = await call({ DPoP });
    assert.equal((await me.json()).id, visitor.id);
    const another = oauth.DPoP(CLI, await oauth.generateKeyPair("ES256"));
    for (const wrong of [{}, { DPoP: another }]) {
      await assert.rejects(call(wrong), (error) => error.status === 401, JSON.stringify(wrong));
    }

    // What ends the sessions of the user ends that of the program.
    const all = await visitor.send(`${origin}/auth/sessions?scope=all`, {
      method: "DELETE",
      headers: { origin },
    });
    assert.equal(all.status, 200);
    for (const token of [tokens.access_token, bound.access_token]) {
      assert.deepEqual(await introspect(token), { active: false });
    }
  } finally {
    await stop(process);
  }
});

test("Authlib signs in by a device code, and introspects", async () => {
  const { origin, server } = await testbed(CONFIG);
  try {
    const visitor = await signedUp(origin, "ada@example.com");
    const program = await python("authlib_client.py", {
      ORIGIN: origin,
      GATEWAY: "plain",
      SECRET: "plain-secret",
    });
    const lines = createInterface(program.stdout)[Symbol.asyncIterator]();
    const next = async () => JSON.parse((await lines.next()).value);
    const { user_code, pending } = await next();
    assert.equal(pending, "authorization_pending");
    await approve(visitor, origin, user_code);
    await advance(origin, 10_000);
    program.stdin.end("approved\n");
    const done = await next();
    assert.equal(done.me, visitor.id);
    assert.equal(done.token_type, "Bearer");
    assert.deepEqual([done.active.active, done.active.sub], [true, visitor.id]);
    assert.ok(done.refreshed, "the refresh token was replaced");
    assert.deepEqual(done.inactive, { active: false });
    if (program.exitCode === null) await once(program, "exit");
    assert.equal(program.exitCode, 0);
  } finally {
    await stop(server);
  }
});
