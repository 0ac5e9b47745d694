// What people do in the console, in a real browser, with a real gateway and a real device.
import { expect, keep, prepared, signIn, test } from "./fixtures.js";

test("a command goes its whole way through the page", async ({ page, gateway, agent, browser }) => {
  await signIn(page, gateway, "alice", "admin");
  expect(page.url()).not.toContain("token");

  await page.getByRole("link", { name: "Devices" }).click();
  await page.getByRole("button", { name: "Provision a device…" }).click();
  await page.getByLabel("Name").fill("Pump 7");
  await page.getByRole("button", { name: "Provision", exact: true }).click();
  const code = await page.getByRole("dialog").locator(".code").innerText();
  expect(code).toMatch(/^\w{4}-\w{4}-\w{4}$/);
  const command = await page.getByRole("region", { name: "Command line for the agent" }).innerText();
  expect(command).toContain(`fieldgate-agent --url ${gateway.url} --state `);
  expect(command).toContain(`--activation-code ${code} --scripts `);
  await page.getByRole("button", { name: "Done" }).click();
  const row = page.getByRole("listitem").filter({ hasText: "Pump 7" });
  await expect(row.getByText("provisioned")).toBeVisible();

  await agent(gateway.url, code);
  await expect(row.getByText("online", { exact: true })).toBeVisible();
  await page.getByRole("link", { name: "Pump 7" }).click();
  await page.getByRole("button", { name: "Open a session…" }).click();
  await page.getByLabel("What it is about").fill("Telemetry stopped");
  await page.getByRole("button", { name: "Open", exact: true }).click();

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
  await expect(other.getByRole("region", { name: "Output" })).toHaveText("hello Leipzig\n");
  await keep(other, "what-became-of-it");
  await other.close();

  await expect(page.getByText("succeeded", { exact: true })).toBeVisible();
  await expect(page.getByRole("region", { name: "Output" })).toContainText("hello Leipzig");
  await expect(page.locator(".timeline")).toContainText("command succeeded");
});

test("parameters are shown as text, whatever they hold", async ({ page, gateway }) => {
  const { propose } = await prepared(gateway);
  const html = '<img src=x onerror="document.title=1"><script>document.title=2</script>';
  await propose("service.restart", { html, long: "x".repeat(20_000), turned: "a\u202eb", end: true }, "<b>now</b>");
  await signIn(page, gateway, "bob", "approver");
  const shown = page.getByRole("region", { name: "Parameters" });
  await expect(shown).toContainText(JSON.stringify(html));
  await expect(shown).toContainText("x".repeat(20_000));
  await expect(shown).toContainText('"a\\u202eb"');
  await expect(shown).toContainText('"end": true');
  await expect(page.getByText("<b>now</b>")).toBeVisible();
  expect(await page.locator("main img, main script, main b").count()).toBe(0);
});
