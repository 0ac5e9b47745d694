// Tests how users sign in with a Supabase project. The gateway is configured as in production.
// A test server simulates the project: it has the endpoints of Supabase Auth that the page
// uses.
import { createHash, generateKeyPairSync, sign } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { test as base, expect, type Page } from "@playwright/test";
import { caller, openTestSession, type Role } from "./fixtures.js";
import { startGateway } from "./production.js";

interface Project {
  url: string;
  /**
   * The endpoints and API keys of the requests that have arrived, such as "password with
   * public-key".
   */
  requests: string[];
  /** The lifetime of renewed access tokens in seconds. */
  lifetime: number;
  /** Whether renewals are refused, as after the end of a session that is limited in time. */
  refusesRenewals: boolean;
  /** Whether renewals are refused with 429. */
  limitsRenewals: boolean;
  /** The audience of the tokens. The gateway refuses tokens for others. */
  audience: string;
  /** The tenant in the tokens. */
  tenant: string;
  /** The link in the last mail. */
  mailedLink: string;
  /** Returns an access token with a lifetime in seconds. Default: of bob, an approver. */
  token(lifetime: number, user?: string, role?: Role): string;
}

const test = base.extend<{ project: Project; url: string }>({
  // biome-ignore lint/correctness/noEmptyPattern: Playwright requires a pattern
  project: async ({}, use) => {
    const [project, server] = await startProject();
    await use(project);
    server.closeAllConnections();
    server.close();
  },

  url: async ({ project }, use) => {
    const gateway = await startGateway({
      FIELDGATE_SUPABASE_URL: project.url,
      FIELDGATE_SUPABASE_ANON_KEY: "public-key",
    });
    await use(gateway.url);
    await gateway.stop();
  },
});

test("password signs in, and the sign-in outlasts the access token", async ({ page, project, url }) => {
  const errors: string[] = [];
  page.on("pageerror", (error) => errors.push(error.message));
  page.on("console", (message) => /Content Security|Trusted/.test(message.text()) && errors.push(message.text()));

  await page.goto(`${url}/console`);
  await page.getByLabel("E-mail").fill("bob@example.com");
  await page.getByLabel("Password").fill("wrong");
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await expect(page.getByRole("alert")).toHaveText("Invalid login credentials");

  await page.getByLabel("Password").fill("correct horse");
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await expect(page.getByText("No command waits for a decision.")).toBeVisible();
  await expect(page.getByText("approver, acme")).toBeVisible();
  await page.getByRole("link", { name: "Devices" }).click();
  await expect(page.getByText("There are no devices yet.")).toBeVisible();
  const renewals = () => project.requests.filter((endpoint) => endpoint === "refresh_token with public-key").length;
  await expect.poll(renewals).toBe(1);

  await page.getByRole("button", { name: "Sign out" }).click();
  await expect.poll(() => project.requests.at(-1)).toBe("logout with public-key");
  expect(errors).toEqual([]);
});

test("token link does not sign in", async ({ page, project, url }) => {
  await page.goto(`${url}/console#token=${project.token(3600)}`);
  await expect(page.getByLabel("Password")).toBeVisible();
  expect(page.url()).toBe(`${url}/console`);
  expect(await page.evaluate(() => sessionStorage.getItem("fieldgate.token"))).toBeNull();
});

test("sign-in outlasts many renewals in two tabs", async ({ page, project, url }) => {
  project.lifetime = 4; // a token is renewed after half of a short lifetime
  await signInAsBob(page, url);
  const opened = page.waitForEvent("popup");
  await page.evaluate(() => void open("/console", "", "popup")); // the new tab gets a copy of the sessionStorage
  const duplicate = await opened;
  await expect(duplicate.getByText("No command waits for a decision.")).toBeVisible();
  const renewals = () => project.requests.filter((endpoint) => endpoint === "refresh_token with public-key").length;
  const expected = renewals() + 3;
  await expect
    .poll(
      async () => {
        for (const tab of [page, duplicate])
          await tab.evaluate(() => location.assign(location.hash === "#/inbox" ? "#/devices/none" : "#/inbox"));
        return renewals();
      },
      { timeout: 20_000 },
    )
    .toBeGreaterThanOrEqual(expected);
  for (const tab of [page, duplicate]) {
    await tab.evaluate(() => location.assign("#/inbox"));
    await expect(tab.getByText("No command waits for a decision.")).toBeVisible();
    await expect(tab.getByRole("button", { name: "Sign out" })).toBeVisible();
    await expect(tab.locator(".banner, .problem")).toHaveCount(0);
  }
});

test("mailed link signs in, in the browser that requested it only", async ({ page, project, url, browser }) => {
  await page.goto(`${url}/console`);
  await page.getByLabel("E-mail").fill("bob@example.com");
  await page.getByRole("button", { name: "E-mail me a link or a code instead" }).click();
  await expect(page.getByText("a mail has been sent to it")).toBeVisible();
  expect(project.mailedLink).toBe(`${url}/console?code=code-of-the-link`);

  const otherBrowser = await browser.newPage();
  await otherBrowser.goto(project.mailedLink);
  await expect(
    otherBrowser.getByText("This link works once, and only in the browser that requested it."),
  ).toBeVisible();
  await otherBrowser.close();

  const tab = await page.context().newPage();
  await tab.goto(project.mailedLink);
  await expect(tab.getByText("No command waits for a decision.")).toBeVisible();
  expect(tab.url()).toBe(`${url}/console#/inbox`);
  expect(await tab.evaluate(() => Object.keys(localStorage).filter((name) => name.includes("verifier")))).toEqual([]);
});

test("provider of the project signs in with a code", async ({ page, url }) => {
  await page.goto(`${url}/console`);
  await expect(page.getByRole("button", { name: "Single sign-on of my company" })).toBeVisible();
  await expect(page.getByRole("button", { name: /Continue with/ })).toHaveText(["Continue with GitHub"]);
  await page.getByRole("button", { name: "Continue with GitHub" }).click();
  await expect(page.getByText("No command waits for a decision.")).toBeVisible();
  expect(page.url()).toBe(`${url}/console#/inbox`);
});

test("link request does not reveal whether an address has an account", async ({ page, url }) => {
  await page.goto(`${url}/console`);
  await page.getByLabel("E-mail").fill("nobody@example.com");
  await page.getByRole("button", { name: "E-mail me a link or a code instead" }).click();
  await expect(page.getByText("a mail has been sent to it")).toBeVisible();
});

test("duplicated tab that slept keeps the sign-in", async ({ page, project, url }) => {
  project.lifetime = 4;
  await signInAsBob(page, url);
  const opened = page.waitForEvent("popup");
  await page.evaluate(() => void open("/console", "", "popup"));
  const sleeper = await opened;
  await expect(sleeper.getByText("No command waits for a decision.")).toBeVisible();
  const debug = await sleeper.context().newCDPSession(sleeper);
  await debug.send("Page.setWebLifecycleState", { state: "frozen" });
  const renewals = () => project.requests.filter((endpoint) => endpoint === "refresh_token with public-key").length;
  const expected = renewals() + 3;
  await expect.poll(renewals, { timeout: 20_000 }).toBeGreaterThanOrEqual(expected);
  await page.close();

  await debug.send("Page.setWebLifecycleState", { state: "active" });
  const woken = renewals();
  await expect.poll(renewals, { timeout: 20_000 }).toBeGreaterThan(woken);
  await sleeper.getByRole("link", { name: "Devices" }).click();
  await expect(sleeper.getByText("There are no devices yet.")).toBeVisible();
  await expect(sleeper.locator(".banner, .problem, dialog")).toHaveCount(0);
});

test("tokens are not readable outside the tabs of the sign-in", async ({ page, url }) => {
  await signInAsBob(page, url);
  const stored = await page.evaluate(() => Object.values(localStorage).join());
  expect(stored).not.toMatch(/refresh|eyJ/);
  const other = await page.context().newPage();
  await other.goto(`${url}/console`);
  await expect(other.getByLabel("Password")).toBeVisible();
  await page.getByRole("button", { name: "Sign out" }).click();
  await expect(page.getByLabel("Password")).toBeVisible();
  expect(await page.evaluate(() => Object.keys(localStorage))).toEqual([]);
});

test("sign-in that ends is announced, and keeps what was typed", async ({ page, project, url }) => {
  project.lifetime = 8;
  await signInAsBob(page, url);
  await page.getByRole("link", { name: "bob@example.com" }).click();
  await page.getByRole("button", { name: "Set a password" }).click();
  await page.getByLabel("New password", { exact: true }).fill("what was typed");
  project.refusesRenewals = true;
  await expect(page.getByText("Your sign-in ends at")).toBeVisible({ timeout: 10_000 });

  const dialog = page.getByRole("dialog", { name: "Sign in again" });
  await expect(dialog.getByText("Your sign-in has ended, or was refused. Sign in again.")).toBeVisible({
    timeout: 20_000,
  });
  await page.keyboard.press("Escape");
  await page.keyboard.press("Escape");
  await expect(dialog).toBeVisible();
  await expect(page.getByLabel("New password", { exact: true })).toHaveValue("what was typed");

  project.refusesRenewals = false;
  project.lifetime = 3600;
  await dialog.getByLabel("E-mail").fill("bob@example.com");
  await dialog.getByLabel("Password").fill("correct horse");
  await dialog.getByRole("button", { name: "Sign in", exact: true }).click();
  await expect(dialog).toHaveCount(0);
  await expect(page.getByLabel("New password", { exact: true })).toHaveValue("what was typed");
});

test("account without a tenant is explained, and continues once it has one", async ({ page, project, url }) => {
  project.tenant = "";
  await page.goto(`${url}/console`);
  await page.getByLabel("E-mail").fill("bob@example.com");
  await page.getByLabel("Password").fill("correct horse");
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await expect(page.getByText("You are signed in as bob@example.com.")).toBeVisible();
  await expect(page.getByRole("alert")).toContainText("Your account is assigned to no customer.");
  await expect(page.getByRole("alert")).toContainText("no_tenant");

  project.tenant = "acme";
  await page.getByRole("button", { name: "Try again" }).click();
  await expect(page.getByText("approver, acme")).toBeVisible();
});

test("token is used until the gateway refuses it", async ({ page, project, url }) => {
  await page.clock.install({ time: Date.now() + 3600_000 }); // the clock of the computer is an hour ahead
  await page.goto(`${url}/console#access_token=${project.token(1800)}`);
  await expect(page.getByText("This link signs you in as bob@example.com (acme).")).toBeVisible();
  expect(page.url()).toBe(`${url}/console`);
  await page.getByRole("button", { name: "Continue as bob@example.com" }).click();
  await expect(page.getByText("No command waits for a decision.")).toBeVisible();
  await page.clock.runFor(60_000);
  await expect(page.getByText("approver, acme")).toBeVisible();
  await expect(page.locator("dialog")).toHaveCount(0);
});

test("link with tokens does not sign in without a confirmation", async ({ page, project, url }) => {
  await page.goto(`${url}/console?error=access_denied#error=access_denied&error_code=otp_expired`);
  await expect(page.getByText("This code or link has expired or was already used. Request another one.")).toBeVisible();
  expect(page.url()).toBe(`${url}/console`);

  await page.goto(`${url}/console#access_token=${project.token(1800)}&refresh_token=secret&type=invite`);
  await page.getByRole("button", { name: "Do not use this link" }).click();
  await expect(page.getByLabel("Password")).toBeVisible();
  await page.reload();
  await expect(page.getByLabel("Password")).toBeVisible();
  expect(await page.evaluate(() => Object.keys(localStorage))).toEqual([]);
});

test("token that the gateway refuses is renewed once", async ({ page, project, url }) => {
  project.audience = "another service";
  await page.goto(`${url}/console`);
  await enterPassword(page, "bob");
  await expect(page.getByText("Your sign-in has ended, or was refused. Sign in again.")).toBeVisible();
  expect(renewalsOf(project)).toBe(1);

  project.audience = "authenticated";
  await enterPassword(page, "bob");
  await expect(page.getByText("No command waits for a decision.")).toBeVisible();
});

test("dialog of a user does not stay for the next user", async ({ page, project, url }) => {
  await proposeAsAlice(project, url);
  project.refusesRenewals = true;
  await page.goto(`${url}/console`);
  await enterPassword(page, "bob");
  await page.getByRole("button", { name: "Approve…" }).click();
  await expect(page.getByRole("dialog", { name: "Approve this command?" })).toBeVisible();
  await page.getByRole("button", { name: "I am not bob@example.com" }).click({ timeout: 20_000 });

  project.tenant = "other";
  project.refusesRenewals = false;
  await enterPassword(page, "carol");
  await expect(page.getByText("No command waits for a decision.")).toBeVisible();
  await expect(page.getByRole("dialog")).toHaveCount(0);
  await expect(page.getByText("bob@example.com")).toHaveCount(0);
});

test("list that was read for a user is not shown to the next user", async ({ page, project, url }) => {
  await proposeAsAlice(project, url);
  let release = () => {};
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  const approvals = "**/api/v1/customer/approvals?*";
  await page.route(approvals, async (route) => {
    const response = await route.fetch();
    await released;
    await route.fulfill({ response });
  });
  await page.goto(`${url}/console`);
  const requested = page.waitForRequest(approvals);
  await enterPassword(page, "bob");
  await requested;
  await page.getByRole("button", { name: "Sign out" }).click();

  project.tenant = "other";
  await enterPassword(page, "carol");
  await expect(page.getByText("approver, other")).toBeVisible();
  release();
  await expect(page.getByText("No command waits for a decision.")).toBeVisible();
  await page.unrouteAll({ behavior: "ignoreErrors" }); // a read may still run when the gateway ends
});

test("handed-over token is not replaced by an earlier sign-in", async ({ page, project, url }) => {
  await signInAsBob(page, url);
  await page.goto(`${url}/console#access_token=${project.token(1800, "carol")}`);
  await page.getByRole("button", { name: "Continue as carol@example.com" }).click();
  await expect(page.getByRole("link", { name: "carol@example.com" })).toBeVisible();
  await page.evaluate(() => void document.dispatchEvent(new Event("visibilitychange")));
  await page.getByRole("link", { name: "Devices" }).click();
  await expect(page.getByText("There are no devices yet.")).toBeVisible();
  expect(await page.evaluate(() => sessionStorage.getItem("fieldgate.sign-in"))).toBeNull();
  await page.reload();
  await expect(page.getByText("There are no devices yet.")).toBeVisible();
  await expect(page.getByRole("link", { name: "carol@example.com" })).toBeVisible();
});

test("description in a refused link is a short quote", async ({ page, url }) => {
  const description = `Call ${"1".repeat(300)}`;
  await page.goto(`${url}/console#error=server_error&error_description=${description}`);
  const quote = description.slice(0, 200);
  await expect(page.getByRole("status")).toHaveText(`The sign-in was refused. The sign-in service says: “${quote}”`);
});

test("renewal that the project limits is tried again later", async ({ page, project, url }) => {
  await signInAsBob(page, url);
  project.limitsRenewals = true;
  await page.waitForResponse((response) => response.status() === 429);
  await page.getByRole("link", { name: "Devices" }).click();
  await expect(page.getByText("There are no devices yet.")).toBeVisible();
  await expect(page.locator(".banner, dialog")).toHaveCount(0);
});

test("sign-out in a duplicated tab ends the sign-in during a renewal", async ({ page, project, url }) => {
  await page.clock.install();
  await signInAsBob(page, url);
  await expect.poll(() => renewalsOf(project)).toBe(1);
  const opened = page.waitForEvent("popup");
  await page.evaluate(() => void open("/console", "", "popup"));
  const duplicate = await opened;
  await expect(duplicate.getByText("No command waits for a decision.")).toBeVisible();
  let release = () => {};
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  await page.route("**/token?grant_type=refresh_token", async (route) => {
    const response = await route.fetch();
    await released;
    await route.fulfill({ response });
  });
  const requested = page.waitForRequest(/refresh_token/);
  await page.clock.fastForward("50:00"); // the token is due, and is still valid for ten minutes
  await requested;
  await duplicate.getByRole("button", { name: "Sign out" }).click();
  await expect(duplicate.getByLabel("Password")).toBeVisible();
  release();
  await expect(page.getByText("You have signed out in another tab.")).toBeVisible();
});

async function signInAsBob(page: Page, url: string): Promise<void> {
  await page.goto(`${url}/console`);
  await enterPassword(page, "bob");
  await expect(page.getByText("No command waits for a decision.")).toBeVisible();
}

async function enterPassword(page: Page, user: string): Promise<void> {
  await page.getByLabel("E-mail").fill(`${user}@example.com`);
  await page.getByLabel("Password").fill("correct horse");
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
}

/** Proposes a command that waits for a decision. */
async function proposeAsAlice(project: Project, url: string): Promise<void> {
  const token = async (user: string, role: Role) => project.token(600, user, role);
  const { propose } = await openTestSession({ url, token, call: caller(url) });
  await propose("service.restart", {});
}

function renewalsOf(project: Project): number {
  return project.requests.filter((endpoint) => endpoint === "refresh_token with public-key").length;
}

/** Returns a user as the project describes it. */
function describe(id: string) {
  return { id, aud: "authenticated", email: `${id}@example.com`, factors: [] };
}

const hashed = (text: string) => createHash("sha256").update(text).digest("base64url");

async function startProject(): Promise<[Project, Server]> {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const jwks = { keys: [{ ...publicKey.export({ format: "jwk" }), alg: "ES256", kid: "one", use: "sig" }] };
  const project: Project = {
    url: "",
    requests: [],
    lifetime: 3600,
    refusesRenewals: false,
    limitsRenewals: false,
    audience: "authenticated",
    tenant: "acme",
    mailedLink: "",
    token: (lifetime, user, role) => accessToken(lifetime, user, role),
  };
  const settings = { external: { github: true, google: false, email: true, phone: true }, saml_enabled: true };
  const documents: Record<string, object> = { "jwks.json": jwks, user: describe("bob"), settings };
  let refreshToken = 0;
  let signedIn = "bob";
  let challenge = "";

  const accessToken = (lifetime: number, user = "bob", role = "approver") => {
    const now = Math.floor(Date.now() / 1000);
    const claims = {
      iss: `${project.url}/auth/v1`,
      aud: project.audience,
      sub: user,
      email: `${user}@example.com`,
      iat: now,
      exp: now + lifetime,
      role: "authenticated",
      app_metadata: { customer_id: project.tenant || undefined, role },
    };
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
    const signed = `${part({ alg: "ES256", kid: "one", typ: "JWT" })}.${part(claims)}`;
    const signature = sign("sha256", Buffer.from(signed), { key: privateKey, dsaEncoding: "ieee-p1363" });
    return `${signed}.${signature.toString("base64url")}`;
  };

  const handle = async (request: IncomingMessage, response: ServerResponse) => {
    const { pathname, searchParams } = new URL(request.url ?? "", "http://project");
    const headers = { "Access-Control-Allow-Origin": "*", "Access-Control-Allow-Headers": "*, authorization" };
    const send = (status: number, body?: object) =>
      response.writeHead(status, headers).end(body && JSON.stringify(body));
    if (request.method === "OPTIONS") return send(204);
    if (pathname.endsWith("authorize")) {
      challenge = searchParams.get("code_challenge") ?? "";
      const location = `${searchParams.get("redirect_to")}?code=code-of-the-link`;
      return response.writeHead(302, { Location: location }).end();
    }
    if (request.method === "GET") return send(200, documents[pathname.split("/").at(-1) ?? ""] ?? {});
    const endpoint = searchParams.get("grant_type") ?? pathname.split("/").at(-1);
    project.requests.push(`${endpoint} with ${request.headers.apikey}`);
    if (endpoint === "logout") return send(204);
    const body = JSON.parse(Buffer.concat(await request.toArray()).toString());
    if (endpoint === "otp") {
      challenge = body.code_challenge;
      project.mailedLink = `${searchParams.get("redirect_to")}?code=code-of-the-link`;
      return send(body.email === "bob@example.com" && !body.create_user ? 200 : 422, { error_code: "otp_disabled" });
    }
    const isValid =
      body.password === "correct horse" ||
      body.refresh_token === `refresh-${refreshToken}` ||
      (body.auth_code === "code-of-the-link" && hashed(body.code_verifier) === challenge);
    // A refresh token that is used again ends the sign-in, as the project would assume theft.
    if (body.refresh_token && !isValid) refreshToken = Number.NaN;
    if (endpoint === "refresh_token" && project.refusesRenewals)
      return send(400, { code: 400, error_code: "session_expired", msg: "Session expired" });
    if (endpoint === "refresh_token" && project.limitsRenewals)
      return send(429, { code: 429, error_code: "over_request_rate_limit", msg: "Request rate limit reached" });
    if (!isValid) return send(400, { code: 400, error_code: "invalid_credentials", msg: "Invalid login credentials" });
    const lifetime = endpoint === "password" ? 5 : project.lifetime; // the page soon renews the first token
    if (body.email) signedIn = body.email.split("@")[0];
    const access_token = accessToken(lifetime, signedIn);
    const times = { expires_in: lifetime, expires_at: Math.floor(Date.now() / 1000) + lifetime };
    const user = describe(signedIn);
    send(200, { access_token, token_type: "bearer", refresh_token: `refresh-${++refreshToken}`, ...times, user });
  };

  const server = createServer((request, response) => void handle(request, response));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  project.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return [project, server];
}
