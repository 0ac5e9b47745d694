// Tests that open pages follow events, and read nothing again that they have.
import type { Page } from "@playwright/test";
import { expect, openTestSession, signIn, test } from "./fixtures.js";

/** Returns the requests of the page to the API from now on, as "GET /path". */
function requestsOf(page: Page): string[] {
  const requests: string[] = [];
  page.on("request", (request) => {
    const path = request.url().split("/api/v1/customer")[1];
    if (path) requests.push(`${request.method()} ${path.split("?")[0]}`);
  });
  return requests;
}

/** Opens a page of the console, and waits until it has subscribed to the events and has read all. */
async function open(page: Page, url: string, path: string): Promise<string[]> {
  await page.goto(`${url}/console#/${path}`);
  await expect(page.locator("[aria-busy]")).toHaveCount(0);
  await page.waitForLoadState("networkidle");
  return requestsOf(page);
}

test("page of a session reads only the new command and its result", async ({ page, gateway }) => {
  const { admin, sessionId, propose, device } = await openTestSession(gateway);
  await propose("diagnostic.system", { first: true });
  await signIn(page, gateway, "vera", "viewer");
  const requests = await open(page, gateway.url, `sessions/${sessionId}`);
  const { id } = await propose("service.restart", {});
  const card = page.locator("li.card", { hasText: "service.restart" });
  await expect(card.getByText("pending approval")).toBeVisible();
  const decision = { commandId: id, approved: true, reason: "the site agreed" };
  await gateway.call(await gateway.token("carol", "approver"), "POST", `/sessions/${sessionId}/approve`, decision);
  await expect(card).toContainText(/Approved\d\d:\d\d.* by carol.*: the site agreed/);
  await expect(card.getByText("queued", { exact: true })).toBeVisible();
  for (let i = 0; i < 2; i++) {
    const [{ id: of, claimToken }] = (await device("/commands/claim", {})).commands;
    await device(`/commands/${of}/result`, { claimToken, status: "succeeded", output: `result of ${of}` });
  }
  await expect(card).toContainText(`result of ${id}`);
  await gateway.call(admin, "POST", `/sessions/${sessionId}/close`, { reason: "solved" });
  await expect(page.getByText("closed", { exact: true })).toBeVisible();
  await expect(page.locator(".timeline li").first()).toContainText("solved");

  const { items } = await gateway.call<{ items: object[] }>(admin, "GET", `/sessions/${sessionId}/events`);
  await expect(page.locator(".timeline li")).toHaveCount(items.length); // none is there twice, and none is missing
  const read = requests.filter((request) => request.includes(sessionId));
  expect(read.filter((request) => !/\/commands\/cmd_\w+(\/output)?$/.test(request))).toEqual([]);
  expect(read.filter((request) => request.endsWith(id))).toHaveLength(2); // when it was new, and with its result
});

test("page of a command reads only the result", async ({ page, gateway }) => {
  const { sessionId, propose } = await openTestSession(gateway);
  const { id } = await propose("service.restart", {});
  await signIn(page, gateway, "vera", "viewer");
  const requests = await open(page, gateway.url, `commands/${sessionId}/${id}`);
  const decision = { commandId: id, approved: false, reason: "not today" };
  await gateway.call(await gateway.token("carol", "approver"), "POST", `/sessions/${sessionId}/approve`, decision);
  await expect(page.locator("main .card")).toContainText(/Rejected.* by carol.*: not today/);
  expect(requests.filter((request) => request.includes("/commands/"))).toEqual([]);
});

test("page of a device follows its state and its sessions", async ({ page, gateway }) => {
  const { admin, deviceId, sessionId } = await openTestSession(gateway);
  await signIn(page, gateway, "vera", "viewer");
  const requests = await open(page, gateway.url, `devices/${deviceId}`);
  await expect(page.getByRole("link", { name: "Go to the open session" })).toBeVisible();
  await gateway.call(admin, "POST", `/sessions/${sessionId}/close`, {});
  await expect(page.locator(".rows li").first()).toContainText("closed");
  await expect(page.getByRole("link", { name: "Go to the open session" })).toHaveCount(0);
  await gateway.call(admin, "POST", `/devices/${deviceId}/suspend`, {});
  await expect(page.getByText("This device is suspended")).toBeVisible();
  expect(requests).toEqual([]);
  await gateway.call(admin, "POST", `/devices/${deviceId}/resume`, {});
  await expect(page.getByText("This device is suspended")).toHaveCount(0);
  await gateway.call(admin, "POST", "/sessions", { deviceId, type: "diagnostic", description: "The second one" });
  await expect(page.getByRole("link", { name: "The second one" })).toBeVisible();
});

test("page of the policy follows another admin, and keeps what was typed", async ({ page, gateway }) => {
  const admin = await gateway.token("dora", "admin");
  const rules = (name: string) => [{ name, effect: "review" }];
  await signIn(page, gateway, "alice", "admin");
  const requests = await open(page, gateway.url, "policy");
  await gateway.call(admin, "PUT", "/policy", { version: "0", rules: rules("first") });
  await expect(page.getByText("Version 1 by dora")).toBeVisible();
  const editor = page.getByLabel("Policy as JSON");
  await expect(editor).toHaveValue(/first/);
  expect(requests).toEqual(["GET /policy"]);

  await editor.fill(JSON.stringify({ rules: rules("typed") }));
  await gateway.call(admin, "PUT", "/policy", { version: "1", rules: rules("second") });
  await expect(page.getByText("Version 2 has replaced version 1")).toBeVisible();
  await expect(editor).toHaveValue(/typed/);
  await page.getByRole("button", { name: "Start over from version 2" }).click();
  await expect(editor).toHaveValue(/second/);
  await expect(page.getByText("has replaced version")).toHaveCount(0);
});

test.describe("text that changes an earlier version", () => {
  test.use({ allowedErrors: [/status of 409/] });

  test("is refused, so that it undoes no rule of another admin", async ({ page, gateway }) => {
    const admin = await gateway.token("dora", "admin");
    await signIn(page, gateway, "alice", "admin");
    await open(page, gateway.url, "policy");
    await page.getByLabel("Policy as JSON").fill('{"rules": [{"name": "typed", "effect": "review"}]}');
    await gateway.call(admin, "PUT", "/policy", { version: "0", rules: [{ name: "first", effect: "deny" }] });
    await expect(page.getByText("Version 1 has replaced version 0")).toBeVisible();
    await page.getByRole("button", { name: "Save" }).click();
    await expect(page.getByRole("alert")).toContainText("policy_conflict");
  });
});

test("badge of the inbox counts what the user may decide", async ({ page, gateway }) => {
  const { sessionId, propose } = await openTestSession(gateway);
  await propose("valve.open", { n: 1 });
  await propose("valve.open", { n: 2 });
  await signIn(page, gateway, "alice", "admin"); // who has proposed them
  await expect(page.getByText("You cannot decide on this command.")).toHaveCount(2);
  await expect(page.getByRole("link", { name: "Inbox", exact: true })).toBeVisible();
  await page.getByRole("button", { name: "Sign out" }).click();

  await signIn(page, gateway, "bob", "approver");
  await expect(page.getByRole("link", { name: "Inbox 2 waiting for you" })).toBeVisible();
  await expect(page).toHaveTitle(/^\(2\) Inbox/);
  await page.goto(`${gateway.url}/console#/sessions/${sessionId}`);
  const { id } = await propose("valve.open", { n: 3 });
  await expect(page.getByRole("link", { name: "Inbox 3 waiting for you" })).toBeVisible();
  const decision = { commandId: id, approved: false, reason: "no" };
  await gateway.call(await gateway.token("carol", "approver"), "POST", `/sessions/${sessionId}/approve`, decision);
  await expect(page.getByRole("link", { name: "Inbox 2 waiting for you" })).toBeVisible();
});

test("palette leads to the pages that the role may see", async ({ page, gateway }) => {
  const pages = async () => {
    await page.keyboard.press("Control+k");
    await page.getByRole("combobox", { name: "Page, device" }).fill("o");
    const found = await page.getByRole("option").filter({ hasText: /Page$/ }).allTextContents();
    await page.keyboard.press("Escape");
    return found;
  };
  await signIn(page, gateway, "alice", "admin", gateway.url.replace("127.0.0.1", "localhost")); // an address has no passkeys
  const all = await pages();
  for (const name of ["Policy", "Roster", "Account"]) expect(all).toContain(`${name} Page`);
  await page.getByRole("button", { name: "Sign out" }).click();
  await signIn(page, gateway, "vera", "viewer");
  expect(await pages()).not.toContain("Policy Page");
});

test("arrow keys, Home and End move between the rows of a table, and Enter opens one", async ({ page, gateway }) => {
  const { propose } = await openTestSession(gateway);
  for (let i = 0; i < 12; i++) {
    for (let n = 0; n < 8; n++) await propose(`diagnostic.run${i}`, { n }); // the queue of a device ends at 100
  }
  await signIn(page, gateway, "vera", "viewer");
  await open(page, gateway.url, "commands");
  const rows = page.getByRole("table", { name: "Commands" }).locator("tbody tr:not([aria-hidden])");
  const focused = page.locator("tr:focus-within");
  const links = rows.getByRole("link", { name: /diagnostic/ });
  await links.first().focus();
  await page.keyboard.press("ArrowUp"); // there is none above
  await expect(focused).toHaveAttribute("aria-rowindex", "2");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("ArrowDown");
  await expect(focused).toHaveAttribute("aria-rowindex", "4");
  await page.keyboard.press("ArrowUp");
  await expect(focused).toHaveAttribute("aria-rowindex", "3");
  await page.keyboard.press("End"); // further rows are read when the end of the list comes near
  await expect(page.getByRole("table", { name: "Commands" })).not.toHaveAttribute("aria-rowcount", "-1");
  await page.keyboard.press("End");
  const count = Number(await page.getByRole("table", { name: "Commands" }).getAttribute("aria-rowcount"));
  await expect(focused).toHaveAttribute("aria-rowindex", String(count));
  await expect(focused.getByRole("link").first()).toBeInViewport();
  await page.keyboard.press("Home");
  await expect(focused).toHaveAttribute("aria-rowindex", "2");
  await page.keyboard.press("ArrowDown");
  const name = await focused.getByRole("link").first().textContent();
  await page.keyboard.press("Enter");
  await expect(page.getByRole("heading", { name: "Command", level: 1 })).toBeVisible();
  await expect(page.locator("main .card h3")).toHaveText(name as string);
});
