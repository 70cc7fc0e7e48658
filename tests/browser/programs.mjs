// Programs that sign in by a device code, with oauth4webapi.

import assert from "node:assert/strict";

import * as oauth from "oauth4webapi";

export const CLI = { client_id: "cli" };
export const OPTIONS = { [oauth.allowInsecureRequests]: true };

/** The configuration of the testbed. */
export const PROGRAMS = {
  clients: [{ id: "cli", name: "Notes" }],
  verification_uri: "http://localhost:3000/device",
};

export async function discover(origin) {
  const issuer = new URL(origin);
  const found = await oauth.discoveryRequest(issuer, { ...OPTIONS, algorithm: "oauth2" });
  return oauth.processDiscoveryResponse(issuer, found);
}

/** Approves a request of a program. */
export async function approve(visitor, origin, user_code) {
  const asked = await visitor.post(`${origin}/auth/device-authorization/request`, { user_code });
  assert.equal(asked.status, 200);
  assert.equal((await asked.json()).client_name, "Notes");
  const body = { user_code, approve: true };
  const decided = await visitor.post(`${origin}/auth/device-authorization/decide`, body);
  assert.equal(decided.status, 204);
}

/** The tokens of a program that a visitor approved. */
export async function signInProgram(visitor, origin, options = {}) {
  const server = await discover(origin);
  const asked = await oauth.deviceAuthorizationRequest(server, CLI, oauth.None(), {}, OPTIONS);
  const device = await oauth.processDeviceAuthorizationResponse(server, CLI, asked);
  await approve(visitor, origin, device.user_code);
  const code = device.device_code;
  const answer = await oauth.deviceCodeGrantRequest(server, CLI, oauth.None(), code, {
    ...OPTIONS,
    ...options,
  });
  return oauth.processDeviceCodeResponse(server, CLI, answer);
}
