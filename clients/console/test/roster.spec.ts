// Tests the page of the roster: approvers sign its versions, and a device runs only what they have signed.
import { writeFileSync } from "node:fs";
import type { Browser, Page } from "@playwright/test";
import { expect, type Gateway, type ProvisionedDevice, readToEnd, takeScreenshot, test } from "./fixtures.js";
import { copied, openRoster, publish, sign } from "./rosters.js";

/** Opens the page of the roster as bob, in another browser. */
async function openAsBob(browser: Browser, gateway: Gateway): Promise<Page> {
  const page = await (await browser.newContext()).newPage();
  await openRoster(page, gateway, "bob", "approver");
  return page;
}

async function paste(page: Page, text: string): Promise<void> {
  await page.getByLabel("From another approver").fill(text);
  await page.getByRole("button", { name: "Take over" }).click();
}

async function setThreshold(page: Page, from: number, to: number): Promise<void> {
  const editor = page.getByLabel("Document");
  await editor.fill((await editor.inputValue()).replace(`"threshold": ${from}`, `"threshold": ${to}`));
}

test("device that knows the first version runs what its approver has signed", async ({
  page,
  gateway,
  agent,
}, info) => {
  const alice = await gateway.token("alice", "admin");
  await gateway.call(alice, "PUT", "/policy", { rules: [{ name: "all", effect: "review", assurance: "passkey" }] });
  await openRoster(page, gateway, "dora", "admin");
  await expect(page.getByText("The tenant has no roster yet.")).toBeVisible();
  await expect(page.getByText("dora becomes an approver, with")).toBeVisible();
  await expect(page.getByRole("button", { name: "Publish version 1" })).toBeDisabled();
  await sign(page);
  await takeScreenshot(page, "roster");
  await publish(page, 1);

  const file = info.outputPath("roster.json");
  writeFileSync(file, await copied(page, "Copy all versions for devices"));
  const provisioned = await gateway.call<ProvisionedDevice>(alice, "POST", "/devices", { name: "Pump 7" });
  const flags = ["--trust=approvers", `--roster=${file}`, "--require-approvals=*=1"];
  await agent(gateway.url, provisioned.activationCode, ...flags);
  await page.getByRole("link", { name: "Devices" }).click();
  await expect(page.getByRole("row").getByText("online", { exact: true })).toBeVisible();
  const request = { deviceId: provisioned.device.id, type: "remediation" };
  const session = await gateway.call<{ id: string }>(alice, "POST", "/sessions", request);
  const parameters = { name: "greet.sh", args: ["Leipzig"] };
  const body = { type: "remediation.run_script", parameters };
  const { id } = await gateway.call<{ id: string }>(alice, "POST", `/sessions/${session.id}/commands`, body);

  await page.getByRole("link", { name: /Inbox/ }).click();
  await page.getByRole("button", { name: "Approve…" }).click();
  await readToEnd(page);
  await page.getByRole("dialog").getByRole("button", { name: "Approve", exact: true }).click();
  await expect(page.getByRole("dialog")).toHaveCount(0);
  const path = `/sessions/${session.id}/commands/${id}`;
  const status = async () => (await gateway.call<{ status: string }>(alice, "GET", path)).status;
  await expect.poll(status).toBe("succeeded");
});

test("approvers of a version sign the next one", async ({ page, gateway, browser }) => {
  await openRoster(page, gateway, "dora", "admin");
  await sign(page);
  await publish(page, 1);
  await expect(page.getByText("Nothing yet.")).toBeVisible();

  const bob = await openAsBob(browser, gateway);
  await expect(bob.getByText("you are no approver of version 1")).toBeVisible();
  await expect(bob.getByRole("button", { name: /Publish/ })).toHaveCount(0);
  await paste(page, await copied(bob, "Copy my entry"));
  await expect(page.getByText("bob becomes an approver, with")).toBeVisible();
  await setThreshold(page, 1, 2);
  await expect(page.getByText("Approvers who must sign the version after it: 2, before 1")).toBeVisible();
  await sign(page);
  await publish(page, 2);

  await setThreshold(page, 2, 1);
  await sign(page);
  await expect(page.getByText("1 of the 2 approvers who must sign it have signed: dora")).toBeVisible();
  await expect(page.getByRole("button", { name: "Publish version 3" })).toBeDisabled();
  await expect(bob.getByRole("heading", { name: "Version 2", exact: true })).toBeVisible(); // without a click
  await paste(bob, await copied(page, "Copy with the signatures"));
  await expect(bob.getByText("Approvers who must sign the version after it: 1, before 2")).toBeVisible();
  await sign(bob);
  const both = await copied(bob, "Copy with the signatures");
  await paste(page, both);
  await expect(page.getByText("2 of the 2 approvers who must sign it have signed: dora, bob")).toBeVisible();
  await publish(page, 3);
  await expect(page.getByText("dora, bob", { exact: true })).toBeVisible();
  await bob.context().close();
});

test("passkey that is not in the roster is marked", async ({ page, gateway, browser }) => {
  await openRoster(page, gateway, "dora", "admin");
  const bob = await openAsBob(browser, gateway);
  await bob.getByRole("link", { name: "bob" }).click();
  await expect(bob.getByRole("button", { name: "Remove…" })).toBeVisible();
  await expect(bob.getByText("Not in the roster.")).toHaveCount(0); // there is none
  await sign(page);
  await publish(page, 1);
  await expect(bob.getByText("Not in the roster.")).toBeVisible(); // without a click
  await bob.getByRole("link", { name: "Open the roster" }).click();
  await expect(bob.getByRole("heading", { name: "Version 1", exact: true })).toBeVisible();

  await page.getByRole("link", { name: "dora" }).click();
  await expect(page.getByRole("button", { name: "Remove…" })).toBeVisible();
  await expect(page.getByText("Not in the roster.")).toHaveCount(0);
  await bob.context().close();
});

test.describe("refusals", () => {
  test.use({ allowedErrors: [/status of 4/] });

  test("a version that was published meanwhile, and a text that is no roster, are shown", async ({ page, gateway }) => {
    await openRoster(page, gateway, "dora", "admin");
    const editor = page.getByLabel("Document");
    const first = await editor.inputValue();
    await editor.fill(first.replace('"version": 1', '"version": 4'));
    await expect(page.getByText("The document is version 4, and the next version is 1.")).toBeVisible();
    await expect(page.getByRole("button", { name: "Sign with my passkey" })).toHaveCount(0);
    await editor.fill(first.replace('"origins"', '"more": 1, "origins"'));
    await sign(page);
    await page.getByRole("button", { name: "Publish version 1" }).click();
    await expect(page.getByRole("alert")).toContainText("validation_failed");

    await editor.fill(first);
    await expect(page.getByText("0 of the 1 approvers")).toBeVisible();
    await sign(page);
    const body = JSON.parse(await copied(page, "Copy with the signatures"));
    const typed = first.replace('"threshold": 1', '"threshold": 7');
    await editor.fill(typed);
    await gateway.call(await gateway.token("dora", "admin"), "PUT", "/roster", body);
    await expect(page.getByRole("heading", { name: "Version 1", exact: true })).toBeVisible();
    await expect(page.getByText("The document is version 1, and the next version is 2.")).toBeVisible();
    await expect(editor).toHaveValue(typed); // what was typed stays
    await page.getByRole("button", { name: "Start over" }).click();
    await expect(editor).toHaveValue(/"version": 2/);
  });
});
