// better-auth as an OpenID provider: any name signs in, with any password.
//
// The email address is the name at example.com, without what is before its last hyphen. It is not
// verified if the name begins with `unverified-`. APP is the origin of the client, whose id and
// secret are in the first line. ID tokens are signed with Ed25519, and responses have `iss`.

import { randomBytes } from "node:crypto";
import { createServer } from "node:http";

import { oauthProvider } from "@better-auth/oauth-provider";
import { betterAuth } from "better-auth";
import { memoryAdapter } from "better-auth/adapters/memory";
import { toNodeHandler } from "better-auth/node";
import { jwt } from "better-auth/plugins";

const port = Number(process.env.PROVIDER_PORT);
const origin = `http://localhost:${port}`;
const callback = `${process.env.APP}/auth/oauth/corp`;
const tables = [
  "user", "session", "account", "verification", "jwks", "oauthClient", "oauthConsent",
  "oauthAccessToken", "oauthRefreshToken", "oauthResource", "oauthClientResource",
];
const database = Object.fromEntries(tables.map((name) => [name, []]));
const PASSWORD = "any password";

const auth = betterAuth({
  baseURL: origin,
  secret: randomBytes(32).toString("hex"),
  database: memoryAdapter(database),
  emailAndPassword: { enabled: true, autoSignIn: false },
  rateLimit: { enabled: false },
  logger: { level: "error" },
  plugins: [jwt(), oauthProvider({ loginPage: "/login", consentPage: "/consent" })],
});

/** Creates a user unless there is one. */
async function known(name) {
  const email = `${name.split("-").at(-1)}@example.com`;
  if (!database.user.some((user) => user.email === email)) {
    const body = { email, password: PASSWORD, name: `${name} of better-auth` };
    await auth.api.signUpEmail({ body });
    const user = database.user.find((user) => user.email === email);
    user.emailVerified = !name.startsWith("unverified-");
  }
  return email;
}

/** Calls the API as the page does, and redirects to what it returns. */
async function call(request, response, path, body) {
  const { search } = new URL(request.url, origin);
  const answer = await auth.handler(new Request(`${origin}/api/auth${path}`, {
    method: "POST",
    headers: { "content-type": "application/json", origin, cookie: request.headers.cookie ?? "" },
    body: JSON.stringify({ ...body, oauth_query: search.slice(1) }),
  }));
  const result = await answer.json();
  const location = result.url ?? result.redirect_uri;
  if (!location) return response.writeHead(500).end(JSON.stringify(result));
  response.writeHead(303, { location, "set-cookie": answer.headers.getSetCookie() }).end();
}

const PAGES = {
  "/login": '<form method="post"><input name="username"><button>Sign in</button></form>',
  "/consent": '<form method="post"><button name="allow" value="yes">Allow</button></form>',
};

const api = toNodeHandler(auth);
createServer(async (request, response) => {
  const { pathname } = new URL(request.url, origin);
  if (pathname === "/rotate") {
    // A new key is created for the next token.
    database.jwks.splice(0);
    return response.writeHead(204).end();
  }
  // `fetch` of Node.js states another mode than a navigation, to which this provider answers JSON.
  if (request.method === "GET") request.headers["sec-fetch-mode"] = "navigate";
  if (!(pathname in PAGES)) return api(request, response);
  if (request.method === "GET") return response.end(PAGES[pathname]);
  let text = "";
  for await (const chunk of request) text += chunk;
  const form = new URLSearchParams(text);
  if (pathname === "/consent") {
    return call(request, response, "/oauth2/consent", { accept: form.has("allow") });
  }
  const email = await known(form.get("username"));
  return call(request, response, "/sign-in/email", { email, password: PASSWORD });
}).listen(port, "127.0.0.1", async () => {
  // Only a user can create a client.
  const body = { email: await known("operator"), password: PASSWORD };
  const signedIn = await auth.api.signInEmail({ body, asResponse: true });
  const cookie = signedIn.headers.getSetCookie().map((line) => line.split(";")[0]).join("; ");
  const { client_id, client_secret } = await auth.api.adminCreateOAuthClient({
    headers: new Headers({ cookie }),
    body: {
      application_type: "native", // its redirect URIs can be on loopback
      token_endpoint_auth_method: "client_secret_basic",
      redirect_uris: [`${callback}/callback`],
      post_logout_redirect_uris: [`${callback}/signed-out`],
      enable_end_session: true,
    },
  });
  console.log(JSON.stringify({ client_id, client_secret }));
});
