// The certified `oidc-provider` with its own login pages: any name signs in, with any password. A
// name that begins with `mfa` signs in with two factors (`amr`, RFC 8176).

import { generateKeyPairSync, randomBytes } from "node:crypto";

import Provider from "oidc-provider";

const port = Number(process.env.PROVIDER_PORT ?? 4000);
const issuer = process.env.ISSUER ?? `http://localhost:${port}`;
const app = process.env.APP ?? "http://localhost:3000";

const jwk = (type, options, alg) => ({
  ...generateKeyPairSync(type, options).privateKey.export({ format: "jwk" }),
  use: "sig",
  alg,
});

const client = (client_id, more) => ({
  client_id,
  client_secret: "not-a-secret-outside-this-example",
  redirect_uris: [`${app}/auth/oauth/${client_id}/callback`],
  post_logout_redirect_uris: [`${app}/auth/oauth/${client_id}/signed-out`],
  backchannel_logout_uri: `${app}/auth/oauth/${client_id}/backchannel-logout`,
  backchannel_logout_session_required: true,
  ...more,
});

const provider = new Provider(issuer, {
  clients: [
    client("corp", {}),
    client("corp-es", {
      id_token_signed_response_alg: "ES256",
      token_endpoint_auth_method: "client_secret_post",
    }),
    // An application on a phone, which gets ID tokens itself.
    {
      client_id: "phone",
      application_type: "native",
      token_endpoint_auth_method: "none",
      redirect_uris: ["com.example.app:/signed-in"],
    },
  ],
  jwks: {
    keys: [
      jwk("rsa", { modulusLength: 2048 }, "RS256"),
      jwk("ec", { namedCurve: "P-256" }, "ES256"),
    ],
  },
  cookies: { keys: [randomBytes(32).toString("hex")] },
  claims: {
    openid: ["sub", "amr"],
    email: ["email", "email_verified"],
    profile: ["name", "preferred_username"],
  },
  features: {
    backchannelLogout: { enabled: true },
    rpInitiatedLogout: { enabled: true },
    devInteractions: { enabled: true },
  },
  // It refuses addresses such as loopback, where this example is.
  fetch: (url, { dispatcher, ...options }) => fetch(url, options),
  pkce: { required: () => true },
  findAccount: (_, id) => ({
    accountId: id,
    claims: () => ({
      sub: id,
      email: `${id}@example.com`,
      email_verified: true,
      name: id,
      preferred_username: id,
    }),
  }),
});

const finish = provider.interactionFinished.bind(provider);
provider.interactionFinished = (request, response, { login, ...result }, options) => {
  const amr = login?.accountId.startsWith("mfa") ? ["pwd", "mfa"] : ["pwd"];
  const finished = login ? { ...result, login: { ...login, amr } } : result;
  return finish(request, response, finished, options);
};

const server = provider.listen(port, "127.0.0.1", () => console.log(`issuer ${issuer}`));
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => server.close(() => process.exit()));
