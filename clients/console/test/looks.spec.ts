// How the console looks and what it says to those who do not see it, on all its places.
import type { Page } from "@playwright/test";
import axe from "axe-core";
import { expect, type Gateway, keep, prepared, signIn, test } from "./fixtures.js";

const screens = [
  { name: "desk", width: 1280, height: 800 },
  { name: "phone", width: 360, height: 740 },
];

for (const screen of screens) {
  for (const colorScheme of ["light", "dark"] as const) {
    test.describe(`${screen.name}, ${colorScheme}`, () => {
      test.use({ viewport: { width: screen.width, height: screen.height }, colorScheme });

      test("all places are readable by everybody", async ({ page, gateway }) => {
        const { deviceId, sessionId } = await furnished(gateway);
        const look = async (name: string) => {
          await requireAccessible(page, name);
          await requireNothingBeside(page, name);
          await keep(page, `${name}-${screen.name}-${colorScheme}`);
        };

        await page.goto(`${gateway.url}/console`);
        await page.getByLabel("Access token").fill("not a token");
        await page.getByRole("button", { name: "Sign in" }).click();
        await expect(page.getByRole("alert")).toHaveText("That is not an access token.");
        await look("sign-in");

        await signIn(page, gateway, "bob", "admin");
        await expect(page.getByRole("button", { name: "Approve…" })).toHaveCount(2);
        await look("inbox");
        await page.getByRole("button", { name: "Approve…" }).first().click();
        await expect(page.getByRole("dialog")).toBeVisible();
        await look("approve");
        await page.keyboard.press("Escape");

        await page.goto(`${gateway.url}/console#/devices`);
        await expect(page.getByRole("link", { name: "Pump 7" })).toBeVisible();
        await look("devices");
        await page.getByRole("button", { name: "Provision a device…" }).click();
        await page.getByLabel("Name").fill("Pump 9");
        await page.getByRole("button", { name: "Provision", exact: true }).click();
        await expect(page.getByRole("heading", { name: "Activation code" })).toBeVisible();
        await look("activation-code");
        await page.getByRole("button", { name: "Done" }).click();

        await page.goto(`${gateway.url}/console#/devices/${deviceId}`);
        await expect(page.getByRole("heading", { name: "Pump 7" })).toBeVisible();
        await look("device");
        await page.getByRole("button", { name: "Suspend…" }).click();
        await expect(page.getByRole("dialog")).toBeVisible();
        await look("suspend");
        await page.keyboard.press("Escape");
        await page.goto(`${gateway.url}/console#/sessions`);
        await expect(page.getByRole("link", { name: "Telemetry stopped" })).toBeVisible();
        await look("sessions");
        await page.goto(`${gateway.url}/console#/sessions/${sessionId}`);
        await expect(page.locator(".timeline li").first()).toBeVisible();
        await look("session");
      });
    });
  }
}

/** A tenant with something of everything. */
async function furnished(gateway: Gateway) {
  const admin = await gateway.token("alice", "admin");
  for (const name of ["Compressor, hall 3", "Pump station 12 with a name that is longer than others, on the left bank"])
    await gateway.call(admin, "POST", "/devices", { name, location: "Leipzig", externalId: `PX4-00${name.length}` });
  const made = await prepared(gateway);
  await made.propose("diagnostic.system", {});
  await made.propose("service.restart", {
    service: "telemetry",
    graceSeconds: 10,
    nested: { list: [1, 2.5, true, null] },
    odd: "log\u202etxt.exe",
  });
  await made.propose(
    "remediation.run_script",
    { name: "reset-modem.sh", args: ["--hard", "a".repeat(120)] },
    "The modem hangs since the update; the site agreed on the telephone",
  );
  return made;
}

async function requireAccessible(page: Page, name: string): Promise<void> {
  await page.evaluate(axe.source); // not a script of the page, so its policy does not hold
  const found = await page.evaluate(async () => {
    const { violations } = await (globalThis as unknown as { axe: typeof axe }).axe.run();
    return violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.target.join(" ")).join(", ")}`);
  });
  expect.soft(found, name).toEqual([]);
}

/** Nothing reaches out of the screen at its side. */
async function requireNothingBeside(page: Page, name: string): Promise<void> {
  const [whole, shown] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  expect.soft(whole, name).toBeLessThanOrEqual(shown as number);
}
