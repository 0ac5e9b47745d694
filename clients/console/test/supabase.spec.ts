// Tests how users sign in with a password and with mails, and their second factor, with a real Supabase Auth
// server: see supabase.ts.

import { randomUUID } from "node:crypto";
import { expect } from "@playwright/test";
import { readToEnd, takeScreenshot } from "./fixtures.js";
import {
  admin,
  createUser,
  fillPassword,
  mailTo,
  needsProject,
  proposeCommand,
  requireAccessible,
  signIn,
  test,
  totp,
} from "./supabase.js";

needsProject();

test("approval asks for a second factor, adds one and is repeated", async ({ page, url }) => {
  const alice = await createUser("operator");
  const bob = await createUser("approver");
  await proposeCommand(url, alice);
  await signIn(page, url, bob);
  await page.getByRole("button", { name: "Approve…" }).click();
  await page.getByRole("dialog").getByLabel("Reason (optional)").fill("agreed");
  await readToEnd(page);
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
  await expect(page.getByRole("button", { name: "Continue without the second factor" })).toBeVisible();
  await requireAccessible(page);
  await page.getByLabel("Code").fill(totp(secret, 1)); // a code is valid once, and for half a minute more
  await page.getByRole("button", { name: "Verify" }).click();
  await expect(page.getByRole("heading", { name: "Inbox" })).toBeVisible();
});

test("approval that is not stepped up stays refused", async ({ page, url }) => {
  await proposeCommand(url, await createUser("operator"));
  await signIn(page, url, await createUser("approver"));
  await page.getByRole("button", { name: "Approve…" }).click();
  await readToEnd(page);
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
