// Asks the page the questions that docs/guides/console.md says it answers.
import { readFileSync } from "node:fs";
import { expect, openTestSession, signIn, test } from "./fixtures.js";

const guide = readFileSync(new URL("../../../docs/guides/console.md", import.meta.url), "utf8");
const promised = [...guide.matchAll(/^\| ([^|]+\?) \|/gm)].map(([, question]) => question);

// A field that is missing fails the test, and not its whole time.
test.use({ actionTimeout: 15_000 });

test("page answers the questions of a support engineer", async ({ page, gateway, browser }) => {
  test.setTimeout(120_000);
  const asked: string[] = [];
  const ask = (question: string, answer: () => Promise<void>) => {
    asked.push(question);
    return test.step(question, answer);
  };
  const facts = { externalId: "PX4-001873", tags: { site: "leipzig" } };
  const { deviceId, sessionId, propose, device } = await openTestSession(gateway, "Pump 7", facts);
  await device("/heartbeat", { status: "ok", firmwareVersion: "4.2.0" });
  const claim = async () => (await device("/commands/claim", {})).commands[0] as { id: string; claimToken: string };
  const twin = await openTestSession(gateway);
  await propose("diagnostic.ping", { host: "example.com" });
  const failing = await claim();
  await device(`/commands/${failing.id}/result`, {
    claimToken: failing.claimToken,
    status: "failed",
    error: "no route to host",
  });
  const { id: decided } = await propose("service.restart", {});
  const decision = { commandId: decided, approved: true, reason: "the site agreed" };
  await gateway.call(await gateway.token("carol", "approver"), "POST", `/sessions/${sessionId}/approve`, decision);
  const running = await claim();
  await device(`/commands/${running.id}/progress`, { claimToken: running.claimToken, seq: 1, message: "stopping" });
  await propose("valve.open", { n: 1 }, "pressure too high");

  await signIn(page, gateway, "bob", "approver");
  const open = (path: string) => page.goto(`${gateway.url}/console#/${path}`);
  const commands = page.getByRole("table", { name: "Commands" }).locator("tbody tr");
  const devices = page.getByRole("table", { name: "Devices" }).locator("tbody tr");
  await ask("What waits for me?", async () => {
    await expect(page.getByRole("link", { name: "1 waiting for me" })).toBeVisible();
    await expect(page.getByRole("button", { name: "Approve…" })).toHaveCount(1);
  });
  await ask("What failed today?", async () => {
    await page.getByRole("link", { name: "1 failed today" }).click();
    await expect(commands).toHaveCount(1);
    await expect(commands).toContainText("diagnostic.ping");
  });
  await ask("Which devices are not online?", async () => {
    await open("inbox");
    await page.getByRole("link", { name: "0 not online" }).click();
    await expect(page.getByText("No device matches.")).toBeVisible();
  });
  await ask("What has this user run?", async () => {
    await open("commands");
    await page.getByLabel("Proposed by").fill("alice");
    await page.getByLabel("Proposed by").press("Enter");
    await expect(page).toHaveURL(/proposedBy=alice/);
    await expect(commands).toHaveCount(3);
  });
  await ask("What has timed out in the last day?", async () => {
    await open("commands");
    await page.getByLabel("Status").selectOption("timed_out");
    await page.getByLabel("Proposed", { exact: true }).selectOption("24h");
    await expect(page.getByText("No command matches.")).toBeVisible();
  });
  await ask("What ran on this device?", async () => {
    await open(`devices/${deviceId}`);
    const ofDevice = page.getByRole("table", { name: "Commands of this device" }).locator("tbody tr");
    await expect(ofDevice).toHaveCount(3);
  });
  await ask("When was this device last seen?", async () => {
    await open("devices");
    const seen = devices.filter({ hasText: facts.externalId }).locator("td").last().locator("time");
    await expect(seen).toHaveText(/just now|ago/);
    await expect(seen).toHaveAttribute("title", /\d:\d\d/);
  });
  await ask("Where is the device with this serial number?", async () => {
    await page.getByLabel("Find a device").fill(facts.externalId);
    await expect(devices).toHaveCount(1);
  });
  await ask("Which devices are at this site?", async () => {
    await open("devices");
    await page.getByLabel("Tag").selectOption("site:leipzig");
    await expect(devices).toHaveCount(1);
  });
  await ask("Which devices have this firmware?", async () => {
    await open("devices");
    await page.getByLabel("Firmware").selectOption("4.2.0");
    await expect(devices).toHaveCount(1);
  });

  await open("inbox");
  await page.getByRole("button", { name: "Approve…" }).click();
  const dialog = page.getByRole("dialog");
  await ask("Which of two devices with one name is it?", async () => {
    for (const text of [deviceId, facts.externalId, "site: leipzig"]) await expect(dialog).toContainText(text);
    await expect(dialog).not.toContainText(twin.deviceId);
  });
  await ask("What exactly will run, and how often?", async () => {
    await expect(dialog.getByRole("region", { name: "Parameters" })).toContainText('"n": 1');
    await expect(dialog.getByText("May run").locator("..")).toContainText("once");
  });
  await ask("How long do I have to decide?", async () => {
    await expect(dialog.getByText("Decide by").locator("..")).toContainText(/, in \d+ min/);
  });
  await ask("Who has proposed it, and why?", async () => {
    await expect(dialog).toContainText("alice, a person");
    await expect(dialog).toContainText("pressure too high");
  });
  await page.keyboard.press("Escape");

  await open(`commands/${sessionId}/${decided}`);
  await ask("Who has approved it, when and why?", async () => {
    const approved = page.getByText("Approved", { exact: true }).locator("..");
    await expect(approved).toContainText(/\d:\d\d.* by carol.*: the site agreed/);
  });
  await open(`commands/${sessionId}/${failing.id}`);
  await ask("What has the device returned?", async () => {
    await expect(page.getByRole("region", { name: "Error" })).toHaveText("no route to host");
  });
  await open(`sessions/${sessionId}`);
  await ask("What is the command doing now?", async () => {
    await expect(page.getByText("stopping")).toBeVisible();
  });
  await ask("What happened, and in which order?", async () => {
    const events = page.locator(".timeline li strong");
    await expect(events.first()).toHaveText("Command proposed"); // the newest is the first
    await expect(events.last()).toHaveText("Session opened");
  });
  await ask("Why can I not do this?", async () => {
    await open(`devices/${deviceId}`);
    await expect(page.getByText("you need the role admin. Your role is approver.")).toBeVisible();
  });
  const other = await browser.newPage();
  await signIn(other, gateway, "olga", "operator");
  await other.goto(`${gateway.url}/console#/sessions/${sessionId}`);
  await ask("Will my command run at once, or wait?", async () => {
    await other.getByText("Propose a command").click();
    await other.getByLabel("Type").fill("valve.open");
    await expect(other.getByText("This command will wait until another user has approved it")).toBeVisible();
  });
  await other.close();
  expect([...asked].sort()).toEqual([...promised].sort());
});
