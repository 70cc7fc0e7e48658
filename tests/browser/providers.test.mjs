// Three independent OpenID providers, through their pages: django-oauth-toolkit, Authlib and better-auth.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { python } from "./python.mjs";
import { freePort, stop, testbed } from "./support.mjs";
import { Visitor } from "./visitor.mjs";

const PASSWORD = "zq8 xw2v plum";

/** Starts a provider whose client is in its source. */
const inPython = async (program, environment) => {
  const client = { client_id: "corp", client_secret: "not-a-secret" };
  return { program: await python(program, environment), client };
};

/** Starts a provider whose client is in its first line. */
const inNode = async (program, environment) => {
  const running = spawn("node", [program], {
    cwd: fileURLToPath(new URL("providers/", import.meta.url)),
    env: { ...process.env, ...environment },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const lines = createInterface(running.stdout);
  const first = once(lines, "line").then(([line]) => JSON.parse(line));
  const ended = once(running, "exit").then(([status]) => {
    throw new Error(`${program} ended with ${status}`);
  });
  return { program: running, client: await Promise.race([first, ended]) };
};

const PROVIDERS = [
  {
    name: "django-oauth-toolkit",
    start: inPython,
    program: "django_provider.py",
    path: "/o",
    options: {},
    of: "Django",
    unverified: ["unverified-carol"],
    confirmsLogout: true,
  },
  {
    name: "Authlib",
    start: inPython,
    program: "authlib_provider.py",
    path: "",
    options: { algorithms: ["ES256"], secret_in_body: true },
    of: "Authlib",
    unverified: ["unverified-carol", "silent-carol"],
    confirmsLogout: false,
  },
  {
    name: "better-auth",
    start: inNode,
    program: "better_auth_provider.mjs",
    path: "/api/auth",
    options: { algorithms: ["EdDSA"] },
    of: "better-auth",
    unverified: ["unverified-carol"],
    confirmsLogout: false,
  },
];

/** The testbed and a provider, which know each other. */
async function world(provider) {
  const [port, providerPort] = [await freePort(), await freePort()];
  const origin = `http://localhost:${port}`;
  const url = `http://localhost:${providerPort}`;
  const environment = { PROVIDER_PORT: String(providerPort), APP: origin };
  const running = await provider.start(provider.program, environment);
  const corp = { id: "corp", issuer: url + provider.path, keep_id_token: true, max_age_s: 3600 };
  const oidc = [{ ...corp, ...running.client, ...provider.options }];
  const { server } = await testbed({ listen: `127.0.0.1:${port}`, origin, oidc });
  const end = async () => {
    await stop(running.program);
    await stop(server);
  };
  const isCallback = (url) => url.startsWith(`${origin}/auth/oauth/corp/callback`);

  /** Passes the pages of the provider, and returns the URL of the callback. */
  const authorize = async (visitor, from, name, consent = { allow: "yes" }) => {
    let page = await visitor.follow(from, {}, isCallback);
    visitor.wasAsked = !isCallback(page.url) && page.text.includes("username");
    if (visitor.wasAsked) {
      page = await visitor.submit(page, { username: name, password: "anything" }, isCallback);
    }
    if (!isCallback(page.url)) page = await visitor.submit(page, consent, isCallback);
    assert.ok(isCallback(page.url), page.text);
    return page.url;
  };
  const begin = `${origin}/auth/oauth/corp/start?redirect_to=/public`;
  const signIn = async (name, visitor = new Visitor()) => {
    const callback = await authorize(visitor, begin, name);
    visitor.landed = await visitor.send(callback);
    return visitor;
  };
  const me = async (visitor) => {
    const answer = await visitor.send(`${origin}/me`);
    return answer.status === 200 ? answer.json() : null;
  };
  const signedUp = async (email) => {
    const visitor = new Visitor();
    const made = await visitor.post(`${origin}/auth/sign-up`, { email, password: PASSWORD });
    assert.equal(made.status, 201);
    return visitor;
  };
  return { origin, url, begin, authorize, signIn, me, signedUp, end };
}

for (const provider of PROVIDERS) {
  test(provider.name, async (context) => {
    const { origin, url, begin, signIn, authorize, me, signedUp, end } = await world(provider);
    const refused = async (who, url) => {
      const answer = await who.send(url);
      return [answer.status, (await answer.json()).code];
    };
    const link = async (visitor, name) => {
      const begun = await visitor.post(`${origin}/auth/oauth/corp/link`, { redirect_to: "/public" });
      assert.equal(begun.status, 200);
      return authorize(visitor, (await begun.json()).authorization_url, name);
    };
    context.after(end);

    await context.test("a user signs up and comes back", async () => {
      const first = await me(await signIn("ada"));
      assert.equal(first.email, "ada@example.com");
      assert.equal(first.email_verified, true);
      assert.equal(first.display_name, `ada of ${provider.of}`);
      assert.equal((await me(await signIn("ada"))).id, first.id);
      assert.notEqual((await me(await signIn("bob"))).id, first.id);
    });

    await context.test("an address that is not verified neither signs in nor signs up", async () => {
      const owner = await signedUp("carol@example.com");
      for (const name of [...provider.unverified, "unverified-new"]) {
        const visitor = await signIn(name);
        const found = [visitor.landed.status, (await visitor.landed.json()).code];
        assert.deepEqual(found, [403, "email_not_verified"], name);
        assert.equal(await me(visitor), null, name);
      }
      assert.notEqual(await me(owner), null);
    });

    await context.test("an identity that a session links signs in", async () => {
      const dan = await signedUp("dan@example.com");
      const landed = await dan.send(await link(dan, "unverified-dan"));
      assert.equal(landed.headers.get("location"), "/public");
      const { identities } = await (await dan.send(`${origin}/auth/identities`)).json();
      assert.deepEqual(identities.map((own) => own.provider), ["corp"]);
      assert.equal((await me(await signIn("unverified-dan"))).id, (await me(dan)).id);
      const eve = await signedUp("eve@example.com");
      const taken = await refused(eve, await link(eve, "unverified-dan"));
      assert.deepEqual(taken, [409, "identity_taken"]);
    });

    await context.test("a verified address claims an account that was never verified", async () => {
      const planted = await signedUp("finn@example.com");
      const owner = await signIn("work-finn");
      assert.equal(owner.landed.status, 303);
      assert.equal((await me(owner)).email, "finn@example.com");
      assert.equal(await me(planted), null);
      const body = { email: "finn@example.com", password: PASSWORD };
      assert.equal((await new Visitor().post(`${origin}/auth/sign-in`, body)).status, 401);
    });

    await context.test("a callback is valid once, in its own browser, with its state", async () => {
      const invalid = [400, "invalid_state"];
      const visitor = new Visitor();
      const callback = await authorize(visitor, begin, "gina");
      const altered = new URL(callback);
      altered.searchParams.set("state", `x${altered.searchParams.get("state")}`);
      assert.deepEqual(await refused(visitor, altered.href), invalid);
      const missing = new URL(callback);
      missing.searchParams.delete("state");
      assert.deepEqual(await refused(visitor, missing.href), invalid);
      const victim = new Visitor();
      assert.deepEqual(await refused(victim, callback), invalid, "no ceremony");
      const own = new URL(await authorize(victim, begin, "hal"));
      assert.deepEqual(await refused(victim, callback), invalid, "of another browser");
      assert.equal((await visitor.send(callback)).status, 303);
      assert.notEqual(await me(visitor), null);
      assert.deepEqual(await refused(visitor, callback), invalid, "used");

      // The provider rejects a code that was redeemed.
      own.searchParams.set("code", new URL(callback).searchParams.get("code"));
      assert.deepEqual(await refused(victim, own.href), [502, "provider_error"]);
    });

    await context.test("a code of another browser is rejected", async () => {
      const stolen = new URL(await authorize(new Visitor(), begin, "gina")).searchParams.get("code");
      const attacker = new Visitor();
      const injected = new URL(await authorize(attacker, begin, "hal"));
      injected.searchParams.set("code", stolen);
      assert.deepEqual(await refused(attacker, injected.href), [502, "provider_error"]);
      assert.equal(await me(attacker), null);
    });

    await context.test("a user can cancel at the provider", async () => {
      const visitor = new Visitor();
      const callback = await authorize(visitor, begin, "ivy", {});
      assert.match(callback, /error=access_denied/);
      assert.deepEqual(await refused(visitor, callback), [403, "provider_denied"]);
    });

    await context.test("a new key of the provider is fetched", async () => {
      const { id } = await me(await signIn("ada"));
      assert.equal((await fetch(`${url}/rotate`, { method: "POST" })).status, 204);
      assert.equal((await me(await signIn("ada")))?.id, id);
    });

    await context.test("sign-out ends the session at the provider", async () => {
      const visitor = await signIn("ada");
      const body = { provider_logout: true, redirect_to: "/public" };
      const out = await visitor.post(`${origin}/auth/sign-out`, body);
      assert.equal(out.status, 200);
      let page = await visitor.follow((await out.json()).logout_url);
      if (provider.confirmsLogout) page = await visitor.submit(page, { allow: "yes" });
      assert.equal(page.url, `${origin}/public`);
      assert.equal(await me(visitor), null);
      const again = await visitor.follow(begin);
      assert.match(again.text, /username/);
    });

    await context.test("a step-up requires a new sign-in at the provider", async () => {
      const visitor = await signIn("ada");
      await signIn("ada", visitor);
      assert.equal(visitor.wasAsked, false, "the provider has a session");
      const body = { redirect_to: "/public" };
      const begun = await visitor.post(`${origin}/auth/oauth/corp/step-up`, body);
      assert.equal(begun.status, 200);
      const callback = await authorize(visitor, (await begun.json()).authorization_url, "ada");
      assert.equal(visitor.wasAsked, true);
      const landed = await visitor.send(callback);
      assert.equal(landed.headers.get("location"), "/public");
      const answer = await visitor.send(`${origin}/auth/session`);
      assert.equal((await answer.json()).session.factors.at(-1).method, "provider");
    });
  });
}
