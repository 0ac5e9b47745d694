// Helps tests to publish the roster of a tenant in the console.
import type { Page } from "@playwright/test";
import { addAuthenticator, addPasskey, expect, type Gateway, signIn } from "./fixtures.js";

/** Opens the page of the roster as a user who has a passkey, and who may copy. */
export async function openRoster(
  page: Page,
  gateway: Gateway,
  user: string,
  role: "approver" | "admin",
): Promise<void> {
  await addAuthenticator(page);
  await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  await signIn(page, gateway, user, role, gateway.url.replace("127.0.0.1", "localhost")); // an address has no passkeys
  await addPasskey(page);
  await page.getByRole("link", { name: "Roster", exact: true }).click();
  await expect(page.getByRole("heading", { name: "Next version" })).toBeVisible();
}

/** Presses a button that copies, and returns the text. */
export async function copied(page: Page, button: string): Promise<string> {
  await page.bringToFront(); // the clipboard is that of the page with the focus
  await page.evaluate(() => navigator.clipboard.writeText(""));
  await page.getByRole("button", { name: button }).click();
  await expect.poll(() => page.evaluate(() => navigator.clipboard.readText())).not.toBe("");
  return page.evaluate(() => navigator.clipboard.readText());
}

/** Signs the next version. */
export async function sign(page: Page): Promise<void> {
  await page.getByRole("button", { name: "Sign with my passkey" }).click();
  await expect(page.getByText("You have signed the next version.")).toBeVisible();
}

/** Publishes the next version, which has enough signatures. */
export async function publish(page: Page, version: number): Promise<void> {
  await page.getByRole("button", { name: `Publish version ${version}` }).click();
  await expect(page.getByRole("heading", { name: `Version ${version}`, exact: true })).toBeVisible();
}
