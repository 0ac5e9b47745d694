// Starts real gateways with `fieldgate dev`, and creates devices, sessions and commands.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { after } from "node:test";
import { fileURLToPath } from "node:url";
import { type Client, type ClientOptions, createClient, type Device, type Schemas } from "@fieldgate/client";

const program = fileURLToPath(new URL("../fieldgate", import.meta.url));

/** The claims of a token. */
export interface TokenClaims {
  user?: string;
  customer?: string;
  role?: "viewer" | "operator" | "approver" | "admin";
  lifetimeMs?: number;
}

export interface Gateway {
  url: string;
  /** Returns a token, like `fieldgate token`. By default the user is an admin. */
  token(claims?: TokenClaims): Promise<string>;
  client(options?: Partial<ClientOptions>): Client;
  stop(signal: NodeJS.Signals): void;
}

/** Starts a gateway on free ports. The gateway is stopped after the tests of the file. */
export async function startGateway(settings: Record<string, string> = {}): Promise<Gateway> {
  const env = {
    FIELDGATE_ADDR: "127.0.0.1:0",
    FIELDGATE_METRICS_ADDR: "off",
    FIELDGATE_DEV_ISSUER_ADDR: "127.0.0.1:0",
  };
  const process_ = spawn(program, ["dev"], {
    env: { ...process.env, ...env, ...settings },
    stdio: ["ignore", "pipe", "ignore"],
  });
  after(() => kill(process_));
  const printed = await waitForOutput(process_, /export TOKEN=(\S+)/);
  const url = printed.match(/up at (\S+)/)?.[1] as string;
  const exampleToken = printed.match(/export TOKEN=(\S+)/)?.[1] as string;
  const issuer = new URL(JSON.parse(Buffer.from(exampleToken.split(".")[1] as string, "base64url").toString()).iss)
    .origin;
  const token = (claims: TokenClaims = {}) => requestToken(issuer, claims);
  return {
    url,
    token,
    client: (options) => createClient({ baseUrl: url, token: () => token(), ...options }),
    stop: (signal) => process_.kill(signal),
  };
}

async function kill(process_: ChildProcess): Promise<void> {
  if (process_.exitCode !== null || process_.signalCode !== null) return;
  process_.kill("SIGKILL");
  await once(process_, "exit");
}

/**
 * Waits for a line of output. It keeps reading afterwards, because a closed pipe would end the
 * gateway.
 */
async function waitForOutput(process_: ChildProcess, wanted: RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    let printed = "";
    process_.stdout?.on("data", (text) => {
      printed += text;
      if (wanted.test(printed)) resolve(printed);
    });
    process_.once("exit", () => reject(new Error(`the gateway did not start: ${printed}`)));
  });
}

async function requestToken(issuer: string, claims: TokenClaims): Promise<string> {
  const { lifetimeMs = 3_600_000, ...rest } = claims;
  const body = JSON.stringify({
    user: "alice",
    customer: "acme",
    role: "admin",
    ...rest,
    lifetime: lifetimeMs * 1_000_000,
  });
  const response = await fetch(`${issuer}/dev/token`, { method: "POST", body });
  if (!response.ok) throw new Error(await response.text());
  return response.text();
}

/** Provisions and registers a device. */
export async function registeredDevice(client: Client, name = "Pump 7"): Promise<Device> {
  const provisioned = await client.post("/api/v1/customer/devices", { body: { name } });
  await client.post("/api/v1/device/register", { body: { activationCode: provisioned.activationCode } });
  return provisioned.device;
}

export async function openSession(client: Client, deviceId: string): Promise<Schemas["Session"]> {
  return client.post("/api/v1/customer/sessions", { body: { deviceId, type: "diagnostic" } });
}

/** Proposes a command and returns its id. */
export async function propose(client: Client, sessionId: string): Promise<string> {
  const path = { params: { path: { sessionId } } };
  return (
    await client.post("/api/v1/customer/sessions/{sessionId}/commands", { ...path, body: { type: "diagnostic.ping" } })
  ).id;
}
