// Tests the lists of commands and of devices: their filters, their addresses, and what an open page costs.
import type { Page } from "@playwright/test";
import {
  expect,
  openTestSession,
  type ProvisionedDevice,
  registerDevice,
  signIn,
  takeScreenshot,
  test,
} from "./fixtures.js";

/** The device of openTestSession claims a command and reports its result. */
async function finish(device: (path: string, body: object) => Promise<{ commands: Claimed[] }>, status: string) {
  const [claimed] = (await device("/commands/claim", {})).commands;
  const { id, claimToken } = claimed as Claimed;
  await device(`/commands/${id}/result`, { claimToken, status, ...(status === "failed" && { error: "no route" }) });
}

interface Claimed {
  id: string;
  claimToken: string;
}

/** Counts the requests of the page to the API from now on. */
function countRequests(page: Page, path: RegExp) {
  const counted: string[] = [];
  page.on("request", (request) => path.test(request.url()) && counted.push(request.url()));
  return counted;
}

/** Waits until the page has subscribed to the events, after which it reads all once more. */
async function isLive(page: Page): Promise<void> {
  await page.waitForLoadState("networkidle");
}

test("what failed today is counted, listed, filtered and linked", async ({ page, gateway }) => {
  const { deviceId, propose, device } = await openTestSession(gateway);
  await propose("diagnostic.system", {});
  await finish(device, "failed");
  await propose("diagnostic.disk", {});
  await finish(device, "succeeded");
  await propose("service.restart", {});
  await signIn(page, gateway, "vera", "viewer");

  await page.getByRole("link", { name: "1 failed today" }).click();
  const rows = page.getByRole("table", { name: "Commands" }).locator("tbody tr");
  await expect(rows).toHaveCount(1);
  await expect(rows).toContainText("diagnostic.system");
  await expect(page.getByLabel("Status")).toHaveValue("failed,timed_out");
  await takeScreenshot(page, "commands-failed-today");

  await page.getByRole("button", { name: "Clear filters" }).click();
  await expect(rows).toHaveCount(3);
  await expect(rows.first()).toContainText("service.restart"); // the newest is the first
  await page.getByLabel("Type").fill("diagnostic.*");
  await page.getByLabel("Type").press("Enter");
  await expect(rows).toHaveCount(2);
  expect(page.url()).toContain("#/commands?type=diagnostic.*");
  await page.reload();
  await expect(rows).toHaveCount(2);
  await expect(page.getByLabel("Type")).toHaveValue("diagnostic.*");

  await page.goto(`${gateway.url}/console#/commands?proposedBy=olga`);
  await expect(page.getByText("No command matches.")).toBeVisible();
  await page.goto(`${gateway.url}/console#/commands?deviceId=${deviceId}&status=succeeded`);
  await expect(rows).toHaveCount(1);
  await rows.getByRole("link", { name: "diagnostic.disk" }).click();
  await expect(page.getByRole("heading", { name: "Command", level: 1 })).toBeVisible();
  await expect(page.locator("li.card")).toContainText("succeeded");
  await page.getByRole("link", { name: "Pump 7" }).click();
  await expect(page.getByRole("table", { name: "Commands of this device" }).locator("tbody tr")).toHaveCount(3);
});

test("list of commands follows events without reading again", async ({ page, gateway }) => {
  const { propose, device } = await openTestSession(gateway);
  await propose("diagnostic.system", {});
  await signIn(page, gateway, "vera", "viewer");
  await page.getByRole("link", { name: "Commands" }).click();
  const rows = page.getByRole("table", { name: "Commands" }).locator("tbody tr");
  await expect(rows.first()).toContainText("queued");
  await isLive(page);
  const reads = countRequests(page, /\/customer\/(commands|approvals)/);
  await finish(device, "succeeded");
  await expect(rows.first()).toContainText("succeeded");
  await propose("diagnostic.disk", {});
  await expect(page.getByRole("button", { name: "Show 1 newer" })).toBeVisible();
  expect(reads).toEqual([]);
  await page.getByRole("button", { name: "Show 1 newer" }).click();
  await expect(rows).toHaveCount(2);
  await expect(rows.first()).toContainText("diagnostic.disk");
});

test("filter keeps what is typed while commands arrive", async ({ page, gateway }) => {
  const { propose, device } = await openTestSession(gateway);
  await propose("diagnostic.system", {});
  await signIn(page, gateway, "vera", "viewer");
  await page.getByRole("link", { name: "Commands" }).click();
  await isLive(page);
  const proposer = page.getByLabel("Proposed by");
  await proposer.fill("alice");
  await finish(device, "failed");
  await propose("diagnostic.disk", {});
  await expect(page.getByRole("button", { name: "Show 1 newer" })).toBeVisible();
  await expect(proposer).toHaveValue("alice");
  await proposer.press("Enter");
  await expect(page).toHaveURL(/proposedBy=alice/);
  await page.getByRole("button", { name: "Clear filters" }).click();
  await expect(proposer).toHaveValue("");
});

test.describe("busy fleet", () => {
  test.use({ settings: { FIELDGATE_RATE_LIMITS: "off" } });

  test("costs an open inbox no read", async ({ page, gateway }) => {
    const { propose, device } = await openTestSession(gateway);
    await signIn(page, gateway, "bob", "approver");
    await expect(page.getByText("No command waits for a decision.")).toBeVisible();
    await isLive(page);
    const reads = countRequests(page, /\/api\//);
    for (let i = 0; i < 10; i++) {
      await propose("diagnostic.system", {});
      await finish(device, "failed");
    }
    await expect(page.getByRole("link", { name: "10 failed today" })).toBeVisible(); // all events have arrived
    expect(reads).toEqual([]);
    await propose("valve.open", {});
    await expect(page.getByRole("button", { name: "Approve…" })).toBeVisible();
    expect(reads).toHaveLength(1);
  });

  test("of 40 devices that come at once costs few requests", async ({ page, gateway }) => {
    const admin = await gateway.token("alice", "admin");
    const codes = [];
    for (let i = 0; i < 40; i++) {
      const body = { name: `Pump ${i}` };
      codes.push((await gateway.call<ProvisionedDevice>(admin, "POST", "/devices", body)).activationCode);
    }
    await signIn(page, gateway, "vera", "viewer");
    await page.goto(`${gateway.url}/console#/devices?presence=away`);
    const rows = page.getByRole("table", { name: "Devices" }).locator("tbody tr", { hasText: "Pump" });
    await expect(rows).toHaveCount(40);
    await isLive(page);
    let bytes = 0;
    page.on("response", async (response) => {
      bytes += (await response.body().catch(() => Buffer.of())).length;
    });
    const reads = countRequests(page, /\/api\//);
    await Promise.all(codes.map((code) => registerDevice(gateway, code)));
    await expect(rows).toHaveCount(0);
    await isLive(page);
    expect(reads.length).toBeLessThanOrEqual(3);
    expect(bytes).toBeLessThanOrEqual(100 * 1024);
  });
});

test("devices are sorted and filtered in the address, and their ids copied", async ({ page, gateway, context }) => {
  await context.grantPermissions(["clipboard-read", "clipboard-write"]);
  const admin = await gateway.token("alice", "admin");
  const ids: Record<string, string> = {};
  for (const [name, site] of Object.entries({ "Pump 10": "leipzig", "Pump 9": "halle" })) {
    const body = { name, tags: { site }, externalId: `S-${site}` };
    const made = await gateway.call<{ device: { id: string } }>(admin, "POST", "/devices", body);
    ids[name] = made.device.id;
  }
  await signIn(page, gateway, "vera", "viewer");
  await page.getByRole("link", { name: "Devices", exact: true }).click();
  const rows = page.getByRole("table", { name: "Devices" }).locator("tbody tr", { hasText: "Pump" });
  await page.getByRole("button", { name: "Name" }).click();
  await expect(rows.first()).toContainText("Pump 9");
  await page.getByRole("button", { name: "Name" }).click();
  await expect(rows.first()).toContainText("Pump 10");
  await expect(page.getByRole("columnheader", { name: "Name" })).toHaveAttribute("aria-sort", "descending");
  await page.getByLabel("Tag").selectOption("site:halle");
  await expect(rows).toHaveCount(1);
  await page.reload();
  await expect(rows).toHaveCount(1);
  await page.getByRole("button", { name: "Copy id of Pump 9" }).click();
  await expect(page.getByRole("button", { name: "Copied of Pump 9" })).toBeVisible();
  expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(ids["Pump 9"]);
  await page.getByRole("button", { name: "Clear filters" }).click();
  await expect(rows).toHaveCount(2);
});
