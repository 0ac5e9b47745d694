// The fixtures of the tests: a gateway for each test, the page that it serves, and an agent.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { test as base, expect, type Page } from "@playwright/test";
import { type Network, startNetwork, startRenamingProxy } from "./network.js";

const built = fileURLToPath(new URL("../.build/", import.meta.url));
const screenshots = join(built, "screenshots");

export type Role = "viewer" | "operator" | "approver" | "admin";

export interface Gateway {
  url: string;
  token(user: string, role: Role): Promise<string>;
  /** Calls the customer API with a token. It throws an error for a refusal. */
  call<T>(token: string, method: string, path: string, body?: object): Promise<T>;
}

interface Fixtures {
  /** Additional settings of the gateway. */
  settings: Record<string, string>;
  /** The errors that the page may write to the browser console. Default: none. */
  allowedErrors: RegExp[];
  /** A proxy to the gateway. A test can cut the connections of the proxy. */
  network: Network;
  gateway: Gateway;
  /** A proxy to the gateway that replaces the Host header. */
  renamingProxy: { url: string };
  /**
   * Starts an agent that registers with an activation code, or goes on as the one before. It may have `more` flags.
   * It returns a function that stops the agent.
   */
  agent: (url: string, code: string, ...more: string[]) => Promise<() => Promise<void>>;
}

export const test = base.extend<Fixtures>({
  settings: [{}, { option: true }],
  allowedErrors: [[], { option: true }],

  // biome-ignore lint/correctness/noEmptyPattern: Playwright requires a pattern
  agent: async ({}, use) => {
    const started: ChildProcess[] = [];
    const dir = mkdtempSync(join(tmpdir(), "fieldgate-console-"));
    await use(async (url, code, ...more) => {
      const scripts = join(dir, "scripts");
      mkdirSync(scripts, { recursive: true, mode: 0o755 });
      writeFileSync(join(scripts, "greet.sh"), '#!/bin/sh\necho "hello $1"\n', { mode: 0o755 });
      const flags = [
        "--url",
        url,
        "--state",
        join(dir, "device.json"),
        "--activation-code",
        code,
        "--scripts",
        scripts,
        ...more,
      ];
      const process_ = spawn(join(built, "fieldgate-agent"), flags, { stdio: "ignore" });
      started.push(process_);
      return () => kill(process_);
    });
    for (const process_ of started) await kill(process_);
    rmSync(dir, { recursive: true, force: true });
  },

  // biome-ignore lint/correctness/noEmptyPattern: Playwright requires a pattern
  network: async ({}, use) => {
    const network = await startNetwork();
    await use(network);
    network.close();
  },

  gateway: async ({ settings, network }, use) => {
    const env = {
      FIELDGATE_ADDR: "127.0.0.1:0",
      FIELDGATE_METRICS_ADDR: "off",
      FIELDGATE_DEV_ISSUER_ADDR: "127.0.0.1:0",
      ...settings,
    };
    const process_ = spawn(join(built, "fieldgate"), ["dev"], {
      env: { ...process.env, ...env },
      stdio: ["ignore", "pipe", "ignore"],
    });
    const printed = await waitForOutput(process_, /export TOKEN=(\S+)/);
    const url = printed.match(/up at (\S+)/)?.[1] as string;
    const exampleToken = printed.match(/export TOKEN=(\S+)/)?.[1] as string;
    const issuer = JSON.parse(Buffer.from(exampleToken.split(".")[1] as string, "base64url").toString()).iss as string;
    network.setTarget(url);
    await use({ url, token: (user, role) => requestToken(new URL(issuer).origin, user, role), call: caller(url) });
    await kill(process_);
  },

  renamingProxy: async ({ gateway }, use) => {
    const proxy = await startRenamingProxy(gateway.url);
    await use(proxy);
    proxy.close();
  },

  // This fixture depends on `gateway`, so that the page is closed before the gateway ends.
  page: async ({ page, gateway: _, allowedErrors }, use, info) => {
    const errors: string[] = [];
    page.on("console", (message) => {
      if (message.type() === "error" || /Content Security|Trusted/.test(message.text())) errors.push(message.text());
    });
    page.on("pageerror", (error) => errors.push(error.message));
    await use(page);
    await page.screenshot({ path: join(screenshots, `${info.title.replace(/\W+/g, "-")}.png`), fullPage: true });
    expect(errors.filter((text) => !allowedErrors.some((pattern) => pattern.test(text)))).toEqual([]);
  },
});

export { expect };

/** Returns a function that calls the customer API of the gateway at `url`. */
export function caller(url: string): Gateway["call"] {
  return async <T>(token: string, method: string, path: string, body?: object): Promise<T> => {
    const headers = { Authorization: `Bearer ${token}`, "Content-Type": "application/json" };
    const response = await fetch(`${url}/api/v1/customer${path}`, {
      method,
      headers,
      body: body && JSON.stringify(body),
    });
    if (!response.ok) throw new Error(await response.text());
    return response.json() as Promise<T>;
  };
}

async function requestToken(issuer: string, user: string, role: Role): Promise<string> {
  const body = JSON.stringify({ user, customer: "acme", role, lifetime: 3600e9 });
  const response = await fetch(`${issuer}/dev/token`, { method: "POST", body });
  if (!response.ok) throw new Error(await response.text());
  return response.text();
}

async function kill(process_: ChildProcess): Promise<void> {
  if (process_.exitCode !== null || process_.signalCode !== null) return;
  process_.kill("SIGKILL");
  await once(process_, "exit");
}

// Waits for a line of output. It keeps reading afterwards, because a closed pipe would end the
// process.
function waitForOutput(process_: ChildProcess, wanted: RegExp): Promise<string> {
  let printed = "";
  return new Promise((resolve, reject) => {
    process_.stdout?.on("data", (text) => {
      printed += text;
      if (wanted.test(printed)) resolve(printed);
    });
    process_.on("exit", () => reject(new Error(`the gateway did not start: ${printed}`)));
  });
}

/** Signs a user in with a token link, like those that `fieldgate dev` prints. */
export async function signIn(page: Page, gateway: Gateway, user: string, role: Role, url = gateway.url): Promise<void> {
  await page.goto(`${url}/console#token=${await gateway.token(user, role)}`);
  await expect(page.getByRole("heading", { name: "Inbox" })).toBeVisible();
}

/**
 * Registers a device, which may have `more` than a name, and opens a session on it. The device claims no commands. The returned
 * `propose` proposes commands as alice.
 */
export async function openTestSession(gateway: Gateway, name = "Pump 7", more: object = {}) {
  const admin = await gateway.token("alice", "admin");
  const provisioned = await gateway.call<ProvisionedDevice>(admin, "POST", "/devices", { name, ...more });
  const device = await registerDevice(gateway, provisioned.activationCode);
  const request = { deviceId: provisioned.device.id, type: "remediation", description: "Telemetry stopped" };
  const session = await gateway.call<{ id: string }>(admin, "POST", "/sessions", request);
  const propose = (type: string, parameters: object, reason = "agreed with the site") =>
    gateway.call<{ id: string }>(admin, "POST", `/sessions/${session.id}/commands`, { type, parameters, reason });
  return { admin, deviceId: provisioned.device.id, sessionId: session.id, propose, device };
}

/** Registers a device. It returns a function that logs in and makes a request as the device. */
export async function registerDevice(gateway: Gateway, activationCode: string) {
  const post = async (path: string, body: object, token?: string) => {
    const headers = { "Content-Type": "application/json", ...(token && { Authorization: `Bearer ${token}` }) };
    const url = `${gateway.url}/api/v1/device${path}`;
    const response = await fetch(url, { method: "POST", headers, body: JSON.stringify(body) });
    if (!response.ok) throw new Error(await response.text());
    return response.json();
  };
  const { deviceId, deviceSecret } = await post("/register", { activationCode });
  return async (path: string, body: object) => {
    const { token } = await post("/auth", { deviceId, deviceSecret });
    return post(path, body, token);
  };
}

export interface ProvisionedDevice {
  device: { id: string };
  activationCode: string;
}

/** Stores a screenshot of the page in .build/screenshots. */
export async function takeScreenshot(page: Page, name: string): Promise<void> {
  await page.screenshot({ path: join(screenshots, `${name}.png`), fullPage: true });
}

/** Scrolls the command in the dialog of a decision to its end, and opens each fold on the way. */
export async function readToEnd(page: Page): Promise<void> {
  const command = page.getByRole("region", { name: "The command" });
  for (const fold of await command.locator("details.folded:not([open]) > summary").all()) await fold.click();
  await command.evaluate((element) => element.scrollTo(0, element.scrollHeight));
}

/** Adds an authenticator to the browser. It verifies its user at once. */
export async function addAuthenticator(page: Page, transport: "internal" | "usb" = "internal"): Promise<void> {
  const debug = await page.context().newCDPSession(page);
  await debug.send("WebAuthn.enable");
  const options = {
    protocol: "ctap2",
    transport,
    hasResidentKey: true,
    hasUserVerification: true,
    isUserVerified: true,
    automaticPresenceSimulation: true,
  } as const;
  await debug.send("WebAuthn.addVirtualAuthenticator", { options });
}

/** Adds a passkey on the page of the account. */
export async function addPasskey(page: Page): Promise<void> {
  await page.goto(`${page.url().split("#")[0]}#/account`);
  await page.getByLabel("Name of the new passkey").fill("Laptop");
  await page.getByRole("button", { name: "Add a passkey for approvals" }).click();
  await expect(page.getByText("Passkey added.")).toBeVisible();
  await expect(page.getByText("not used yet")).toBeVisible();
}
