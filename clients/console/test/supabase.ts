// What the tests of the sign-in with a real Supabase Auth server share. `make test-supabase` starts one and
// runs them. They need these variables, and are skipped without them:
//
//   FIELDGATE_TEST_SUPABASE_URL         the project; Auth is at <URL>/auth/v1
//   FIELDGATE_TEST_SUPABASE_ANON_KEY    its public key
//   FIELDGATE_TEST_SUPABASE_SECRET_KEY  its secret key, with which the tests create users
//   FIELDGATE_TEST_SUPABASE_MAILS       where GET returns the mails, newest first, each with `to`,
//                                       `links` and `code`
//   FIELDGATE_TEST_SUPABASE_*_URL       projects that limit sign-ins: see supabase.limits.spec.ts
//   FIELDGATE_TEST_SUPABASE_CONSOLE     the origin at which the tests start the gateway, on this computer. The
//                                       site URL of the project is its path /console
//
// The template of the project's mails contains {{ .ConfirmationURL }} and {{ .Token }}. The project has the
// identity providers of gateway/supabase.
import { createHmac, randomUUID } from "node:crypto";
import { test as base, expect, type Page } from "@playwright/test";
import axe from "axe-core";
import { readToEnd } from "./fixtures.js";
import { startGateway } from "./production.js";

const {
  FIELDGATE_TEST_SUPABASE_ANON_KEY: anonKey = "",
  FIELDGATE_TEST_SUPABASE_SECRET_KEY: secretKey = "",
  FIELDGATE_TEST_SUPABASE_MAILS: mailsUrl = "",
  FIELDGATE_TEST_SUPABASE_CONSOLE: consoleUrl = "",
} = process.env;

/** The URL of the project. */
export const projectUrl = process.env.FIELDGATE_TEST_SUPABASE_URL ?? "";

/** Skips the tests of a file if there is no project. Each test starts a gateway and signs several users in. */
export function needsProject(): void {
  test.slow();
  const isReady = projectUrl && anonKey && secretKey && mailsUrl && consoleUrl;
  test.skip(!isReady, "FIELDGATE_TEST_SUPABASE_URL and others are not set");
}

export const test = base.extend<{ url: string; project: string }>({
  /** The URL of the project with which the gateway starts. */
  project: [projectUrl, { option: true }],

  url: async ({ project }, use) => {
    const settings = {
      FIELDGATE_SUPABASE_URL: project,
      FIELDGATE_SUPABASE_ANON_KEY: anonKey,
      FIELDGATE_APPROVAL_AAL: "aal2",
    };
    const gateway = await startGateway(settings, consoleUrl);
    await use(gateway.url);
    await gateway.stop();
  },

  page: async ({ page }, use) => {
    const errors: string[] = [];
    page.on("pageerror", (error) => errors.push(error.message));
    page.on("console", (message) => /Content Security|Trusted/.test(message.text()) && errors.push(message.text()));
    await use(page);
    expect(errors).toEqual([]);
  },
});

export interface TestUser {
  email: string;
  password: string;
}

/** Creates a user of the tenant acme with a role, or of no tenant if there is no role. */
export async function createUser(role: string | undefined): Promise<TestUser> {
  const user = { email: `${randomUUID()}@example.com`, password: "correct horse" };
  const app_metadata = role && { customer_id: "acme", role };
  await admin("POST", "/admin/users", { ...user, email_confirm: true, app_metadata });
  return user;
}

/** Assigns the tenant acme and a role to a user who has signed in without a tenant. */
export async function assign(email: string, role: string): Promise<void> {
  await admin("PUT", `/admin/users/${await idOf(email)}`, { app_metadata: { customer_id: "acme", role } });
}

/** Returns the id of a user. */
export async function idOf(email: string): Promise<string> {
  const found = (await admin("GET", "/admin/users?per_page=1000")) as unknown as { users: StoredUser[] };
  return found.users.find((user) => user.email === email)?.id ?? "";
}

interface StoredUser {
  id: string;
  email: string;
}

/** Calls the project with its secret key. */
export async function admin(method: string, path: string, body?: object): Promise<Record<string, string>> {
  const headers = { apikey: secretKey, "Content-Type": "application/json" };
  const response = await fetch(`${projectUrl}/auth/v1${path}`, { method, headers, body: body && JSON.stringify(body) });
  if (!response.ok) throw new Error(await response.text());
  return (await response.json()) as Record<string, string>;
}

/** Calls the project with the token of a user. */
export async function callProject(token: string, path: string, body: object): Promise<Record<string, string>> {
  const headers = { apikey: anonKey, Authorization: `Bearer ${token}`, "Content-Type": "application/json" };
  const response = await fetch(`${projectUrl}/auth/v1${path}`, { method: "POST", headers, body: JSON.stringify(body) });
  if (!response.ok) throw new Error(await response.text());
  return (await response.json()) as Record<string, string>;
}

interface Mail {
  to: string[];
  links: string[];
  code: string;
}

/** Waits for a mail to an address, or for a text message to a telephone. */
export async function mailTo(email: string): Promise<Mail> {
  let mail: Mail | undefined;
  await expect
    .poll(async () => {
      const mails = (await (await fetch(mailsUrl)).json()) as Mail[];
      mail = mails.find(({ to }) => to.includes(email));
      return mail;
    })
    .toBeTruthy();
  return mail as Mail;
}

export async function signIn(page: Page, url: string, user: TestUser): Promise<void> {
  await page.goto(`${url}/console`);
  await fillPassword(page, user);
  await expect(page.getByRole("heading", { name: "Inbox" })).toBeVisible();
}

export async function fillPassword(page: Page, user: TestUser): Promise<void> {
  await page.getByLabel("E-mail").fill(user.email);
  await page.getByLabel("Password").fill(user.password);
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
}

/** Opens the page of the identity provider. */
export async function openProvider(page: Page, url: string): Promise<void> {
  await page.goto(`${url}/console`);
  await page.getByRole("button", { name: "Continue with Keycloak" }).click();
  await expect(page.getByRole("button", { name: "Allow" })).toBeVisible();
}

/** Signs in at the identity provider, and returns to the console. */
export async function allowProvider(page: Page, email: string): Promise<void> {
  await page.getByLabel("Address").fill(email);
  await page.getByRole("button", { name: "Allow" }).click();
}

/** Provisions a device, opens a session and proposes a command that must be approved. */
export async function proposeCommand(url: string, operator: TestUser): Promise<void> {
  const device = await call(url, await createUser("admin"), "/devices", { name: "Pump 7" });
  await fetch(`${url}/api/v1/device/register`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ activationCode: device.activationCode }),
  });
  const deviceId = device.device.id;
  const session = await call(url, operator, "/sessions", { deviceId, type: "remediation", description: "Stopped" });
  const command = { type: "service.restart", parameters: { service: "telemetry" }, reason: "agreed" };
  await call(url, operator, `/sessions/${session.id}/commands`, command);
}

// biome-ignore lint/suspicious/noExplicitAny: the responses of several operations
async function call(url: string, user: TestUser, path: string, body: object): Promise<any> {
  const token = await passwordToken(user);
  const headers = { Authorization: `Bearer ${token}`, "Content-Type": "application/json" };
  const request = { method: "POST", headers, body: JSON.stringify(body) };
  const response = await fetch(`${url}/api/v1/customer${path}`, request);
  if (!response.ok) throw new Error(await response.text());
  return response.json();
}

export async function passwordToken(user: TestUser): Promise<string> {
  const headers = { apikey: anonKey, "Content-Type": "application/json" };
  const request = { method: "POST", headers, body: JSON.stringify(user) };
  const response = await fetch(`${projectUrl}/auth/v1/token?grant_type=password`, request);
  return ((await response.json()) as { access_token: string }).access_token;
}

/** Approves the command of the inbox. The approval asks for the second factor, which the user adds as an app. */
export async function approveWithNewApp(page: Page): Promise<void> {
  await page.getByRole("button", { name: "Approve…" }).click();
  await readToEnd(page);
  await page.getByRole("button", { name: "Approve", exact: true }).click();
  const dialog = page.getByRole("dialog", { name: "Second factor" });
  await dialog.getByRole("button", { name: "Add an authenticator app" }).click();
  await dialog.getByLabel("Code").fill(totp(await dialog.locator("code.digest").innerText()));
  await dialog.getByRole("button", { name: "Verify" }).click();
  await expect(page.getByText("No command waits for a decision.")).toBeVisible();
}

/** Returns the code of an authenticator app (RFC 6238), or that of a number of steps later. */
export function totp(secret: string, steps = 0): string {
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000) + steps));
  const digest = createHmac("sha1", base32(secret)).update(counter).digest();
  const offset = (digest.at(-1) as number) & 15;
  return String((digest.readUInt32BE(offset) & 0x7fffffff) % 1_000_000).padStart(6, "0");
}

function base32(text: string): Buffer {
  const digits = [...text].map((letter) => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(letter));
  const bits = digits.map((digit) => digit.toString(2).padStart(5, "0")).join("");
  return Buffer.from((bits.match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2)));
}

/** Requires that axe-core finds no violation on the page. */
export async function requireAccessible(page: Page): Promise<void> {
  await page.evaluate(axe.source); // evaluate is exempt from the Content-Security-Policy of the page
  const found = await page.evaluate(async () => {
    const { violations } = await (globalThis as unknown as { axe: typeof axe }).axe.run();
    return violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.target.join(" ")).join(", ")}`);
  });
  expect.soft(found).toEqual([]);
}
