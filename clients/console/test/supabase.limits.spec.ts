// Tests projects that limit sign-ins, with real Supabase Auth servers: see supabase.ts. Their user is
// bob@example.com. `make test-supabase` starts them:
//
//   FIELDGATE_TEST_SUPABASE_CAPTCHA_URL  requires a CAPTCHA
//   FIELDGATE_TEST_SUPABASE_REUSE_URL    ends the sign-in in which a refresh token is used twice. Its access
//                                        tokens live for 8 seconds, as those of the next one
//   FIELDGATE_TEST_SUPABASE_TIMEBOX_URL  ends each sign-in after 20 seconds
//   FIELDGATE_TEST_SUPABASE_PASSWORD     the password of bob
import { expect } from "@playwright/test";
import { allowProvider, fillPassword, needsProject, openProvider, signIn, test } from "./supabase.js";

needsProject();

const bob = { email: "bob@example.com", password: process.env.FIELDGATE_TEST_SUPABASE_PASSWORD ?? "" };

test.describe("project with a CAPTCHA", () => {
  test.use({ project: process.env.FIELDGATE_TEST_SUPABASE_CAPTCHA_URL });

  test("explains a password that is refused, and accepts an identity provider", async ({ page, url }) => {
    await page.goto(`${url}/console`);
    await fillPassword(page, bob);
    await expect(page.getByRole("alert")).toContainText("This project requires a CAPTCHA");
    await page.getByRole("button", { name: "E-mail me a link or a code instead" }).click();
    await expect(page.getByRole("alert")).toContainText("This project requires a CAPTCHA");
    await openProvider(page, url);
    await allowProvider(page, bob.email);
    await expect(page.getByText("approver, acme")).toBeVisible();
  });
});

test.describe("project that detects the reuse of refresh tokens", () => {
  test.use({ project: process.env.FIELDGATE_TEST_SUPABASE_REUSE_URL });

  test("keeps the sign-in of a duplicated tab that slept", async ({ page, url }) => {
    let renewals = 0;
    page.context().on("response", (response) => {
      if (response.url().includes("grant_type=refresh_token") && response.ok()) renewals++;
    });
    await signIn(page, url, bob);
    const opened = page.waitForEvent("popup");
    await page.evaluate(() => void open("/console", "", "popup")); // the new tab gets a copy of the sessionStorage
    const sleeper = await opened;
    await expect(sleeper.getByText("No command waits for a decision.")).toBeVisible();
    const debug = await sleeper.context().newCDPSession(sleeper);
    await debug.send("Page.setWebLifecycleState", { state: "frozen" });
    const asleep = renewals;
    await expect.poll(() => renewals, { timeout: 30_000 }).toBeGreaterThanOrEqual(asleep + 3);
    await debug.send("Page.setWebLifecycleState", { state: "active" });
    const awake = renewals;
    await expect.poll(() => renewals, { timeout: 30_000 }).toBeGreaterThanOrEqual(awake + 2);
    for (const tab of [page, sleeper]) {
      await tab.getByRole("link", { name: "Devices" }).click();
      await expect(tab.getByText("There are no devices yet.")).toBeVisible();
      await expect(tab.locator(".banner, .problem, dialog")).toHaveCount(0);
    }
  });
});

test.describe("project that limits the time of a sign-in", () => {
  test.use({ project: process.env.FIELDGATE_TEST_SUPABASE_TIMEBOX_URL });

  test("announces the end, and keeps what was typed", async ({ page, url }) => {
    await signIn(page, url, bob);
    await page.getByRole("link", { name: bob.email }).click();
    await page.getByRole("button", { name: "Set a password" }).click();
    await page.getByLabel("New password", { exact: true }).fill("what was typed");
    await expect(page.getByText("Your sign-in ends at")).toBeVisible({ timeout: 40_000 });

    const dialog = page.getByRole("dialog", { name: "Sign in again" });
    await expect(dialog.getByText("Your sign-in has ended, or was refused.")).toBeVisible({ timeout: 40_000 });
    await expect(page.getByLabel("New password", { exact: true })).toHaveValue("what was typed");
    await dialog.getByLabel("E-mail").fill(bob.email);
    await dialog.getByLabel("Password").fill(bob.password);
    await dialog.getByRole("button", { name: "Sign in", exact: true }).click();
    await expect(dialog).toHaveCount(0);
    await expect(page.getByLabel("New password", { exact: true })).toHaveValue("what was typed");
  });
});
