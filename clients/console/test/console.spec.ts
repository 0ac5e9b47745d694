// What people do in the console, in a real browser, with a real gateway and a real device.
import type { Locator, Page } from "@playwright/test";
import { expect, keep, type Provisioned, prepared, signIn, test } from "./fixtures.js";

test("a command goes its whole way through the page", async ({ page, gateway, agent, browser }) => {
  await signIn(page, gateway, "alice", "admin");
  expect(page.url()).not.toContain("token");
  await expect(page.getByText("Not live")).toHaveCount(0);

  await page.getByRole("link", { name: "Devices" }).click();
  await page.getByRole("button", { name: "Provision a device…" }).click();
  await page.getByLabel("Name").fill("Pump 7");
  await page.getByRole("button", { name: "Provision", exact: true }).click();
  const code = await page.getByRole("dialog").locator(".code").textContent();
  expect(code).toMatch(/^\w{4}-\w{4}-\w{4}$/);
  const command = await page.getByRole("region", { name: "Command line for the agent" }).textContent();
  expect(command).toContain(`fieldgate-agent --url ${gateway.url} --state `);
  expect(command).toContain(`--activation-code ${code} --scripts `);
  await page.getByRole("button", { name: "Done" }).click();
  const row = page.getByRole("listitem").filter({ hasText: "Pump 7" });
  await expect(row.getByText("provisioned")).toBeVisible();

  await agent(gateway.url, String(code));
  await expect(row.getByText("online", { exact: true })).toBeVisible();
  await page.getByRole("link", { name: "Pump 7" }).click();
  await page.getByRole("button", { name: "Open a session…" }).click();
  await page.getByLabel("What it is about").fill("Telemetry stopped");
  await page.getByRole("button", { name: "Open", exact: true }).click();
  await expect(page.getByRole("heading", { name: "Telemetry stopped" })).toBeVisible();

  await page.getByLabel("Type").fill("remediation.run_script");
  await page.getByLabel("Parameters", { exact: true }).fill('{"name": "greet.sh", "args": ["Leipzig"]}');
  await page.getByRole("button", { name: "Propose", exact: true }).click();
  await expect(page.getByText("pending approval")).toBeVisible();
  await expect(page.getByRole("button", { name: "Approve…" })).toHaveCount(0); // one's own

  const other = await browser.newPage();
  await signIn(other, gateway, "bob", "approver");
  await expect(other.getByRole("region", { name: "Parameters" })).toContainText('"Leipzig"');
  await other.getByRole("button", { name: "Approve…" }).click();
  await other.getByLabel("Reason").fill("agreed with the site");
  await other.getByRole("button", { name: "Approve", exact: true }).click();
  await expect(other.getByText("Nothing waits for a decision.")).toBeVisible();
  await expect(other.getByRole("region", { name: "Output" })).toHaveText("hello Leipzig");
  await keep(other, "what-became-of-it");
  await other.close();

  await expect(page.getByText("succeeded", { exact: true })).toBeVisible();
  await expect(page.getByRole("region", { name: "Output" })).toContainText("hello Leipzig");
  await expect(page.locator(".timeline")).toContainText("Command succeeded");
});

test("parameters are shown as text, whatever they hold", async ({ page, gateway }) => {
  const { propose } = await prepared(gateway);
  const html = '<img src=x onerror="document.title=1"><script>document.title=2</script>';
  await propose("service.restart", { html, long: "x".repeat(30_000), end: true }, "<b>now</b>");
  await signIn(page, gateway, "bob", "approver");
  const shown = page.getByRole("region", { name: "Parameters" });
  await expect(shown).toContainText(JSON.stringify(html));
  await expect(shown).toContainText("x".repeat(30_000));
  await expect(shown).toContainText('"end": true');
  await expect(page.getByText("<b>now</b>")).toBeVisible();
  await expect(page.getByText("Look closely.")).toHaveCount(0);
  expect(await page.locator("main img, main script, main b").count()).toBe(0);

  await page.getByRole("button", { name: "Approve…" }).click();
  await expect(page.getByLabel("Reason")).toBeFocused();
  await expect(page.getByRole("heading", { name: "Approve this command?" })).toBeInViewport();
});

const deceits: Record<string, [string, string]> = {
  "text that turns around": ["log\u202etxt.exe", "log\\u202etxt.exe"],
  "an isolate": ["a\u2066b\u2069", "a\\u2066b\\u2069"],
  "no width": ["ser\u200bvice", "ser\\u200bvice"],
  "a tag that only a machine reads": ["ok\u{e0041}", "ok\\udb40\\udc41"],
  "a filler that is a letter": ["ok\u3164", "ok\\u3164"],
  "a blank that is none": ["rm\u00a0-rf", "rm\\u00a0-rf"],
  "a code of the terminal": ["\u001b[2Kharmless", "\\u001b[2Kharmless"],
  "another script": ["p\u0430ypal", "p\u0430ypal"],
  "a heap of marks": ["a\u0301\u0301\u0301\u0301", "a\u0301\u0301\u0301\\u0301"],
};

test("what would make a command look harmless is shown, and pointed at", async ({ page, gateway }) => {
  const { propose } = await prepared(gateway);
  const parameters = Object.fromEntries(Object.entries(deceits).map(([name, [sent]]) => [name, sent]));
  await propose("service.restart", { ...parameters, backslash: "\\u202e", umlauts: "Größe 漢字 ok" });
  await signIn(page, gateway, "bob", "approver");
  await expect(page.getByText("Look closely.")).toBeVisible();
  const shown = page.getByRole("region", { name: "Parameters" });
  for (const [name, [, seen]] of Object.entries(deceits)) await expect(shown).toContainText(`"${name}": "${seen}"`);
  await expect(shown).toContainText('"backslash": "\\\\u202e"');
  await expect(shown.locator("mark")).toHaveCount(10); // two of the isolate, none of the last two
  await keep(page, "deceit");
});

test("numbers are shown as they were written", async ({ page, gateway }) => {
  const { sessionId } = await prepared(gateway);
  await fetch(`${gateway.url}/api/v1/customer/sessions/${sessionId}/commands`, {
    method: "POST",
    headers: { Authorization: `Bearer ${await gateway.token("alice", "admin")}`, "Content-Type": "application/json" },
    body: '{"type": "valve.open", "parameters": {"large": 12345678901234567890, "exact": 1.0}}',
  });
  await signIn(page, gateway, "bob", "admin");
  const shown = page.getByRole("region", { name: "Parameters" });
  await expect(shown).toContainText('"large": 12345678901234567890');
  await expect(shown).toContainText('"exact": 1.0');

  await page.getByRole("link", { name: "Show it" }).click();
  await page.getByText("Propose a command").click();
  await page.getByLabel("Type").fill("valve.close");
  await page.getByLabel("Parameters", { exact: true }).fill('{"sent": 98765432109876543210}');
  await page.getByRole("button", { name: "Propose", exact: true }).click();
  await expect(page.getByRole("region", { name: "Parameters of valve.close" })).toContainText("98765432109876543210");
});

test("who still thinks about a decision sees that it was made", async ({ page, gateway }) => {
  const { sessionId, propose } = await prepared(gateway);
  const { id } = await propose("service.restart", {});
  await signIn(page, gateway, "bob", "approver");
  await page.getByRole("button", { name: "Reject…" }).click();
  const carol = await gateway.token("carol", "approver");
  await gateway.call(carol, "POST", `/sessions/${sessionId}/approve`, { commandId: id, approved: true });
  const dialog = page.getByRole("dialog");
  await expect(dialog.getByRole("alert")).toContainText("carol has approved it");
  await expect(dialog.getByRole("button", { name: "Reject", exact: true })).toHaveCount(0);
  await dialog.getByRole("button", { name: "Close" }).click();
  await expect(dialog).toHaveCount(0);
});

test("a viewer sees all and decides nothing", async ({ page, gateway }) => {
  const { propose, sessionId, deviceId } = await prepared(gateway);
  await propose("service.restart", { service: "telemetry" });
  await signIn(page, gateway, "vera", "viewer");
  await expect(page.getByText("telemetry")).toBeVisible();
  await expect(page.getByText("You cannot decide over it")).toBeVisible();
  for (const place of ["inbox", "devices", `devices/${deviceId}`, "sessions", `sessions/${sessionId}`]) {
    await page.goto(`${gateway.url}/console#/${place}`);
    await expect(page.getByRole("heading", { level: 1 })).toBeVisible();
    await expect(page.locator("main").getByRole("button")).toHaveCount(0);
  }
});

test.describe("what the gateway refuses", () => {
  test.use({ tolerated: [/status of 4\d\d|ERR_FAILED/] });

  // Both ask at once: the other's request arrives while this one is on its way.
  test("tells who comes second who was first", async ({ page, gateway }) => {
    const { sessionId, propose } = await prepared(gateway);
    const { id } = await propose("service.restart", {});
    const carol = await gateway.token("carol", "approver");
    await page.route(/\/approve$/, async (route) => {
      await page.route(/\/approvals/, (reading) => reading.abort());
      const decision = { commandId: id, approved: true, reason: "agreed with the site" };
      await gateway.call(carol, "POST", `/sessions/${sessionId}/approve`, decision);
      await route.continue();
    });
    await signIn(page, gateway, "bob", "approver");
    await page.getByRole("button", { name: "Reject…" }).click();
    await page.getByLabel("Reason").fill("not today");
    await page.getByRole("button", { name: "Reject", exact: true }).click();
    const problem = page.getByRole("dialog").getByRole("alert");
    await expect(problem).toContainText("carol has approved it");
    await expect(problem).toContainText("agreed with the site");
    await expect(problem).toContainText("already_decided");
    await expect(problem.locator("code").last()).toHaveText(/^[\w-]{8,}$/);
  });

  test("is a decision over anything but what was shown", async ({ page, gateway }) => {
    const { propose } = await prepared(gateway);
    await propose("service.restart", {});
    await page.route(/\/customer\/approvals/, async (route) => {
      const response = await route.fetch();
      const text = (await response.text()).replace(/"digest":"[0-9a-f]{64}"/, `"digest":"${"0".repeat(64)}"`);
      await route.fulfill({ response, body: text });
    });
    await signIn(page, gateway, "bob", "approver");
    await page.getByRole("button", { name: "Approve…" }).click();
    await page.getByRole("button", { name: "Approve", exact: true }).click();
    await expect(page.getByRole("alert")).toContainText("digest_mismatch");
  });

  test("a token that is not good signs out, and says why", async ({ page, gateway }) => {
    const token = await gateway.token("alice", "admin");
    await page.goto(`${gateway.url}/console#token=${token.slice(0, -8)}AAAAAAAA`);
    await expect(page.getByText("Sign in again.")).toBeVisible();
    expect(await page.evaluate(() => sessionStorage.length)).toBe(0);
  });
});

test("a reload keeps the person and the place, signing out forgets both tokens", async ({ page, gateway }) => {
  await signIn(page, gateway, "alice", "admin");
  await page.getByRole("link", { name: "Devices" }).click();
  await page.reload();
  await expect(page.getByRole("heading", { name: "Devices" })).toBeVisible();
  await page.getByRole("button", { name: "Sign out" }).click();
  await expect(page.getByLabel("Access token")).toBeVisible();
  expect(await page.evaluate(() => [sessionStorage.length, localStorage.length, document.cookie])).toEqual([0, 0, ""]);
});

test.describe("when the connection is cut", () => {
  test.use({ tolerated: [/ERR_|WebSocket/] });

  test("the page says so, comes back, and shows what it has missed", async ({ page, gateway, network, agent }) => {
    const admin = await gateway.token("alice", "admin");
    const made = await gateway.call<Provisioned>(admin, "POST", "/devices", { name: "Pump 7" });
    await agent(gateway.url, made.activationCode);
    await signIn(page, gateway, "bob", "approver", network.url);
    await page.getByRole("link", { name: "Devices" }).click();
    const row = page.getByRole("listitem").filter({ hasText: "Pump 7" });
    await expect(row.getByText("online", { exact: true })).toBeVisible();
    const session = await gateway.call<{ id: string }>(admin, "POST", "/sessions", {
      deviceId: made.device.id,
      type: "remediation",
    });
    await page.getByRole("link", { name: "Inbox" }).click();
    const parameters = { name: "greet.sh", args: ["after the cut"] };
    const command = await gateway.call<{ id: string }>(admin, "POST", `/sessions/${session.id}/commands`, {
      type: "remediation.run_script",
      parameters,
    });
    await expect(page.getByRole("button", { name: "Approve…" })).toBeVisible();

    network.cut();
    await expect(page.getByText("Connection lost.")).toBeVisible();
    const carol = await gateway.token("carol", "approver");
    await gateway.call(carol, "POST", `/sessions/${session.id}/approve`, { commandId: command.id, approved: true });
    network.mend();

    await expect(page.getByRole("region", { name: "Output" })).toHaveText("hello after the cut", { timeout: 15_000 });
    await expect(page.getByText("Connection lost.")).toBeHidden();
  });
});

test("a page whose origin may open no socket says so, and reads again by itself", async ({
  page,
  gateway,
  renamed,
}) => {
  await signIn(page, gateway, "bob", "approver", renamed.url);
  await expect(page.getByText("Not live")).toContainText(renamed.url);
  const { propose } = await prepared(gateway);
  await propose("service.restart", {});
  await expect(page.getByRole("button", { name: "Approve…" })).toBeVisible({ timeout: 10_000 });
});

test("all can be done with the keyboard alone", async ({ page, gateway }) => {
  const { propose } = await prepared(gateway);
  await propose("service.restart", { service: "telemetry" });
  await page.goto(`${gateway.url}/console`);
  await expect(page.getByLabel("Access token")).toBeFocused();
  await page.keyboard.insertText(await gateway.token("bob", "admin"));
  await page.keyboard.press("Enter");
  const approve = page.getByRole("button", { name: "Approve…" });
  await expect(approve).toBeVisible();

  await tabTo(page, approve);
  await page.keyboard.press("Enter");
  await expect(page.getByLabel("Reason")).toBeFocused();
  await page.keyboard.press("Escape");
  await expect(page.getByRole("dialog")).toHaveCount(0);
  await expect(approve).toBeFocused();

  await page.keyboard.press("Enter");
  await expect(page.getByLabel("Reason")).toBeFocused();
  await page.keyboard.type("agreed with the site");
  await page.keyboard.press("Enter");
  await expect(page.getByText("Nothing waits for a decision.")).toBeVisible();
  await expect(page.locator("main")).toBeFocused();
  await expect(page.getByText("agreed with the site").last()).toBeVisible();

  await tabTo(page, page.getByRole("link", { name: "Devices" }));
  await page.keyboard.press("Enter");
  await tabTo(page, page.getByRole("button", { name: "Provision a device…" }));
  await page.keyboard.press("Enter");
  await expect(page.locator('input[name="name"]')).toBeFocused();
  await page.keyboard.type("Pump 9");
  await page.keyboard.press("Enter");
  await expect(page.getByRole("heading", { name: "Activation code" })).toBeVisible();
  await tabTo(page, page.getByRole("button", { name: "Done" }));
  await page.keyboard.press("Enter");
  await expect(page.getByRole("link", { name: "Pump 9" })).toBeVisible();
});

/** Goes on with the Tab key until something has the focus, which must be seen. */
async function tabTo(page: Page, wanted: Locator): Promise<void> {
  for (let steps = 0; steps < 40; steps++) {
    await page.keyboard.press("Tab");
    if (!(await wanted.evaluate((element) => element === document.activeElement))) continue;
    expect(await wanted.evaluate((element) => getComputedStyle(element).outlineStyle)).toBe("solid");
    return;
  }
  throw new Error("the Tab key does not lead there");
}
