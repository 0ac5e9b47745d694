// Tests all views of the console for accessibility, on a desktop and on a phone.
import type { Page } from "@playwright/test";
import axe from "axe-core";
import { expect, type Gateway, openTestSession, signIn, takeScreenshot, test } from "./fixtures.js";

const screens = [
  { name: "desktop", width: 1280, height: 800 },
  { name: "phone", width: 360, height: 740 },
];

for (const screen of screens) {
  for (const colorScheme of ["light", "dark"] as const) {
    test.describe(`${screen.name}, ${colorScheme}`, () => {
      test.use({ viewport: { width: screen.width, height: screen.height }, colorScheme });

      test("views are accessible and fit the screen", async ({ page, gateway }) => {
        const { deviceId, sessionId } = await createExamples(gateway);
        const check = async (name: string) => {
          await requireAccessible(page, name);
          await requireNoOverflow(page, name);
          await takeScreenshot(page, `${name}-${screen.name}-${colorScheme}`);
        };

        await page.goto(`${gateway.url}/console`);
        await page.getByLabel("Access token").fill("not a token");
        await page.getByRole("button", { name: "Sign in" }).click();
        await expect(page.getByRole("alert")).toHaveText("This is not an access token.");
        await check("sign-in");

        await signIn(page, gateway, "bob", "admin");
        await expect(page.getByRole("button", { name: "Approve…" })).toHaveCount(2);
        await check("inbox");
        await page.getByRole("button", { name: "Approve…" }).first().click();
        await expect(page.getByRole("dialog")).toBeVisible();
        await check("approve");
        await page.keyboard.press("Escape");

        await page.goto(`${gateway.url}/console#/devices`);
        await expect(page.getByRole("link", { name: "Pump 7" })).toBeVisible();
        await check("devices");
        await page.getByRole("button", { name: "Provision a device…" }).click();
        await page.getByLabel("Name").fill("Pump 9");
        await page.getByRole("button", { name: "Provision", exact: true }).click();
        await expect(page.getByRole("heading", { name: "Activation code" })).toBeVisible();
        await check("activation-code");
        await page.getByRole("button", { name: "Done" }).click();

        await page.goto(`${gateway.url}/console#/devices/${deviceId}`);
        await expect(page.getByRole("heading", { name: "Pump 7" })).toBeVisible();
        await check("device");
        await page.getByRole("button", { name: "Suspend…" }).click();
        await expect(page.getByRole("dialog")).toBeVisible();
        await check("suspend");
        await page.keyboard.press("Escape");
        await page.goto(`${gateway.url}/console#/sessions`);
        await expect(page.getByRole("link", { name: "Telemetry stopped" })).toBeVisible();
        await check("sessions");
        await page.goto(`${gateway.url}/console#/sessions/${sessionId}`);
        await expect(page.locator(".timeline li").first()).toBeVisible();
        await check("session");
      });
    });
  }
}

/** Creates devices, a session and commands of several kinds. */
async function createExamples(gateway: Gateway) {
  const admin = await gateway.token("alice", "admin");
  for (const name of ["Compressor, hall 3", "Pump station 12 with a name that is longer than others, on the left bank"])
    await gateway.call(admin, "POST", "/devices", { name, location: "Leipzig", externalId: `PX4-00${name.length}` });
  const session = await openTestSession(gateway);
  await session.propose("diagnostic.system", {});
  await session.propose("service.restart", {
    service: "telemetry",
    graceSeconds: 10,
    nested: { list: [1, 2.5, true, null] },
    odd: "log\u202etxt.exe",
  });
  await session.propose(
    "remediation.run_script",
    { name: "reset-modem.sh", args: ["--hard", "a".repeat(120)] },
    "The modem hangs since the update; the site agreed on the telephone",
  );
  return session;
}

/** Requires that axe-core finds no violation on the page. */
async function requireAccessible(page: Page, name: string): Promise<void> {
  await page.evaluate(axe.source); // evaluate is exempt from the Content-Security-Policy of the page
  const found = await page.evaluate(async () => {
    const { violations } = await (globalThis as unknown as { axe: typeof axe }).axe.run();
    return violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.target.join(" ")).join(", ")}`);
  });
  expect.soft(found, name).toEqual([]);
}

/** Requires that the page is not wider than the screen. */
async function requireNoOverflow(page: Page, name: string): Promise<void> {
  const [pageWidth, screenWidth] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  expect.soft(pageWidth, name).toBeLessThanOrEqual(screenWidth as number);
}
