// Tests the views of a list that a user keeps.
import { expect, openTestSession, signIn, takeScreenshot, test } from "./fixtures.js";

test.setTimeout(120_000);

test("view of a list is kept under a name, used and removed", async ({ page, gateway }) => {
  await openTestSession(gateway);
  await signIn(page, gateway, "vera", "viewer");
  await page.goto(`${gateway.url}/console#/commands`);
  const keep = page.getByRole("button", { name: "Keep as a view…" });
  await expect(page.getByLabel("Status")).toBeVisible();
  await expect(keep).toHaveCount(0); // there is nothing to keep without filters
  await page.getByLabel("Status").selectOption("failed");
  await page.getByLabel("Proposed", { exact: true }).selectOption("24h");
  await keep.focus();
  await page.keyboard.press("Enter");
  await expect(page.getByLabel("Name", { exact: true })).toBeFocused();
  await page.keyboard.type("Night shift");
  await page.keyboard.press("Enter");
  await expect(page.getByRole("dialog")).toHaveCount(0);
  await expect(keep).toBeFocused();

  await page.goto(`${gateway.url}/console#/commands?type=diagnostic.*`);
  await page.reload();
  await page.getByLabel("Views").selectOption({ label: "Night shift" });
  await expect(page).toHaveURL(/#\/commands\?status=failed&since=24h$/);
  await expect(page.getByLabel("Status")).toHaveValue("failed");
  await takeScreenshot(page, "view-kept");
  await page.goto(`${gateway.url}/console#/devices?sort=-name`);
  await expect(page.getByRole("columnheader", { name: "Name" })).toHaveAttribute("aria-sort", "descending");
  await expect(page.getByLabel("Views")).toHaveCount(0); // the view is one of commands
  await page.goto(`${gateway.url}/console#/commands`);
  await keep.click();
  await page.getByRole("button", { name: "Remove the view Night shift" }).click();
  await page.keyboard.press("Escape");
  await expect(page.getByLabel("Views")).toHaveCount(0);
  expect(await page.evaluate(() => localStorage.length)).toBe(0);
});

test("sessions are found by what users know of them", async ({ page, gateway }) => {
  await openTestSession(gateway, "Pump 7");
  await openTestSession(gateway, "Compressor");
  await signIn(page, gateway, "vera", "viewer");
  await page.getByRole("link", { name: "Sessions" }).click();
  const rows = page.locator(".rows li");
  await expect(rows).toHaveCount(2);
  for (const [text, count] of Object.entries({ compressor: 1, telemetry: 2, "alice@example.com": 2, nothing: 0 })) {
    await page.getByLabel("Find a session").fill(text);
    await expect(rows).toHaveCount(count);
  }
  await expect(page.getByText("No session matches.")).toBeVisible();
  await page.getByRole("button", { name: "Clear filters" }).click();
  await page.getByLabel("Type").selectOption("diagnostic");
  await expect(rows).toHaveCount(0);
  await page.getByLabel("Type").selectOption("remediation");
  await page.getByLabel("Status").selectOption("active");
  await expect(rows).toHaveCount(2);
  await expect(page).toHaveURL(/type=remediation&status=active|status=active&type=remediation/);
});
