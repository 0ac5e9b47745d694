// Tests the actions of admins and operators on devices, sessions and commands.
import type { Locator } from "@playwright/test";
import { expect, openTestSession, signIn, takeScreenshot, test } from "./fixtures.js";

test("device is suspended, resumed and decommissioned after a confirmation", async ({ page, gateway }) => {
  const { deviceId } = await openTestSession(gateway);
  await signIn(page, gateway, "alice", "admin");
  await page.goto(`${gateway.url}/console#/devices/${deviceId}`);
  const dialog = page.getByRole("dialog");

  await page.getByRole("button", { name: "Suspend…" }).click();
  await expect(dialog).toContainText("Pump 7 loses its logins at once");
  await takeScreenshot(page, "suspend");
  await page.keyboard.press("Escape");
  await expect(page.getByRole("button", { name: "Suspend…" })).toBeFocused();
  await page.getByRole("button", { name: "Suspend…" }).click();
  await dialog.getByLabel("Reason").fill("reported stolen");
  await dialog.getByRole("button", { name: "Suspend" }).click();
  await expect(page.getByText("suspended", { exact: true })).toBeVisible();
  await expect(dialog).toHaveCount(0);
  await expect(page.getByRole("heading", { name: "Pump 7" })).toBeFocused(); // the focused button was removed
  await takeScreenshot(page, "suspended");

  await page.getByRole("button", { name: "Resume…" }).click();
  await dialog.getByRole("button", { name: "Resume" }).click();
  await expect(page.getByText("suspended", { exact: true })).toHaveCount(0);
  await page.getByRole("button", { name: "Revoke logins…" }).click();
  await dialog.getByRole("button", { name: "Revoke logins" }).click();
  await expect(dialog).toHaveCount(0);

  await page.getByRole("button", { name: "Decommission…" }).click();
  await expect(dialog).toContainText("cannot be undone");
  await dialog.getByRole("button", { name: "Decommission" }).click();
  await expect(page.getByText("This device was decommissioned.")).toBeVisible();
});

test("device gets another name, place and tags, and what another admin changes meanwhile stays", async ({
  page,
  gateway,
}) => {
  const { deviceId, admin } = await openTestSession(gateway, "Pump 7", {
    location: "Hall 3",
    tags: { site: "leipzig" },
  });
  await signIn(page, gateway, "bob", "admin");
  await page.goto(`${gateway.url}/console#/devices/${deviceId}`);
  const dialog = page.getByRole("dialog");
  const facts = page.locator(".facts");
  const change = (body: object) => gateway.call(admin, "PATCH", `/devices/${deviceId}`, body);

  await page.getByRole("button", { name: "Edit…" }).click();
  await expect(dialog.getByLabel("Name", { exact: true })).toBeFocused();
  await dialog.getByLabel("Name", { exact: true }).fill("Pump 8");
  await dialog.getByRole("button", { name: "Add a tag" }).click();
  await expect(dialog.getByLabel("Name of tag 2")).toBeFocused();
  await dialog.getByLabel("Name of tag 2").fill("site");
  await dialog.getByLabel("Value of tag 2").fill("cooling");
  await dialog.getByRole("button", { name: "Save" }).click();
  await expect(dialog.getByRole("alert")).toHaveText("Two tags have the name site.");
  await dialog.getByLabel("Name of tag 2").fill("line");
  await takeScreenshot(page, "edit-device");
  await change({ location: "Hall 4" });
  await expect(dialog.getByText("Another user has changed this device")).toBeVisible();
  await dialog.getByRole("button", { name: "Save" }).click();
  await expect(dialog).toHaveCount(0);
  await expect(page.getByText("Device changed.")).toBeVisible();
  await expect(page.getByRole("heading", { name: "Pump 8" })).toBeVisible();
  await expect(page.getByRole("button", { name: "Edit…" })).toBeFocused();
  for (const text of ["Hall 4", "leipzig", "cooling"]) await expect(facts).toContainText(text);

  await change({ name: "Pump 9" }); // another admin's change shows without a reload
  await expect(page.getByRole("heading", { name: "Pump 9" })).toBeVisible();

  await page.getByRole("button", { name: "Edit…" }).click();
  await dialog.getByLabel("Location").fill("");
  await dialog.getByRole("button", { name: "Remove tag 2" }).click();
  await dialog.getByRole("button", { name: "Save" }).click();
  await expect(dialog).toHaveCount(0);
  await expect(facts).not.toContainText("leipzig");
  await expect(facts).not.toContainText("Hall 4");
  await expect(facts).toContainText("cooling");
});

test("device is provisioned with tags", async ({ page, gateway }) => {
  await signIn(page, gateway, "bob", "admin");
  await page.goto(`${gateway.url}/console#/devices`);
  await page.getByRole("button", { name: "Provision a device…" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Name", { exact: true }).fill("Pump 7");
  await dialog.getByRole("button", { name: "Add a tag" }).click();
  await dialog.getByLabel("Name of tag 1").fill("site");
  await dialog.getByLabel("Value of tag 1").fill("leipzig");
  await dialog.getByRole("button", { name: "Provision", exact: true }).click();
  await dialog.getByRole("button", { name: "Done" }).click();
  await page.goto(`${gateway.url}/console#/devices?tag=site%3Aleipzig`);
  await expect(page.getByRole("table", { name: "Devices" }).locator("tbody tr")).toHaveCount(1);
});

test("missing role is named in place of an action", async ({ page, gateway }) => {
  const { deviceId, sessionId } = await openTestSession(gateway);
  await signIn(page, gateway, "vera", "viewer");
  await page.goto(`${gateway.url}/console#/devices/${deviceId}`);
  await expect(
    page.getByText(
      "To edit, suspend, resume or decommission this device, you need the role admin. Your role is viewer.",
    ),
  ).toBeVisible();
  await page.goto(`${gateway.url}/console#/sessions/${sessionId}`);
  await expect(
    page.getByText(
      "To propose or cancel commands, or close the session, you need the role operator. Your role is viewer.",
    ),
  ).toBeVisible();
});

test("command is cancelled and proposed again, and its session is closed", async ({ page, gateway }) => {
  const { propose, sessionId } = await openTestSession(gateway);
  await propose("service.restart", { service: "telemetry" });
  await signIn(page, gateway, "alice", "admin");
  await page.goto(`${gateway.url}/console#/sessions/${sessionId}`);
  const dialog = page.getByRole("dialog");

  await page.getByRole("button", { name: "Cancel command…" }).click();
  await expect(dialog).toContainText("The device will not receive this command.");
  await dialog.getByLabel("Reason").fill("the wrong pump");
  await dialog.getByRole("button", { name: "Cancel command" }).click();
  await expect(page.getByText("cancelled", { exact: true })).toBeVisible();
  await expect(page.locator(".timeline")).toContainText("the wrong pump");

  await page.getByRole("button", { name: "Propose again…" }).click();
  await dialog.getByRole("button", { name: "Propose again" }).click();
  await expect(page.getByText("Retry of")).toBeVisible();
  await expect(page.getByText("pending approval", { exact: true })).toBeVisible();
  await takeScreenshot(page, "proposed-again");

  const { id: other } = await propose("service.restart", { service: "modem" });
  await page.goto(`${gateway.url}/console#/commands/${sessionId}/${other}`);
  await page.getByRole("button", { name: "Cancel command…" }).click();
  await dialog.getByRole("button", { name: "Cancel command" }).click();
  await page.getByRole("button", { name: "Propose again…" }).click();
  await dialog.getByRole("button", { name: "Propose again" }).click();
  await expect(page).not.toHaveURL(new RegExp(other)); // the page shows what was proposed
  await expect(page.getByText("Command proposed again.")).toBeVisible();
  await expect(page.locator("main")).toBeFocused();
  await expect(page.getByText("pending approval", { exact: true })).toBeVisible();

  await page.goto(`${gateway.url}/console#/sessions/${sessionId}`);
  await page.getByRole("button", { name: "Close the session…" }).click();
  await dialog.getByLabel("Reason").fill("solved");
  await dialog.getByRole("button", { name: "Close the session" }).click();
  await expect(page.getByText("closed", { exact: true })).toBeVisible();
  await expect(page.getByRole("button", { name: /Propose|Close|Cancel/ })).toHaveCount(0);
  await expect(page.locator(".timeline")).toContainText("solved");
});

test.describe("large fleet", () => {
  test.use({ settings: { FIELDGATE_RATE_LIMITS: "off" } });

  test("is shown page by page, and searched as a whole", async ({ page, gateway }) => {
    const admin = await gateway.token("alice", "admin");
    const names = Array.from({ length: 229 }, (_, i) => `Pump ${String(i).padStart(3, "0")}`);
    while (names.length > 0) {
      const batch = names.splice(0, 10);
      await Promise.all(batch.map((name) => gateway.call(admin, "POST", "/devices", { name })));
    }
    await signIn(page, gateway, "vera", "viewer");
    await expect(page.getByRole("link", { name: "0 not online, of 200 loaded" })).toBeVisible();
    await page.getByRole("link", { name: "Devices" }).click();
    const table = page.getByRole("table", { name: "Devices" });
    const rows = table.locator("tbody tr");
    await expect(page.getByText("of 200 loaded devices online, 230 in all")).toBeVisible();
    await page.keyboard.press("Control+k"); // the palette finds devices that are not loaded
    await page.getByRole("combobox", { name: "Page, device" }).fill("pump 003");
    await expect(page.getByRole("dialog").getByRole("option").first()).toHaveText("Pump 003 Device");
    await page.keyboard.press("Escape");
    await expect(table).toHaveAttribute("aria-rowcount", "-1");
    await page.getByLabel("Find a device").fill("Pump 003"); // one of the oldest, which are not loaded
    await expect(rows).toHaveCount(1);
    await expect(rows).toContainText("Pump 003");
    await page.getByLabel("Find a device").fill("");
    await page.getByRole("button", { name: "Name" }).click();
    await expect(page.getByText("order cover only the 200 devices that are loaded")).toBeVisible();
    await page.getByRole("button", { name: "Load all devices" }).click();
    await expect(page.getByText("of 230 online")).toBeVisible(); // 229 devices of the test, and one of fieldgate dev
    await expect(page.getByText("cover only")).toHaveCount(0);
    await expect(page.getByRole("button", { name: /Show more|Load all/ })).toHaveCount(0);
    await expect(table).toHaveAttribute("aria-rowcount", "231");
  });

  test("has sessions and a timeline of any length", async ({ page, gateway }) => {
    const { deviceId, sessionId, propose } = await openTestSession(gateway);
    const admin = await gateway.token("alice", "admin");
    for (let i = 0; i < 60; i++) {
      const { id } = await propose("service.restart", { i });
      await gateway.call(admin, "POST", `/sessions/${sessionId}/commands/${id}/cancel`, {});
    }
    await gateway.call(admin, "POST", `/sessions/${sessionId}/close`, {});
    for (let i = 0; i < 105; i++) {
      const { id } = await gateway.call<{ id: string }>(admin, "POST", "/sessions", { deviceId, type: "diagnostic" });
      await gateway.call(admin, "POST", `/sessions/${id}/close`, {});
    }
    await signIn(page, gateway, "vera", "viewer");
    const scrollUntil = (last: Locator) =>
      expect(async () => {
        await page.evaluate(() => window.scrollTo(0, document.body.scrollHeight));
        await expect(last).toBeVisible({ timeout: 1_000 });
      }).toPass();
    await page.goto(`${gateway.url}/console#/sessions?status=active`);
    await expect(page.getByText("These filters cover only the 100 newest sessions")).toBeVisible();
    await page.getByRole("button", { name: "Load earlier sessions" }).click();
    await expect(page.getByText("No session matches.")).toBeVisible();
    await page.goto(`${gateway.url}/console#/sessions`);
    await page.reload();
    await expect(page.locator('.rows li[aria-setsize="-1"]').first()).toBeVisible();
    await scrollUntil(page.locator('.rows li[aria-posinset="106"][aria-setsize="106"]'));
    expect(await page.locator(".rows li").count()).toBeLessThan(106);

    await page.goto(`${gateway.url}/console#/sessions/${sessionId}`);
    const cards = page.getByRole("region", { name: "Commands" }).locator("li.card");
    await expect(cards).toHaveCount(50);
    await expect(page.locator('.timeline li[aria-setsize="-1"]').first()).toBeVisible();
    await scrollUntil(cards.nth(59));
    await expect(page.getByRole("button", { name: "Show earlier commands" })).toHaveCount(0);
    const timeline = page.locator(".timeline");
    await expect(async () => {
      await timeline.evaluate((element) => element.scrollIntoView({ block: "end" }));
      await expect(timeline.locator('li[aria-posinset="122"][aria-setsize="122"]')).toBeVisible({ timeout: 1_000 });
    }).toPass();
    await expect(page.locator('.timeline li[aria-posinset="122"]')).toContainText("Session opened");
    expect(await page.locator(".timeline li").count()).toBeLessThan(122);
  });
});
