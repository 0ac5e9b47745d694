// Tests the sign-in with a real Supabase Auth server. They need these variables, and are skipped
// without them:
//
//   FIELDGATE_TEST_SUPABASE_URL         the project; Auth is at <URL>/auth/v1
//   FIELDGATE_TEST_SUPABASE_ANON_KEY    its public key
//   FIELDGATE_TEST_SUPABASE_SECRET_KEY  its secret key, with which the tests create users
//   FIELDGATE_TEST_SUPABASE_MAILS       where GET returns the mails, newest first, each with `to`,
//                                       `links` and `code`
//
// The redirect URLs of the project must contain http://127.0.0.1:*/console, and the template of
// its mails {{ .ConfirmationURL }} and {{ .Token }}.
import { createHmac, randomUUID } from "node:crypto";
import { test as base, expect, type Page } from "@playwright/test";
import axe from "axe-core";
import { takeScreenshot } from "./fixtures.js";
import { startGateway } from "./production.js";

const {
  FIELDGATE_TEST_SUPABASE_URL: projectUrl = "",
  FIELDGATE_TEST_SUPABASE_ANON_KEY: anonKey = "",
  FIELDGATE_TEST_SUPABASE_SECRET_KEY: secretKey = "",
  FIELDGATE_TEST_SUPABASE_MAILS: mailsUrl = "",
} = process.env;

const test = base.extend<{ url: string }>({
  // biome-ignore lint/correctness/noEmptyPattern: Playwright requires a pattern
  url: async ({}, use) => {
    const gateway = await startGateway({
      FIELDGATE_SUPABASE_URL: projectUrl,
      FIELDGATE_SUPABASE_ANON_KEY: anonKey,
      FIELDGATE_APPROVAL_AAL: "aal2",
    });
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

test.slow(); // each test starts a gateway and signs several users in
test.skip(!projectUrl || !anonKey || !secretKey || !mailsUrl, "FIELDGATE_TEST_SUPABASE_URL and others are not set");

test("approval asks for a second factor, adds one and is repeated", async ({ page, url }) => {
  const alice = await createUser("operator");
  const bob = await createUser("approver");
  await proposeCommand(url, alice);
  await signIn(page, url, bob);
  await page.getByRole("button", { name: "Approve…" }).click();
  await page.getByRole("dialog").getByLabel("Reason (optional)").fill("agreed");
  await page.getByRole("button", { name: "Approve", exact: true }).click();

  const dialog = page.getByRole("dialog", { name: "Second factor" });
  await dialog.getByRole("button", { name: "Add an authenticator app" }).click();
  const image = dialog.getByAltText("QR code of the secret");
  await expect(image).toBeVisible({ timeout: 20_000 });
  await expect.poll(() => image.evaluate((qr: HTMLImageElement) => qr.naturalWidth)).toBeGreaterThan(0);
  const secret = await dialog.locator("code.digest").innerText();
  await requireAccessible(page);
  await takeScreenshot(page, "second-factor");
  await dialog.getByLabel("Code").fill("000000");
  await dialog.getByRole("button", { name: "Verify" }).click();
  await expect(dialog.getByRole("alert")).toHaveText(/This code is wrong|Invalid TOTP code/);
  await dialog.getByLabel("Code").fill(totp(secret));
  await dialog.getByRole("button", { name: "Verify" }).click();
  await expect(page.getByRole("dialog")).toHaveCount(0);
  await expect(page.getByText("No command waits for a decision.")).toBeVisible();

  // The next sign-in asks for the code after the password.
  await page.getByRole("button", { name: "Sign out" }).click();
  await fillPassword(page, bob);
  await expect(page.getByRole("button", { name: "Continue without a code" })).toBeVisible();
  await requireAccessible(page);
  await page.getByLabel("Code").fill(totp(secret, 1)); // a code is valid once, and for half a minute more
  await page.getByRole("button", { name: "Verify" }).click();
  await expect(page.getByRole("heading", { name: "Inbox" })).toBeVisible();
});

test("approval that is not stepped up stays refused", async ({ page, url }) => {
  await proposeCommand(url, await createUser("operator"));
  await signIn(page, url, await createUser("approver"));
  await page.getByRole("button", { name: "Approve…" }).click();
  await page.getByRole("button", { name: "Approve", exact: true }).click();
  await page.getByRole("dialog", { name: "Second factor" }).getByRole("button", { name: "Back" }).click();
  await expect(page.getByRole("alert")).toContainText("step_up_required");
});

test("recovery mail sets a password", async ({ page, url }) => {
  const user = await createUser("viewer");
  await page.goto(`${url}/console`);
  await page.getByLabel("E-mail").fill(user.email);
  await page.getByRole("button", { name: "I have no password, or forgot it" }).click();
  await expect(page.getByText("a mail has been sent to it")).toBeVisible();
  await page.goto((await mailTo(user.email)).links[0] as string);
  await page.getByLabel("New password", { exact: true }).fill("another horse");
  await page.getByLabel("New password, repeated").fill("another horse");
  await requireAccessible(page);
  await page.getByRole("button", { name: "Set the password" }).click();
  await expect(page.getByText("viewer, acme")).toBeVisible();
  expect(page.url()).toBe(`${url}/console#/inbox`);

  await page.getByRole("button", { name: "Sign out" }).click();
  await fillPassword(page, { ...user, password: "another horse" });
  await expect(page.getByText("viewer, acme")).toBeVisible();
});

test("invitation leaves no token in the address and sets a password", async ({ page, url }) => {
  const email = `${randomUUID()}@example.com`;
  const invited = await admin("POST", `/invite?redirect_to=${encodeURIComponent(`${url}/console`)}`, { email });
  await admin("PUT", `/admin/users/${invited.id}`, { app_metadata: { customer_id: "acme", role: "viewer" } });
  const addresses: string[] = [];
  page.on("framenavigated", (frame) => addresses.push(frame.url()));
  await page.goto((await mailTo(email)).links[0] as string);
  await expect(page.getByText(`This link signs you in as ${email}.`)).toBeVisible();
  expect(page.url()).toBe(`${url}/console`);
  expect(await page.evaluate(() => performance.getEntriesByType("navigation").length)).toBe(1);
  await requireAccessible(page);
  await page.getByRole("button", { name: `Continue as ${email}` }).click();
  await page.getByLabel("New password", { exact: true }).fill("correct horse");
  await page.getByLabel("New password, repeated").fill("wrong horse");
  await page.getByRole("button", { name: "Set the password" }).click();
  await expect(page.getByRole("alert")).toHaveText("The two passwords differ.");
  await page.getByLabel("New password, repeated").fill("correct horse");
  await page.getByRole("button", { name: "Set the password" }).click();
  await expect(page.getByText("viewer, acme")).toBeVisible();
  await page.goBack().catch(() => {});
  expect(page.url()).not.toContain("access_token");
});

test("link with the hash of a token waits for the user", async ({ page, url }) => {
  const user = await createUser("viewer");
  const link = await admin("POST", "/admin/generate_link", { type: "magiclink", email: user.email });
  await page.goto(`${url}/console?token_hash=${link.hashed_token}&type=magiclink`);
  expect(page.url()).toBe(`${url}/console`);
  await page.getByRole("button", { name: "Open the link" }).click();
  await page.getByRole("button", { name: `Continue as ${user.email}` }).click();
  await expect(page.getByText("viewer, acme")).toBeVisible();
});

test("code of a mail signs in", async ({ page, url }) => {
  const user = await createUser("viewer");
  await page.goto(`${url}/console`);
  await page.getByLabel("E-mail").fill(user.email);
  await page.getByRole("button", { name: "E-mail me a link or a code instead" }).click();
  await page.getByLabel("Code of the e-mail").fill("000000");
  await requireAccessible(page);
  await page.getByRole("button", { name: "Sign in with the code" }).click();
  await expect(page.getByRole("alert")).toHaveText(
    "This code or link has expired or was already used. Request another one.",
  );
  await page.getByLabel("Code of the e-mail").fill((await mailTo(user.email)).code);
  await page.getByRole("button", { name: "Sign in with the code" }).click();
  await expect(page.getByText("viewer, acme")).toBeVisible();
});

test("account page manages the second factor", async ({ page, url }) => {
  const user = await createUser("viewer");
  await signIn(page, url, user);
  await page.getByRole("link", { name: user.email }).click();
  await page.getByRole("button", { name: "Add an authenticator app" }).click();
  await page.getByLabel("Code").fill(totp(await page.locator("code.digest").innerText()));
  await page.getByRole("button", { name: "Verify" }).click();
  await expect(page.getByRole("button", { name: "Remove…" })).toBeVisible();
  await requireAccessible(page);
  await page.getByRole("button", { name: "Remove…" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Remove", exact: true }).click();
  await expect(page.getByText("You have no second factor yet.")).toBeVisible();
});

test("person without a tenant is told so", async ({ page, url }) => {
  const user = await createUser(undefined);
  await page.goto(`${url}/console`);
  await fillPassword(page, user);
  await expect(page.getByText(`You are signed in as ${user.email}.`)).toBeVisible();
  await expect(page.getByRole("alert")).toContainText("Your account is assigned to no customer.");
});

interface TestUser {
  email: string;
  password: string;
}

/** Creates a user of the tenant acme with a role, or of no tenant if there is no role. */
async function createUser(role: string | undefined): Promise<TestUser> {
  const user = { email: `${randomUUID()}@example.com`, password: "correct horse" };
  const app_metadata = role && { customer_id: "acme", role };
  await admin("POST", "/admin/users", { ...user, email_confirm: true, app_metadata });
  return user;
}

/** Calls the project with its secret key. */
async function admin(method: string, path: string, body: object): Promise<Record<string, string>> {
  const headers = { apikey: secretKey, "Content-Type": "application/json" };
  const response = await fetch(`${projectUrl}/auth/v1${path}`, { method, headers, body: JSON.stringify(body) });
  if (!response.ok) throw new Error(await response.text());
  return (await response.json()) as Record<string, string>;
}

interface Mail {
  to: string[];
  links: string[];
  code: string;
}

/** Waits for a mail to an address. */
async function mailTo(email: string): Promise<Mail> {
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

async function signIn(page: Page, url: string, user: TestUser): Promise<void> {
  await page.goto(`${url}/console`);
  await fillPassword(page, user);
  await expect(page.getByRole("heading", { name: "Inbox" })).toBeVisible();
}

async function fillPassword(page: Page, user: TestUser): Promise<void> {
  await page.getByLabel("E-mail").fill(user.email);
  await page.getByLabel("Password").fill(user.password);
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
}

/** Provisions a device, opens a session and proposes a command that must be approved. */
async function proposeCommand(url: string, operator: TestUser): Promise<void> {
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

async function passwordToken(user: TestUser): Promise<string> {
  const headers = { apikey: anonKey, "Content-Type": "application/json" };
  const request = { method: "POST", headers, body: JSON.stringify(user) };
  const response = await fetch(`${projectUrl}/auth/v1/token?grant_type=password`, request);
  return ((await response.json()) as { access_token: string }).access_token;
}

/** Returns the code of an authenticator app (RFC 6238), or that of a number of steps later. */
function totp(secret: string, steps = 0): string {
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
async function requireAccessible(page: Page): Promise<void> {
  await page.evaluate(axe.source); // evaluate is exempt from the Content-Security-Policy of the page
  const found = await page.evaluate(async () => {
    const { violations } = await (globalThis as unknown as { axe: typeof axe }).axe.run();
    return violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.target.join(" ")).join(", ")}`);
  });
  expect.soft(found).toEqual([]);
}
