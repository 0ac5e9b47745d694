// Tests the console in a real browser, with a real gateway and a real agent.
import type { Locator, Page } from "@playwright/test";
import {
  expect,
  openTestSession,
  type ProvisionedDevice,
  readToEnd,
  signIn,
  takeScreenshot,
  test,
} from "./fixtures.js";

test("command is proposed, approved and executed", async ({ page, gateway, agent, browser }) => {
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
  const row = page.getByRole("row").filter({ hasText: "Pump 7" });
  await expect(row.getByText("provisioned")).toBeVisible();

  await agent(gateway.url, String(code));
  await expect(row.getByText("online", { exact: true })).toBeVisible();
  await page.getByRole("link", { name: "Pump 7" }).click();
  await page.getByRole("button", { name: "Open a session…" }).click();
  await page.getByLabel("Description").fill("Telemetry stopped");
  await page.getByRole("button", { name: "Open", exact: true }).click();
  await expect(page.getByRole("heading", { name: "Telemetry stopped" })).toBeVisible();

  await page.getByLabel("Type").fill("remediation.run_script");
  await page.getByLabel("Name", { exact: true }).fill("greet.sh");
  await page.getByRole("button", { name: "Add to arguments" }).click();
  await page.getByLabel("Arguments 1", { exact: true }).fill("Leipzig");
  await page.getByRole("button", { name: "Propose", exact: true }).click();
  await expect(page.getByText("pending approval")).toBeVisible();
  await expect(page.getByRole("button", { name: "Approve…" })).toHaveCount(0); // alice proposed it

  const approverPage = await browser.newPage();
  await signIn(approverPage, gateway, "bob", "approver");
  await expect(approverPage.getByRole("region", { name: "Parameters" })).toContainText('"Leipzig"');
  await approverPage.getByRole("button", { name: "Approve…" }).click();
  await approverPage.getByLabel("Reason").fill("agreed with the site");
  await readToEnd(approverPage);
  await approverPage.getByRole("button", { name: "Approve", exact: true }).click();
  await expect(approverPage.getByText("No command waits for a decision.")).toBeVisible();
  await expect(approverPage.getByRole("region", { name: "Output" })).toHaveText("hello Leipzig");
  await takeScreenshot(approverPage, "resolved-command");
  await approverPage.close();

  await expect(page.getByText("succeeded", { exact: true })).toBeVisible();
  await expect(page.getByRole("region", { name: "Output" })).toContainText("hello Leipzig");
  await expect(page.locator(".timeline")).toContainText("Command succeeded");
});

test("running command is shown live", async ({ page, gateway }) => {
  const { sessionId, propose, device } = await openTestSession(gateway);
  const { id } = await propose("diagnostic.flash", {});
  await signIn(page, gateway, "alice", "viewer");
  await page.goto(`${gateway.url}/console#/sessions/${sessionId}`);
  const [{ claimToken }] = (await device("/commands/claim", {})).commands;
  const report = (seq: number, more: object) => device(`/commands/${id}/progress`, { claimToken, seq, ...more });
  const lines = (from: number) => Array.from({ length: 200 }, (_, i) => `line ${from + i}\n`).join("");

  await report(1, { percent: 12.5, message: "erasing <b>", output: `\u001b[31mred\u001b[0m\n${lines(0)}` });
  const output = page.getByRole("region", { name: "Output of diagnostic.flash so far" });
  await expect(output.locator(".ansi-1")).toHaveText("red");
  await expect(page.getByRole("progressbar", { name: "Progress of diagnostic.flash" })).toHaveAttribute(
    "value",
    "12.5",
  );
  await expect(page.getByText("erasing <b>")).toBeVisible();
  const atEnd = () => output.evaluate((e) => e.scrollTop + e.clientHeight >= e.scrollHeight - 8);
  await expect.poll(atEnd).toBe(true);

  await report(2, { percent: 50, output: lines(200) });
  await expect(output).toContainText("line 399");
  await expect.poll(atEnd).toBe(true);
  await takeScreenshot(page, "live-output");

  await output.evaluate((e) => {
    e.scrollTop = 40;
  });
  await report(4, { output: "the last line\n" });
  await expect(output).toContainText("the last line");
  expect(await output.evaluate((e) => e.scrollTop)).toBe(40);
  await expect(page.getByText("Some reports of the device did not arrive: 1.")).toBeVisible();

  await device(`/commands/${id}/result`, { claimToken, status: "succeeded", output: "flashed" });
  await expect(page.getByRole("region", { name: /^Output, / })).toHaveText("flashed");
  await expect(output).toHaveCount(0);
});

test("parameters are shown as text and not as HTML", async ({ page, gateway }) => {
  const { propose } = await openTestSession(gateway);
  const html = '<img src=x onerror="document.title=1"><script>document.title=2</script>';
  await propose("service.restart", { html, long: "x".repeat(30_000), end: true }, "<b>now</b>");
  await signIn(page, gateway, "bob", "approver");
  const shown = page.getByRole("region", { name: "Parameters" });
  await expect(shown).toContainText(JSON.stringify(html));
  await expect(shown).toContainText("x".repeat(30_000));
  await expect(shown).toContainText('"end": true');
  await expect(page.getByText("<b>now</b>")).toBeVisible();
  await expect(page.getByText("Check this carefully.")).toHaveCount(0);
  expect(await page.locator("main img, main script, main b").count()).toBe(0);

  await page.getByRole("button", { name: "Approve…" }).click();
  await expect(page.getByRole("region", { name: "The command" })).toBeFocused();
  await expect(page.getByRole("heading", { name: "Approve this command?" })).toBeInViewport();
});

/** The deceptive texts by name: the text in a command, and the text that the page must show for it. */
const deceptiveTexts: Record<string, [string, string]> = {
  "right-to-left override": ["log\u202etxt.exe", "log\\u202etxt.exe"],
  isolate: ["a\u2066b\u2069", "a\\u2066b\\u2069"],
  "zero-width space": ["ser\u200bvice", "ser\\u200bvice"],
  "tag character": ["ok\u{e0041}", "ok\\udb40\\udc41"],
  "filler letter": ["ok\u3164", "ok\\u3164"],
  "no-break space": ["rm\u00a0-rf", "rm\\u00a0-rf"],
  "terminal escape": ["\u001b[2Kharmless", "\\u001b[2Kharmless"],
  "Cyrillic letter in a Latin word": ["p\u0430ypal", "p\u0430ypal"],
  "stacked combining marks": ["a\u0301\u0301\u0301\u0301", "a\u0301\u0301\u0301\\u0301"],
};

test("deceptive characters are shown and highlighted", async ({ page, gateway }) => {
  const { propose } = await openTestSession(gateway);
  const parameters = Object.fromEntries(Object.entries(deceptiveTexts).map(([name, [sent]]) => [name, sent]));
  await propose("service.restart", { ...parameters, backslash: "\\u202e", umlauts: "Größe 漢字 ok" });
  await signIn(page, gateway, "bob", "approver");
  await expect(page.getByText("Check this carefully.")).toBeVisible();
  const shown = page.getByRole("region", { name: "Parameters" });
  for (const [name, [, shownAs]] of Object.entries(deceptiveTexts))
    await expect(shown).toContainText(`"${name}": "${shownAs}"`);
  await expect(shown).toContainText('"backslash": "\\\\u202e"');
  await expect(shown.locator("mark")).toHaveCount(10); // the isolate has two marks, "backslash" and "umlauts" have none
  await takeScreenshot(page, "deceptive-text");
});

test("numbers keep their digits", async ({ page, gateway }) => {
  const { sessionId } = await openTestSession(gateway);
  await fetch(`${gateway.url}/api/v1/customer/sessions/${sessionId}/commands`, {
    method: "POST",
    headers: { Authorization: `Bearer ${await gateway.token("alice", "admin")}`, "Content-Type": "application/json" },
    body: '{"type": "valve.open", "parameters": {"large": 12345678901234567890, "exact": 1.0}}',
  });
  await signIn(page, gateway, "bob", "admin");
  const shown = page.getByRole("region", { name: "Parameters" });
  await expect(shown).toContainText('"large": 12345678901234567890');
  await expect(shown).toContainText('"exact": 1.0');

  await page.getByRole("link", { name: "Show the session" }).click();
  await page.getByText("Propose a command").click();
  await page.getByLabel("Type").fill("valve.close");
  await page.getByLabel("Parameters", { exact: true }).fill('{"sent": 98765432109876543210}');
  await page.getByRole("button", { name: "Propose", exact: true }).click();
  await expect(page.getByRole("region", { name: "Parameters of valve.close" })).toContainText("98765432109876543210");
});

test("decision dialog shows the decision of another user", async ({ page, gateway }) => {
  const { sessionId, propose } = await openTestSession(gateway);
  const { id } = await propose("service.restart", {});
  await signIn(page, gateway, "bob", "approver");
  await page.getByRole("button", { name: "Reject…" }).click();
  const carol = await gateway.token("carol", "approver");
  await gateway.call(carol, "POST", `/sessions/${sessionId}/approve`, { commandId: id, approved: true });
  const dialog = page.getByRole("dialog");
  await expect(dialog.getByRole("alert")).toContainText("Approved by carol");
  await expect(dialog.getByRole("button", { name: "Reject", exact: true })).toHaveCount(0);
  await dialog.getByRole("button", { name: "Close" }).click();
  await expect(dialog).toHaveCount(0);
});

test("viewer sees everything and has no buttons", async ({ page, gateway }) => {
  const { propose, sessionId, deviceId } = await openTestSession(gateway);
  await propose("service.restart", { service: "telemetry" });
  await signIn(page, gateway, "vera", "viewer");
  await expect(page.getByText("telemetry")).toBeVisible();
  await expect(page.getByText("You cannot decide on this command.")).toBeVisible();
  for (const route of ["inbox", "devices", `devices/${deviceId}`, "sessions", "commands", `sessions/${sessionId}`]) {
    await page.goto(`${gateway.url}/console#/${route}`);
    await expect(page.getByRole("heading", { level: 1 })).toBeVisible();
    const buttons = page.locator("main").getByRole("button", { name: /^(?!Copy|Name|State|Place|Firmware|Last seen)/ });
    await expect(buttons).toHaveCount(0);
  }
});

test.describe("refusal", () => {
  test.use({ allowedErrors: [/status of 4\d\d|ERR_FAILED/] });

  // Bob and Carol decide at the same time, and the decision of Carol arrives first.
  test("of a second decision shows the first one", async ({ page, gateway }) => {
    const { sessionId, propose } = await openTestSession(gateway);
    const { id } = await propose("service.restart", {});
    const carol = await gateway.token("carol", "approver");
    await page.routeWebSocket(/.*/, (socket) => {
      const server = socket.connectToServer();
      server.onMessage((message) => String(message).includes("command.approved") || socket.send(message)); // it is late
    });
    await page.route(/\/approve$/, async (route) => {
      const decision = { commandId: id, approved: true, reason: "agreed with the site" };
      await gateway.call(carol, "POST", `/sessions/${sessionId}/approve`, decision);
      await route.continue();
    });
    await signIn(page, gateway, "bob", "approver");
    await page.getByRole("button", { name: "Reject…" }).click();
    await page.getByLabel("Reason").fill("not today");
    await page.getByRole("button", { name: "Reject", exact: true }).click();
    const problem = page.getByRole("dialog").getByRole("alert");
    await expect(problem).toContainText("Approved by carol");
    await expect(problem).toContainText("agreed with the site");
    await expect(problem).toContainText("already_decided");
    await expect(problem.locator("code").last()).toHaveText(/^[\w-]{8,}$/);
  });

  test("of a decision on a command that differs from the one shown", async ({ page, gateway }) => {
    const { propose } = await openTestSession(gateway);
    await propose("service.restart", {});
    await page.route(/\/customer\/approvals/, async (route) => {
      const response = await route.fetch();
      const text = (await response.text()).replace(/"digest":"[0-9a-f]{64}"/, `"digest":"${"0".repeat(64)}"`);
      await route.fulfill({ response, body: text });
    });
    await signIn(page, gateway, "bob", "approver");
    await page.getByRole("button", { name: "Approve…" }).click();
    await expect(page.getByRole("alert")).toContainText("The digest is not that of its statement.");
    await expect(page.getByRole("button", { name: "Approve", exact: true })).toHaveCount(0);
  });

  test("of an invalid token signs the user out with a reason", async ({ page, gateway }) => {
    const token = await gateway.token("alice", "admin");
    await page.goto(`${gateway.url}/console#token=${token.slice(0, -8)}AAAAAAAA`);
    await expect(page.getByText("Sign in again.")).toBeVisible();
    expect(await page.evaluate(() => sessionStorage.length)).toBe(0);
  });
});

test("reload keeps the user and the view, and signing out removes the tokens", async ({ page, gateway }) => {
  await signIn(page, gateway, "alice", "admin");
  await page.getByRole("link", { name: "Devices" }).click();
  await page.reload();
  await expect(page.getByRole("heading", { name: "Devices" })).toBeVisible();
  await page.getByRole("button", { name: "Sign out" }).click();
  await expect(page.getByLabel("Access token")).toBeVisible();
  expect(await page.evaluate(() => [sessionStorage.length, localStorage.length, document.cookie])).toEqual([0, 0, ""]);
});

test.describe("lost connection", () => {
  test.use({ allowedErrors: [/ERR_|WebSocket/] });

  test("is shown, restored, and followed by the events that were missed", async ({ page, gateway, network, agent }) => {
    const admin = await gateway.token("alice", "admin");
    const provisioned = await gateway.call<ProvisionedDevice>(admin, "POST", "/devices", { name: "Pump 7" });
    await agent(gateway.url, provisioned.activationCode);
    await signIn(page, gateway, "bob", "approver", network.url);
    await page.getByRole("link", { name: "Devices" }).click();
    const row = page.getByRole("row").filter({ hasText: "Pump 7" });
    await expect(row.getByText("online", { exact: true })).toBeVisible();
    const session = await gateway.call<{ id: string }>(admin, "POST", "/sessions", {
      deviceId: provisioned.device.id,
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
    network.restore();

    await expect(page.getByRole("region", { name: "Output" })).toHaveText("hello after the cut", { timeout: 15_000 });
    await expect(page.getByText("Connection lost.")).toBeHidden();
  });
});

test.describe("page that polls", () => {
  test.use({ allowedErrors: [/ERR_CONNECTION/] }); // the proxy ends before the page

  test("page that may not open a socket says so and polls", async ({ page, gateway, renamingProxy }) => {
    await signIn(page, gateway, "bob", "approver", renamingProxy.url);
    await expect(page.getByText("Not live")).toContainText(renamingProxy.url);
    const { propose } = await openTestSession(gateway);
    await propose("service.restart", {});
    await expect(page.getByRole("button", { name: "Approve…" })).toBeVisible({ timeout: 10_000 });
  });
});

test("keyboard alone is enough", async ({ page, gateway }) => {
  const { propose } = await openTestSession(gateway);
  await propose("service.restart", { service: "telemetry" });
  await page.goto(`${gateway.url}/console`);
  await expect(page.getByLabel("Access token")).toBeFocused();
  await page.keyboard.insertText(await gateway.token("bob", "admin"));
  await page.keyboard.press("Enter");
  const approve = page.getByRole("button", { name: "Approve…" });
  await expect(approve).toBeVisible();

  await tabTo(page, approve);
  await page.keyboard.press("Enter");
  await expect(page.getByRole("region", { name: "The command" })).toBeFocused();
  await page.keyboard.press("Escape");
  await expect(page.getByRole("dialog")).toHaveCount(0);
  await expect(approve).toBeFocused();

  await page.keyboard.press("Enter");
  await expect(page.getByRole("region", { name: "The command" })).toBeFocused();
  await page.keyboard.press("End");
  await tabTo(page, page.getByLabel("Reason"));
  await page.keyboard.type("agreed with the site");
  await expect(page.getByRole("button", { name: "Approve", exact: true })).toBeEnabled();
  await page.keyboard.press("Enter");
  await expect(page.getByText("No command waits for a decision.")).toBeVisible();
  await expect(page.getByRole("status").filter({ hasText: "Command approved." })).toBeVisible();
  await expect(page.getByRole("heading", { name: "Inbox" })).toBeFocused();
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

/** Presses the Tab key until an element has the focus. Its outline must then be visible. */
async function tabTo(page: Page, target: Locator): Promise<void> {
  for (let steps = 0; steps < 40; steps++) {
    await page.keyboard.press("Tab");
    if (!(await target.evaluate((element) => element === document.activeElement))) continue;
    expect(await target.evaluate((element) => getComputedStyle(element).outlineStyle)).toBe("solid");
    return;
  }
  throw new Error("the Tab key does not reach the element");
}
