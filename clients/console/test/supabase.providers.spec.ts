// Tests how users sign in with an identity provider (OAuth with PKCE) and with single sign-on (SAML), with a
// real Supabase Auth server and the identity providers of gateway/supabase: see supabase.ts.
import { randomUUID } from "node:crypto";
import { expect, type Page } from "@playwright/test";
import {
  admin,
  allowProvider,
  approveWithNewApp,
  assign,
  createUser,
  idOf,
  needsProject,
  openProvider,
  projectUrl,
  proposeCommand,
  requireAccessible,
  test,
} from "./supabase.js";

needsProject();

const unfinished = "This sign-in was not finished in time, or was already used. Start it again.";

test("identity provider signs a user in, who approves a command", async ({ page, url }) => {
  await proposeCommand(url, await createUser("operator"));
  const bob = await createUser("approver");
  const later: string[] = []; // what is requested once the page has read its address
  await openProvider(page, url);
  page.on("request", (request) => request.isNavigationRequest() || later.push(request.url()));
  await allowProvider(page, bob.email);
  await expect(page.getByText("approver, acme")).toBeVisible();
  expect(page.url()).toBe(`${url}/console#/inbox`);
  expect(later.filter((address) => address.includes("code="))).toEqual([]);
  expect(await page.evaluate(() => Object.keys(localStorage).filter((name) => name.includes("verifier")))).toEqual([]);
  await approveWithNewApp(page);

  await page.goBack();
  await page.goForward();
  expect(page.url()).not.toContain("code=");
});

test("identity provider cannot choose a tenant", async ({ page, url }) => {
  const email = `${randomUUID()}@example.com`; // the provider claims the tenant acme and the role admin
  await openProvider(page, url);
  await allowProvider(page, email);
  await expect(page.getByText(`You are signed in as ${email}.`)).toBeVisible();
  await expect(page.getByRole("alert")).toContainText("Your account is assigned to no customer.");
  await assign(email, "viewer");
  await page.getByRole("button", { name: "Try again" }).click();
  await expect(page.getByText("viewer, acme")).toBeVisible();
});

test("sign-in that is denied at the identity provider is explained", async ({ page, url }) => {
  const bob = await createUser("viewer");
  await openProvider(page, url);
  await page.getByRole("button", { name: "Deny" }).click();
  await requireRefused(page, url, /did not allow the sign-in.*“The user denied the request”/);
  await requireAccessible(page);
  await page.getByRole("button", { name: "Continue with Keycloak" }).click();
  await allowProvider(page, bob.email);
  await expect(page.getByText("viewer, acme")).toBeVisible();
});

test("sign-in with a changed state or code is refused", async ({ page, url }) => {
  await openProvider(page, url);
  const state = await page.locator("input[name=state]").inputValue();
  await page.goto(callback({ code: "a-code", state: randomUUID() }));
  await requireRefused(page, url, unfinished);
  await page.goto(callback({ code: "another-code", state }));
  await requireRefused(page, url, /The sign-in service says: “Unable to exchange external code/);
  await page.goto(`${url}/console?code=${randomUUID()}`);
  await requireRefused(page, url, unfinished);
});

test("code of another browser is refused", async ({ page, url, browser }) => {
  const mallory = await createUser("viewer");
  const other = await (await browser.newContext()).newPage();
  await other.route("**/token?grant_type=pkce", () => {}); // keeps the code unused
  await openProvider(other, url);
  const returned = other.waitForRequest(/\/console\?code=/);
  await allowProvider(other, mallory.email);
  const link = (await returned).url();

  await page.goto(link);
  await requireRefused(page, url, "This link works once, and only in the browser that requested it.");
  await openProvider(page, url); // the victim's browser now has a verifier, of another sign-in
  await page.goto(link);
  await requireRefused(page, url, "This link works once, and only in the browser that requested it.");
  await other.context().close();
});

test("user whom the project does not accept is told why", async ({ page, url }) => {
  const blocked = await createUser("viewer");
  await admin("PUT", `/admin/users/${await idOf(blocked.email)}`, { ban_duration: "24h" });
  await openProvider(page, url);
  await allowProvider(page, blocked.email);
  await requireRefused(page, url, "Your account is blocked. Ask an administrator.");

  await openProvider(page, url);
  await page.getByLabel("Unverified").check();
  await allowProvider(page, `${randomUUID()}@example.com`);
  await requireRefused(page, url, /The identity provider has not verified your e-mail address\./);
});

test("single sign-on signs a user in, who approves a command", async ({ page, url }) => {
  const email = `${randomUUID()}@company.example`; // the company claims the tenant acme
  await proposeCommand(url, await createUser("operator"));
  await openCompany(page, url, email.replace("company", "Company"));
  await page.getByLabel("Address").fill(email);
  await page.getByRole("button", { name: "Sign in" }).click();
  await expect(page.getByText(`You are signed in as ${email}.`)).toBeVisible();
  await expect(page.getByRole("alert")).toContainText("Your account is assigned to no customer.");
  expect(page.url()).toBe(`${url}/console`);

  await assign(email, "approver");
  await page.getByRole("button", { name: "Try again" }).click();
  await expect(page.getByText("approver, acme")).toBeVisible();
  await approveWithNewApp(page);
});

test("single sign-on that is refused is explained", async ({ page, url }) => {
  await openCompany(page, url, "bob@company.example");
  await page.getByRole("button", { name: "Cancel" }).click();
  await requireRefused(page, url, "The sign-in was refused. The sign-in service says: “SAML Assertion is not valid”");

  await page.getByLabel("E-mail").fill("bob@elsewhere.example");
  await page.getByRole("button", { name: "Single sign-on of my company" }).click();
  await expect(page.getByRole("alert")).toHaveText(
    "The domain of this e-mail address has no single sign-on here. Sign in another way.",
  );
  await page.goto(callback({ code: "a-code", state: "" }));
  await requireRefused(page, url, unfinished);
});

/** Opens the page of the company to which the domain of an address belongs. */
async function openCompany(page: Page, url: string, email: string): Promise<void> {
  await page.goto(`${url}/console`);
  await page.getByLabel("E-mail").fill(email);
  await page.getByRole("button", { name: "Single sign-on of my company" }).click();
  await expect(page.getByRole("button", { name: "Cancel" })).toBeVisible();
}

/** Returns the address to which the identity provider redirects. */
function callback(parameters: Record<string, string>): string {
  return `${projectUrl}/auth/v1/callback?${new URLSearchParams(parameters)}`;
}

/** Requires that the page asks to sign in, explains the refusal, and has removed it from its address. */
async function requireRefused(page: Page, url: string, message: string | RegExp): Promise<void> {
  await expect(page.getByRole("status").first()).toHaveText(message);
  await expect(page.getByLabel("Password")).toBeVisible();
  expect(page.url()).toBe(`${url}/console`);
}
