// Tests passkeys and second factors other than an authenticator app, with a real Supabase Auth server and a
// virtual authenticator of Chromium: see supabase.ts.

import { expect, type Page } from "@playwright/test";
import { addAuthenticator, readToEnd } from "./fixtures.js";
import {
  approveWithNewApp,
  callProject,
  createUser,
  fillPassword,
  mailTo,
  needsProject,
  passwordToken,
  proposeCommand,
  requireAccessible,
  signIn,
  type TestUser,
  test,
} from "./supabase.js";

needsProject();

test("passkey signs a user in, who approves a command with a second factor", async ({ page, url }) => {
  await proposeCommand(url, await createUser("operator"));
  const bob = await createUser("approver");
  await addAuthenticator(page, "usb");
  await addPasskey(page, url, bob);
  await requireAccessible(page);
  await page.getByRole("button", { name: "Sign out" }).click();

  await page.getByRole("button", { name: "Sign in with a passkey" }).click();
  await expect(page.getByText("approver, acme")).toBeVisible();
  await page.getByRole("link", { name: "Inbox" }).click();
  await approveWithNewApp(page); // in this version of the project, a passkey signs in at aal1
});

test("passkey that was removed does not sign in", async ({ page, url }) => {
  const bob = await createUser("viewer");
  await addAuthenticator(page, "usb");
  await addPasskey(page, url, bob);
  await page.getByRole("button", { name: "Remove…" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Remove", exact: true }).click();
  await expect(page.getByRole("button", { name: "Remove…" })).toHaveCount(0);
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByRole("button", { name: "Sign in with a passkey" }).click();
  await expect(page.getByRole("alert")).toHaveText(
    "This passkey or security key is not registered, or was removed. Sign in another way.",
  );
});

test("passkey that is not used is explained", async ({ page, url }) => {
  await addAuthenticator(page, "usb");
  await page.goto(`${url}/console`);
  await page.getByRole("button", { name: "Sign in with a passkey" }).click();
  await expect(page.getByRole("alert")).toHaveText(
    "The passkey or security key was not used: you cancelled, it took too long, or there is none.",
  );
  await page.goto(`${url.replace("localhost", "127.0.0.1")}/console`);
  await page.getByRole("button", { name: "Sign in with a passkey" }).click();
  await expect(page.getByRole("alert")).toHaveText(
    "The passkeys of this project are for another address than that of this page. Ask the operator.",
  );
});

test("security key is added for an approval, and verified with the next sign-in", async ({ page, url }) => {
  const alice = await createUser("operator");
  const bob = await createUser("approver");
  await proposeCommand(url, alice);
  await addAuthenticator(page, "usb");
  await signIn(page, url, bob);
  await page.getByRole("button", { name: "Approve…" }).click();
  await readToEnd(page);
  await page.getByRole("button", { name: "Approve", exact: true }).click();
  const dialog = page.getByRole("dialog", { name: "Second factor" });
  await requireAccessible(page);
  await dialog.getByRole("button", { name: "Add a security key" }).click();
  await expect(page.getByText("No command waits for a decision.")).toBeVisible();

  await page.getByRole("button", { name: "Sign out" }).click();
  await fillPassword(page, bob);
  await expect(page.getByRole("button", { name: "Continue without the second factor" })).toBeVisible();
  await requireAccessible(page);
  await page.getByRole("button", { name: "Use my security key" }).click();
  await expect(page.getByRole("heading", { name: "Inbox" })).toBeVisible();
  await proposeCommand(url, alice);
  await page.getByRole("button", { name: "Approve…" }).click();
  await readToEnd(page);
  await page.getByRole("button", { name: "Approve", exact: true }).click();
  await expect(page.getByText("No command waits for a decision.")).toBeVisible();
  await expect(page.getByRole("dialog")).toHaveCount(0);
});

test("telephone of a user is a second factor", async ({ page, url }) => {
  const bob = await createUser("viewer");
  const phone = await addTelephone(bob);
  await page.goto(`${url}/console`);
  await fillPassword(page, bob);
  const before = (await mailTo(phone)).code;
  await page.getByRole("button", { name: "Send a code to my telephone" }).click();
  await expect(page.getByLabel("Code")).toBeVisible();
  await requireAccessible(page);
  await page.getByLabel("Code").fill(before);
  await page.getByRole("button", { name: "Verify" }).click();
  await expect(page.getByRole("alert")).toBeVisible();
  await page.getByLabel("Code").fill((await mailTo(phone)).code);
  await page.getByRole("button", { name: "Verify" }).click();
  await expect(page.getByText("viewer, acme")).toBeVisible();
});

test("account page says when it needs the second factor", async ({ page, url }) => {
  const bob = await createUser("viewer");
  await addTelephone(bob);
  await addAuthenticator(page, "usb");
  await page.goto(`${url}/console`);
  await fillPassword(page, bob);
  await page.getByRole("button", { name: "Continue without the second factor" }).click();
  await page.getByRole("link", { name: bob.email }).click();
  await page.getByRole("button", { name: "Add a passkey" }).click();
  await expect(page.getByRole("alert")).toHaveText(/^This requires your second factor\./);
});

/** Signs a user in, who adds a passkey on the page of the account. */
async function addPasskey(page: Page, url: string, user: TestUser): Promise<void> {
  await signIn(page, url, user);
  await page.getByRole("link", { name: user.email }).click();
  await page.getByRole("button", { name: "Add a passkey" }).click();
  await expect(page.getByRole("button", { name: "Remove…" })).toBeVisible();
}

/** Adds a telephone as the second factor of a user, as another application does. It returns the number. */
async function addTelephone(user: TestUser): Promise<string> {
  const phone = `+49151${String(Date.now()).slice(-8)}`;
  const token = await passwordToken(user);
  const factor = await callProject(token, "/factors", { factor_type: "phone", phone });
  const challenge = await callProject(token, `/factors/${factor.id}/challenge`, { channel: "sms" });
  const code = (await mailTo(phone)).code;
  await callProject(token, `/factors/${factor.id}/verify`, { challenge_id: challenge.id, code });
  return phone;
}
