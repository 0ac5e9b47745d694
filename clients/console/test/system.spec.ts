// Tests the page about the gateway itself.
import { expect, openTestSession, signIn, takeScreenshot, test } from "./fixtures.js";

test("page shows the instance, the usage and the connections", async ({ page, gateway }) => {
  await openTestSession(gateway);
  await signIn(page, gateway, "vera", "viewer");
  await page.getByRole("link", { name: "System" }).click();
  const instance = page.getByRole("region", { name: "The instance that responded" });
  await expect(instance).toContainText("works embedded,");
  await expect(instance).toContainText("0 of devices, 1 of users");
  const usage = page.getByRole("region", { name: "Usage of this tenant" });
  await expect(usage).toContainText("Active sessions1 of 10,000");
  await expect(usage.getByRole("meter", { name: "Devices" })).toBeVisible();
  const rows = page.getByRole("table", { name: "Connections" }).locator("tbody tr");
  await expect(rows).toHaveCount(1);
  await expect(rows).toContainText("vera");
  await expect(page.getByRole("button", { name: "Close…" })).toHaveCount(0);
  await expect(page.getByRole("heading", { name: "Cut-offs" })).toHaveCount(0);
  await takeScreenshot(page, "system");
});

test("admin closes a connection", async ({ page, gateway, browser }) => {
  const other = await browser.newPage();
  await signIn(other, gateway, "vera", "viewer");
  await signIn(page, gateway, "bob", "admin");
  await page.goto(`${gateway.url}/console#/system`);
  const row = page.getByRole("table", { name: "Connections" }).locator("tbody tr").filter({ hasText: "vera" });
  await row.getByRole("button", { name: "Close…" }).click();
  const dialog = page.getByRole("dialog");
  await expect(dialog).toContainText("The socket of vera");
  await dialog.getByRole("button", { name: "Close" }).click();
  await expect(row).toHaveCount(0);
  await expect(other.getByText("The gateway closed the live connection.")).toBeVisible();
  await other.close();
});

test.describe("cut-off", () => {
  test.use({ allowedErrors: [/status of 401/] });

  test("ends a user's sign-in, and is listed", async ({ page, gateway, browser }) => {
    const other = await browser.newPage();
    await signIn(other, gateway, "vera", "viewer");
    await signIn(page, gateway, "bob", "admin");
    await page.goto(`${gateway.url}/console#/system`);
    await expect(page.getByText("No user is cut off.")).toBeVisible();
    const row = page.getByRole("table", { name: "Connections" }).locator("tbody tr").filter({ hasText: "vera" });
    await row.getByRole("button", { name: "Cut off…" }).click();
    const dialog = page.getByRole("dialog");
    await expect(dialog.getByLabel("User id")).toHaveValue("vera");
    await dialog.getByLabel("Reason").press("Enter"); // nothing was typed
    await expect(dialog).toBeVisible();
    await dialog.getByLabel("Reason").fill("laptop stolen");
    await dialog.getByRole("button", { name: "Cut off" }).click();
    await expect(dialog).toHaveCount(0);
    const list = page.getByRole("region", { name: "Cut-offs" });
    await expect(list).toContainText("vera");
    await expect(list).toContainText("by bob@example.com: laptop stolen");
    await expect(row).toHaveCount(0);
    await other.getByRole("button", { name: "Reconnect" }).click();
    await expect(other.getByRole("dialog")).toContainText("Sign in");
    await other.close();

    await page.getByRole("button", { name: "Cut a user off…" }).click();
    await dialog.getByLabel("User id").fill("bob");
    await expect(dialog.getByText("This is you: you will be signed out.")).toBeVisible();
    await dialog.getByRole("button", { name: "Back" }).click();
    await expect(page.getByRole("button", { name: "Cut a user off…" })).toBeFocused();
  });
});
