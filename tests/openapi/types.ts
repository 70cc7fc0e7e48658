// The responses of the document fit the types of client.d.ts.

import type {
  Account, AccountEvent, ApiKey, Complete, Device, Identity, Passkey, Pending, Problem, Session, Totp, TotpEnrollment,
  User,
} from "../../src/flow/sessions/client";
import type { components, operations } from "./document";

type Schemas = components["schemas"];
type Body<Id extends keyof operations, Status> =
  operations[Id]["responses"] extends { [S in Status & number]: { content: { "application/json": infer Own } } } ? Own : never;
type Fits<Client, Document extends Client> = [Document] extends [never] ? never : Document;

export type Checked = [
  Fits<User, Schemas["User"]>,
  Fits<Session, Schemas["Session"]>,
  Fits<Complete, Schemas["Complete"]>,
  Fits<Pending, Schemas["Pending"]>,
  Fits<Problem, Schemas["Problem"]>,
  Fits<Passkey, Schemas["Passkey"]>,
  Fits<Totp, Schemas["Totp"]>,
  Fits<Device, Schemas["Device"]>,
  Fits<ApiKey, Schemas["ApiKey"]>,
  Fits<Identity, Schemas["Identity"]>,
  Fits<AccountEvent, Schemas["Event"]>,
  Fits<Account, Body<"getAccount", 200>>,
  Fits<Omit<TotpEnrollment, "finish">, Body<"startTotpRegistration", 200>>,
];
