// Tests what an approver sees of a command: all that its digest covers, from the bytes of its statement.
import { createHash } from "node:crypto";
import type { Page } from "@playwright/test";
import { expect, openTestSession, readToEnd, signIn, takeScreenshot, test } from "./fixtures.js";

interface Stated {
  id: string;
  digest: string;
  statement: string;
}

/** Opens the dialog to approve the only command that waits. */
async function openApproval(page: Page) {
  await page.getByRole("button", { name: "Approve…" }).click();
  const dialog = page.getByRole("dialog");
  await expect(dialog).toBeVisible();
  return dialog;
}

/** Changes the statement of the listed command on its way to the page. */
async function changeStatement(page: Page, change: (text: string) => string, digest = true) {
  await page.route(/\/customer\/approvals/, async (route) => {
    const response = await route.fetch().catch(() => undefined);
    if (!response) return route.abort(); // the test has ended, and its gateway with it
    const list = (await response.json()) as { items: Stated[] };
    for (const item of list.items) {
      const text = change(Buffer.from(item.statement, "base64url").toString());
      item.statement = Buffer.from(text).toString("base64url");
      if (digest) item.digest = createHash("sha256").update(text).digest("hex");
    }
    await route.fulfill({ response, json: list });
  });
}

test("approval shows all that its digest covers", async ({ page, gateway }) => {
  const { sessionId, deviceId, admin } = await openTestSession(gateway);
  await gateway.call(admin, "PATCH", `/devices/${deviceId}`, { tags: { env: "prod", site: "Leipzig" } });
  const body = {
    type: "valve.open",
    parameters: { exact: 1.5, long: "x".repeat(2000) },
    reason: "pressure too high",
    maxAttempts: 3,
    deliverWithinSeconds: 3600,
  };
  const { id } = await gateway.call<Stated>(admin, "POST", `/sessions/${sessionId}/commands`, body);
  await signIn(page, gateway, "bob", "approver");
  const dialog = await openApproval(page);
  const path = `/sessions/${sessionId}/commands/${id}`;
  const command = await gateway.call<Stated>(admin, "GET", path);
  const bytes = Buffer.from(command.statement, "base64url");
  expect(createHash("sha256").update(bytes).digest("hex")).toBe(command.digest);
  for (const text of [
    "valve.open",
    deviceId,
    "env: prod, site: Leipzig",
    "up to 3 times",
    "5 of 9",
    "alice",
    "pressure too high",
    "review, by the rule *",
    "alice, a person",
    "in 59 min",
    "Device now",
    id,
    sessionId,
    command.digest,
  ])
    await expect(dialog).toContainText(text);
  const weekday = new Date(Date.now() + 3_600_000).toLocaleDateString("en-GB", { weekday: "long" });
  await expect(dialog.getByText("May be claimed until").locator("..")).toContainText(weekday);
  await expect(dialog.getByText("Decide by").locator("..")).toContainText(/, in \d+ /);
  const parameters = dialog.getByRole("region", { name: "Parameters" });
  await expect(parameters).toContainText("x".repeat(300));
  await expect(parameters.getByText(/[\d,]+ more characters/)).toBeVisible();
  await takeScreenshot(page, "approval");
  await parameters.getByText(/more characters/).click();
  await expect(parameters.locator("details")).toHaveAttribute("open", "");

  // Enter pressed twice must not approve.
  await page.getByLabel("Reason").press("Enter");
  await expect(dialog).toBeVisible();
  await readToEnd(page);
  expect(await gateway.call(admin, "GET", path)).toMatchObject({ status: "pending_approval" });
  await dialog.getByRole("button", { name: "Approve", exact: true }).click();
  await expect(dialog).toHaveCount(0);
  expect(await gateway.call(admin, "GET", path)).toMatchObject({ status: "queued", approval: { decidedBy: "bob" } });
});

test("approval from the page of a session reads the statement", async ({ page, gateway }) => {
  const { sessionId, propose } = await openTestSession(gateway);
  await propose("valve.open", { n: 1 });
  await signIn(page, gateway, "bob", "approver");
  await page.goto(`${gateway.url}/console#/sessions/${sessionId}`);
  const dialog = await openApproval(page);
  await expect(dialog.getByText("May run").locator("..")).toContainText("once");
});

test("deceptive names in the statement are highlighted", async ({ page, gateway }) => {
  const { deviceId, admin, propose } = await openTestSession(gateway);
  await gateway.call(admin, "PATCH", `/devices/${deviceId}`, { name: "Рор", tags: { env: "pr\u200bod" } });
  await propose("valve.open", { host: "раура", russian: "насос" });
  await signIn(page, gateway, "bob", "approver");
  const dialog = await openApproval(page);
  for (const text of ["Рор", "\\u200b", "раура"])
    await expect(dialog.locator("mark", { hasText: text })).toHaveCount(1);
  await expect(dialog.locator("mark", { hasText: "насос" })).toHaveCount(0);
});

/** The changes of a statement after which the command must not be approved. */
const unreadable: Record<string, [(text: string) => string, boolean, string]> = {
  "that the digest does not cover": [(t) => t.replace('"n":1', '"n":2'), false, "The digest is not that"],
  "with a name twice": [(t) => t.replace('"n":1', '"n":1,"\\u006e":2'), true, "a name twice"],
  "of a later version": [
    (t) => t.replace('"version":1}', '"version":2}'),
    true,
    "a version that this page does not know",
  ],
  "of another device": [(t) => t.replace('"id":"dev_', '"id":"dev_x'), true, "another device"],
  "of another command": [(t) => t.replace('"command":"cmd_', '"command":"cmd_x'), true, "another command"],
  "with other attempts": [(t) => t.replace('"maxAttempts":1', '"maxAttempts":9'), true, "another number of attempts"],
  "without a member": [(t) => t.replace('"parameters":', '"Parameters":'), true, "no valid member “parameters”"],
  "that is no JSON": [() => "nonsense", true, "can only be rejected"],
};

for (const [what, [change, digest, message]] of Object.entries(unreadable)) {
  test(`command with a statement ${what} can only be rejected`, async ({ page, gateway }) => {
    const { propose } = await openTestSession(gateway);
    await propose("valve.open", { n: 1 });
    await changeStatement(page, change, digest);
    await signIn(page, gateway, "bob", "approver");
    const dialog = await openApproval(page);
    await expect(dialog.getByRole("alert")).toContainText(message);
    await expect(dialog.getByRole("button", { name: "Approve", exact: true })).toHaveCount(0);
    await dialog.getByRole("button", { name: "Reject…" }).click();
    await page.getByLabel("Reason").fill("cannot be shown");
    await page.getByRole("dialog").getByRole("button", { name: "Reject", exact: true }).click();
    await expect(page.getByRole("dialog")).toHaveCount(0);
  });
}

test("members that the page does not know are shown", async ({ page, gateway }) => {
  const { propose } = await openTestSession(gateway);
  await propose("valve.open", { n: 1 });
  await changeStatement(page, (text) => text.replace('"version":1}', '"version":1,"windows":["Mon-Fri"]}'));
  await signIn(page, gateway, "bob", "approver");
  const dialog = await openApproval(page);
  await expect(dialog.getByRole("region", { name: "Further members" })).toContainText("Mon-Fri");
});

test("long command is approved only after it was read to its end", async ({ page, gateway }) => {
  const { sessionId, propose, admin } = await openTestSession(gateway);
  const lines = Object.fromEntries(Array.from({ length: 400 }, (_, i) => [`line ${i}`, i]));
  const { id } = await propose("valve.open", { ...lines, script: `echo ${" ".repeat(400)}; rm -rf /` });
  await signIn(page, gateway, "bob", "approver");
  await page.getByRole("button", { name: "Approve…" }).focus();
  await page.keyboard.press("Enter");
  const command = page.getByRole("region", { name: "The command" });
  await expect(command).toBeFocused();
  const approve = page.getByRole("button", { name: "Approve", exact: true });
  await page.keyboard.press("Enter");
  await page.getByLabel("Reason").fill("not read");
  await page.getByLabel("Reason").press("Enter");
  await expect(approve).toBeDisabled();
  await expect(page.getByText("Scroll to the end of the command")).toBeVisible();

  await command.press("End");
  await expect.poll(() => command.evaluate((e) => e.scrollTop + e.clientHeight >= e.scrollHeight - 4)).toBe(true);
  await expect(approve).toBeDisabled(); // the end of a line is still folded
  await command.getByText(/more characters/).press("Enter");
  await command.press("End");
  await expect(approve).toBeEnabled();
  expect(await gateway.call(admin, "GET", `/sessions/${sessionId}/commands/${id}`)).toMatchObject({
    status: "pending_approval",
  });
  await page.getByLabel("Reason").press("Enter");
  await expect(page.getByRole("status").filter({ hasText: "Command approved." })).toBeVisible();
});

test("two people see two devices of one name apart, and letters that look alike marked", async ({ page, gateway }) => {
  const first = await openTestSession(gateway, "Pump 7");
  const second = await openTestSession(gateway, "Рump 7");
  await first.propose("valve.open", {});
  await second.propose("valve.open", {}, "for משאבה 15 now");
  await signIn(page, gateway, "bob", "approver");
  await expect(page.locator(".facts mark", { hasText: "Рump" })).toHaveCount(1);
  await expect(page.locator("bdi", { hasText: /^משאבה$/ })).toHaveCount(1);
  for (const { deviceId } of [first, second]) {
    const card = page.locator(".card").filter({ has: page.locator(`a[href="#/devices/${deviceId}"]`) });
    await card.getByRole("button", { name: "Approve…" }).click();
    await expect(page.getByRole("dialog")).toContainText(deviceId);
    await page.keyboard.press("Escape");
  }
});
