// Tests all views of the console for accessibility, on a desktop and on a phone.
import type { Page } from "@playwright/test";
import axe from "axe-core";
import { expect, type Gateway, openTestSession, signIn, takeScreenshot, test } from "./fixtures.js";

const screens = [
  { name: "desktop", width: 1280, height: 800 },
  { name: "phone", width: 320, height: 640 },
];

for (const screen of screens) {
  for (const colorScheme of ["light", "dark"] as const) {
    test.describe(`${screen.name}, ${colorScheme}`, () => {
      test.use({ viewport: { width: screen.width, height: screen.height }, colorScheme });

      test("views are accessible and fit the screen", async ({ page, gateway }) => {
        test.setTimeout(240_000); // the views are many, and axe is slow on a busy machine
        const { deviceId, sessionId, commandIds } = await createExamples(gateway);
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
        await expect(page.getByRole("button", { name: "Approve…" })).toHaveCount(3);
        await check("inbox");
        await page.getByRole("button", { name: "Approve…" }).first().click();
        await expect(page.getByRole("dialog")).toBeVisible();
        await check("approve");
        await page.keyboard.press("Escape");

        await page.goto(`${gateway.url}/console#/devices`);
        await expect(page.getByRole("link", { name: "Pump 7" })).toBeVisible();
        await check("devices");
        await page.getByRole("button", { name: "Provision a device…" }).click();
        await page.getByRole("textbox", { name: "Name" }).fill("Pump 9");
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
        await page.getByRole("button", { name: "Edit…" }).click();
        await page.getByRole("button", { name: "Add a tag" }).click();
        await check("edit-device");
        await page.keyboard.press("Escape");
        for (const list of ["commands", "commands?status=failed", "devices?sort=name&tag=none", "account", "nowhere"]) {
          await page.goto(`${gateway.url}/console#/${list}`);
          await expect(page.getByRole("heading", { level: 1 })).toBeVisible();
          await expect(page.locator("[aria-busy]")).toHaveCount(0);
          await check(list.replace(/\W+/g, "-"));
        }
        await page.goto(`${gateway.url}/console#/commands/${sessionId}/${commandIds[0]}`);
        await expect(page.locator("li.card")).toBeVisible();
        await check("command");
        await page.keyboard.press("Control+k");
        await expect(page.getByRole("combobox", { name: "Page, device" })).toBeFocused();
        await check("palette");
        await page.keyboard.press("Escape");
        await page.goto(`${gateway.url}/console#/policy`);
        await expect(page.getByLabel("Policy as JSON")).toBeVisible();
        await check("policy");
        await page.goto(`${gateway.url}/console#/roster`);
        await expect(page.getByLabel("Document")).toBeVisible();
        await check("roster");
        await page.goto(`${gateway.url}/console#/system`);
        await expect(page.getByRole("table", { name: "Connections" })).toBeVisible();
        await expect(page.locator("[aria-busy]")).toHaveCount(0);
        await check("system");
        await page.getByRole("button", { name: "Cut a user off…" }).click();
        await check("cut-off");
        await page.keyboard.press("Escape");
        await page.goto(`${gateway.url}/console#/sessions`);
        await expect(page.getByRole("link", { name: "Telemetry stopped" })).toBeVisible();
        await check("sessions");
        await page.goto(`${gateway.url}/console#/sessions/${sessionId}`);
        await expect(page.locator(".timeline li").first()).toBeVisible();
        await page.locator(`#${commandIds[0]}`).scrollIntoViewIfNeeded(); // a result is read when it is near
        await page.getByRole("searchbox").first().fill("up");
        await expect(page.locator(".hit").first()).toBeVisible();
        await page.getByText("Propose a command").click();
        await page.getByLabel("Type").fill("remediation.run_script");
        await page.getByRole("button", { name: "Add to arguments" }).click();
        await check("session");
        await page.getByRole("button", { name: "Keep as a template…" }).click();
        await page.getByRole("dialog").getByLabel("Name").fill("Reset");
        await check("template");
        await page.keyboard.press("Enter");
        await expect(page.getByLabel("Fill in…")).toBeVisible();
        await check("session-with-template");
      });
    });
  }
}

test.describe("what is missing or fails", () => {
  test.use({ allowedErrors: [/status of 4\d\d/] });

  test("is accessible, alone and beside what was read", async ({ page, gateway }) => {
    const { deviceId, sessionId, commandIds } = await createExamples(gateway);
    await signIn(page, gateway, "bob", "admin");
    const missing = {
      nowhere: "This page does not exist",
      [`devices/${deviceId.slice(0, -4)}aaaa`]: "This device does not exist",
      [`sessions/${sessionId.slice(0, -4)}aaaa`]: "This session does not exist",
      [`commands/${sessionId}/${commandIds[0]?.slice(0, -4)}aaaa`]: "This command does not exist",
    };
    for (const [path, title] of Object.entries(missing)) {
      await page.goto(`${gateway.url}/console#/${path}`);
      await expect(page.getByRole("heading", { level: 1, name: title })).toBeVisible();
      await requireAccessible(page, path);
    }
    const problem = {
      type: "about:blank",
      title: "Forbidden",
      status: 403,
      code: "insufficient_role",
      detail: "Try again later.",
      requestId: "request-1",
    };
    const refuse = (path: RegExp) =>
      page.route(path, (route) =>
        route.fulfill({ status: 403, contentType: "application/problem+json", json: problem }),
      );
    await refuse(/customer\/sessions\?/); // a list that is read on each page
    await refuse(/commands\/cmd_\w+$/); // the results of commands
    await page.goto(`${gateway.url}/console#/sessions/${sessionId}`);
    await page.reload();
    await expect(page.locator(".card").first()).toBeVisible();
    await expect(page.getByRole("alert").first()).toContainText("Try again later.");
    await requireAccessible(page, "session beside errors");
    await page.goto(`${gateway.url}/console#/devices/${deviceId}`);
    await expect(page.getByRole("alert").first()).toContainText("Try again later.");
    await requireAccessible(page, "device that cannot be read");
    await page.goto(`${gateway.url}/console#/devices`);
    await expect(page.getByRole("link", { name: "Pump 7" })).toBeVisible();
    await requireAccessible(page, "devices beside an error");
  });
});

test.describe("long lists", () => {
  test.use({ settings: { FIELDGATE_RATE_LIMITS: "off" } });

  test("are accessible in their middle", async ({ page, gateway }) => {
    const admin = await gateway.token("alice", "admin");
    for (let i = 0; i < 13; i++) {
      const provision = (_: unknown, n: number) =>
        gateway.call(admin, "POST", "/devices", { name: `Pump ${i * 10 + n}`, tags: { site: `site ${n}` } });
      await Promise.all(Array.from({ length: 10 }, provision));
    }
    await signIn(page, gateway, "vera", "viewer");
    await page.goto(`${gateway.url}/console#/devices`);
    const table = page.getByRole("table", { name: "Devices" });
    await expect(table).toHaveAttribute("aria-rowcount", "132"); // with its head, and one device of fieldgate dev
    await table.evaluate((element) => scrollTo(0, element.clientHeight / 2));
    await expect(table.locator("tr[aria-hidden]")).toHaveCount(2); // a gap above, and one below
    await requireAccessible(page, "middle of a long table");
    await table.getByRole("link").first().focus();
    await page.keyboard.press("End");
    await expect(page.locator("tr:focus-within")).toHaveAttribute("aria-rowindex", "132");
    await page.evaluate(() => scrollTo(0, 0)); // the row with the focus stays
    await expect(page.locator("tr:focus-within")).toHaveAttribute("aria-rowindex", "132");
    await requireAccessible(page, "table with the focus out of view");
    await page.setViewportSize({ width: 320, height: 640 });
    const names = await table.getByRole("columnheader", { name: "Name" }).boundingBox();
    expect(names?.width).toBeGreaterThan(120); // a gap takes no room from the columns that a phone has
  });
});

/** Creates devices, a session and commands of several kinds. */
async function createExamples(gateway: Gateway) {
  const admin = await gateway.token("alice", "admin");
  for (const name of ["Compressor, hall 3", "Pump station 12 with a name that is longer than others, on the left bank"])
    await gateway.call(admin, "POST", "/devices", { name, location: "Leipzig", externalId: `PX4-00${name.length}` });
  const session = await openTestSession(gateway);
  const commandIds: string[] = [];
  const colours = Array.from(
    { length: 16 },
    (_, i) => `\u001b[${i < 8 ? 30 + i : 82 + i}${i % 2 ? ";1" : ""}mup ${i} days`,
  );
  const output = `${colours.join(" ")}\u001b[0m log\u202etxt ${"x".repeat(600)}`;
  for (const status of ["failed", "succeeded"]) {
    const { id } = await session.propose("diagnostic.system", {}); // two of a type, each with a result
    const [{ claimToken }] = (await session.device("/commands/claim", {})).commands;
    await session.device(`/commands/${id}/result`, { claimToken, status, output, data: { load: 0.5 } });
    commandIds.push(id);
  }
  await session.propose("diagnostic.system", {});
  await session.propose("diagnostic.system", {});
  await session.propose("service.restart", {
    service: "telemetry",
    graceSeconds: 10,
    nested: { list: [1, 2.5, true, null] },
    odd: "log\u202etxt.exe",
  });
  await session.propose("service.restart", { service: "modem" });
  await session.propose(
    "remediation.run_script",
    { name: "reset-modem.sh", args: ["--hard", "a".repeat(120)] },
    "The modem hangs since the update; the site agreed on the telephone",
  );
  return { ...session, commandIds };
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
