// A gateway of one's own for each test, the page that it serves, and a real device.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { test as base, expect, type Page } from "@playwright/test";
import { type Network, startNetwork, startRenamingProxy } from "./network.js";

const built = fileURLToPath(new URL("../.build/", import.meta.url));
const shots = join(built, "screenshots");

export type Role = "viewer" | "operator" | "approver" | "admin";

export interface Gateway {
  url: string;
  token(user: string, role: Role): Promise<string>;
  /** Calls the API as somebody. */
  call<T>(as: string, method: string, path: string, body?: object): Promise<T>;
}

interface Fixtures {
  settings: Record<string, string>;
  /** What the page may write to its console as an error: nothing, unless a test says so. */
  tolerated: RegExp[];
  network: Network;
  gateway: Gateway;
  /** A way to the gateway that changes the name which is asked. */
  renamed: { url: string };
  agent: (url: string, code: string) => Promise<void>;
}

export const test = base.extend<Fixtures>({
  settings: [{}, { option: true }],
  tolerated: [[], { option: true }],

  // biome-ignore lint/correctness/noEmptyPattern: Playwright wants a pattern
  agent: async ({}, use) => {
    const started: ChildProcess[] = [];
    const dir = mkdtempSync(join(tmpdir(), "fieldgate-console-"));
    await use(async (url, code) => {
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
      ];
      started.push(spawn(join(built, "fieldgate-agent"), flags, { stdio: "ignore" }));
    });
    for (const process_ of started) await ended(process_);
    rmSync(dir, { recursive: true, force: true });
  },

  // The way to the gateway that a test may cut.
  // biome-ignore lint/correctness/noEmptyPattern: Playwright wants a pattern
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
    const printed = await untilPrinted(process_, /export TOKEN=(\S+)/);
    const url = printed.match(/up at (\S+)/)?.[1] as string;
    const shown = printed.match(/export TOKEN=(\S+)/)?.[1] as string;
    const issuer = JSON.parse(Buffer.from(shown.split(".")[1] as string, "base64url").toString()).iss as string;
    network.to(url);
    await use({ url, token: (user, role) => issue(new URL(issuer).origin, user, role), call: caller(url) });
    await ended(process_);
  },

  renamed: async ({ gateway }, use) => {
    const proxy = await startRenamingProxy(gateway.url);
    await use(proxy);
    proxy.close();
  },

  // It needs the gateway so that it ends before that.
  page: async ({ page, gateway: _, tolerated }, use, info) => {
    const wrong: string[] = [];
    page.on("console", (message) => {
      if (message.type() === "error" || /Content Security|Trusted/.test(message.text())) wrong.push(message.text());
    });
    page.on("pageerror", (error) => wrong.push(error.message));
    await use(page);
    await page.screenshot({ path: join(shots, `${info.title.replace(/\W+/g, "-")}.png`), fullPage: true });
    expect(wrong.filter((text) => !tolerated.some((pattern) => pattern.test(text)))).toEqual([]);
  },
});

export { expect };

function caller(url: string): Gateway["call"] {
  return async <T>(as: string, method: string, path: string, body?: object): Promise<T> => {
    const headers = { Authorization: `Bearer ${as}`, "Content-Type": "application/json" };
    const response = await fetch(`${url}/api/v1/customer${path}`, {
      method,
      headers,
      body: body && JSON.stringify(body),
    });
    if (!response.ok) throw new Error(await response.text());
    return response.json() as Promise<T>;
  };
}

async function issue(issuer: string, user: string, role: Role): Promise<string> {
  const body = JSON.stringify({ user, customer: "acme", role, lifetime: 3600e9 });
  const response = await fetch(`${issuer}/dev/token`, { method: "POST", body });
  if (!response.ok) throw new Error(await response.text());
  return response.text();
}

async function ended(process_: ChildProcess): Promise<void> {
  if (process_.exitCode !== null || process_.signalCode !== null) return;
  process_.kill("SIGKILL");
  await once(process_, "exit");
}

// It goes on reading: who leaves the pipe ends a process that has more to say.
function untilPrinted(process_: ChildProcess, wanted: RegExp): Promise<string> {
  let printed = "";
  return new Promise((resolve, reject) => {
    process_.stdout?.on("data", (text) => {
      printed += text;
      if (wanted.test(printed)) resolve(printed);
    });
    process_.on("exit", () => reject(new Error(`the gateway did not start: ${printed}`)));
  });
}

/** Signs in as somebody by a link, as `fieldgate dev` prints it. */
export async function signIn(page: Page, gateway: Gateway, user: string, role: Role, url = gateway.url): Promise<void> {
  await page.goto(`${url}/console#token=${await gateway.token(user, role)}`);
  await expect(page.getByRole("heading", { name: "Inbox" })).toBeVisible();
}

/** A device that has registered itself and does nothing, with an open session. */
export async function prepared(gateway: Gateway, name = "Pump 7") {
  const admin = await gateway.token("alice", "admin");
  const made = await gateway.call<Provisioned>(admin, "POST", "/devices", { name });
  await fetch(`${gateway.url}/api/v1/device/register`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ activationCode: made.activationCode }),
  });
  const about = { deviceId: made.device.id, type: "remediation", description: "Telemetry stopped" };
  const session = await gateway.call<{ id: string }>(admin, "POST", "/sessions", about);
  const propose = (type: string, parameters: object, reason = "agreed with the site") =>
    gateway.call<{ id: string }>(admin, "POST", `/sessions/${session.id}/commands`, { type, parameters, reason });
  return { deviceId: made.device.id, sessionId: session.id, propose };
}

export interface Provisioned {
  device: { id: string };
  activationCode: string;
}

/** Keeps a picture of the page. */
export async function keep(page: Page, name: string): Promise<void> {
  await page.screenshot({ path: join(shots, `${name}.png`), fullPage: true });
}
