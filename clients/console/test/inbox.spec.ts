// Tests the inbox of a user for whom many commands wait.
import { expect, openTestSession, readToEnd, signIn, takeScreenshot, test } from "./fixtures.js";

test("inbox is filtered, grouped, and kept to what the user may decide", async ({ page, gateway }) => {
  const first = await openTestSession(gateway, "Pump 7");
  const second = await openTestSession(gateway, "Compressor");
  await first.propose("service.restart", {});
  await first.propose("valve.open", {}, "pressure too high");
  await second.propose("service.restart", {});
  const bob = await gateway.token("bob", "admin");
  await gateway.call(bob, "POST", `/sessions/${first.sessionId}/commands`, { type: "service.stop", parameters: {} });

  await signIn(page, gateway, "bob", "admin");
  const cards = page.locator("main li.card");
  await expect(cards).toHaveCount(4);
  await page.getByRole("link", { name: "3 waiting for me" }).click();
  await expect(cards).toHaveCount(3);
  await page.getByLabel("Group by").selectOption("device");
  await expect(page.getByRole("heading", { level: 2, name: /^Pump 7 \(dev_\w+\) 2 waiting$/ })).toBeVisible();
  await expect(page.getByRole("heading", { level: 2, name: /^Compressor/ })).toBeVisible();
  await takeScreenshot(page, "inbox-groups");
  for (const [text, count] of Object.entries({ compressor: 1, valve: 1, pressure: 1, alice: 3, nothing: 0 })) {
    await page.getByLabel("Find a command").fill(text);
    await expect(cards).toHaveCount(count);
  }
  await expect(page.getByText("No command matches.")).toBeVisible();
  await page.getByRole("button", { name: "Clear filters" }).click();
  await expect(cards).toHaveCount(4);
});

test("commands are reviewed one after the other, each with its own decision", async ({ page, gateway }) => {
  const { propose, sessionId } = await openTestSession(gateway);
  const ids: string[] = [];
  for (let n = 0; n < 5; n++) ids.push((await propose("service.restart", { n })).id);
  await signIn(page, gateway, "bob", "approver");
  await page.getByRole("button", { name: "Review all 5…" }).click();
  const dialog = page.getByRole("dialog");
  const shows = (n: number) => expect(dialog.getByRole("region", { name: "Parameters" })).toContainText(`"n": ${n}`);

  await shows(0);
  await expect(dialog.getByText("4 more after this one.")).toBeVisible();
  await readToEnd(page);
  await dialog.getByRole("button", { name: "Approve" }).click();
  await shows(1);
  await dialog.getByRole("button", { name: "Skip" }).click();
  await shows(2);
  await takeScreenshot(page, "review");
  const decision = { commandId: ids[3], approved: true, reason: "checked" }; // the next one leaves the inbox meanwhile
  await gateway.call(await gateway.token("carol", "approver"), "POST", `/sessions/${sessionId}/approve`, decision);
  await expect(page.getByText("No longer waiting")).toBeAttached();
  await dialog.getByRole("button", { name: "Reject…" }).click();
  await expect(dialog).toContainText("Reject this command?");
  await dialog.getByLabel("Reason").fill("not now");
  await dialog.getByRole("button", { name: "Reject" }).click();
  await shows(4);
  await expect(dialog.getByText("This is the last one.")).toBeVisible();
  await readToEnd(page);
  await dialog.getByRole("button", { name: "Approve" }).click();
  await expect(dialog).toHaveCount(0);
  await expect(page.locator("main section li.card").filter({ hasText: "pending approval" })).toHaveCount(1); // the skipped one
  const session = await gateway.call<{ commands: { status: string }[] }>(
    await gateway.token("vera", "viewer"),
    "GET",
    `/sessions/${sessionId}`,
  );
  const statuses = session.commands.map(({ status }) => status).sort();
  expect(statuses).toEqual(["pending_approval", "queued", "queued", "queued", "rejected"]);
});
