// Tests the form of a proposal: its fields, its templates, and what the browser keeps.
import type { Page } from "@playwright/test";
import { expect, type Gateway, openTestSession, signIn, takeScreenshot, test } from "./fixtures.js";

test.setTimeout(120_000);

/** Opens the form of a proposal in a new session, as alice. */
async function openForm(page: Page, gateway: Gateway) {
  const session = await openTestSession(gateway);
  await signIn(page, gateway, "alice", "operator");
  await page.goto(`${gateway.url}/console#/sessions/${session.sessionId}`);
  await expect(page.getByLabel("Type")).toBeVisible();
  const proposed = async () => {
    const path = `/sessions/${session.sessionId}/commands?order=newest`;
    const { items } = await gateway.call<{ items: Proposed[] }>(session.admin, "GET", path);
    return items.map(({ type, parameters }) => ({ type, parameters }));
  };
  return { ...session, proposed };
}

interface Proposed {
  type: string;
  parameters: object;
}

const propose = (page: Page) => page.getByRole("button", { name: "Propose", exact: true }).click();
const isProposed = (page: Page) =>
  expect(page.getByRole("status").filter({ hasText: "Command proposed." })).toBeVisible();

test("script is proposed in fields by the keyboard alone", async ({ page, gateway }) => {
  const { proposed } = await openForm(page, gateway);
  await page.getByLabel("Type").focus();
  await page.keyboard.type("remediation.run_script");
  await expect(page.getByText("Runs a script from the directory of the scripts")).toBeVisible();
  await page.keyboard.press("Tab");
  await expect(page.getByLabel("Name", { exact: true })).toBeFocused();
  await page.keyboard.type("greet.sh");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter"); // adds an argument, which gets the focus
  await expect(page.getByLabel("Arguments 1", { exact: true })).toBeFocused();
  await page.keyboard.type("Leipzig");
  const add = page.getByRole("button", { name: "Add to arguments" });
  await add.focus();
  await page.keyboard.press("Enter");
  await expect(page.getByLabel("Arguments 2", { exact: true })).toBeFocused();
  await page.keyboard.type("unwanted");
  await page.getByRole("button", { name: "Remove Arguments 2" }).focus();
  await page.keyboard.press("Enter");
  await expect(add).toBeFocused();
  await takeScreenshot(page, "proposal-fields");
  await page.getByLabel("Reason").focus();
  await page.keyboard.press("Enter");
  await isProposed(page);
  expect(await proposed()).toEqual([
    { type: "remediation.run_script", parameters: { name: "greet.sh", args: ["Leipzig"] } },
  ]);
});

test("fields refuse what the device would refuse", async ({ page, gateway }) => {
  const { proposed } = await openForm(page, gateway);
  await page.getByLabel("Type").fill("diagnostic.tcp");
  await page.getByLabel("Host").fill("-c");
  await page.getByLabel("Port").fill("65536");
  await propose(page);
  await expect(page.getByLabel("Host")).toBeFocused();
  await page.getByLabel("Host").fill("::1");
  await propose(page);
  await expect(page.getByLabel("Port")).toBeFocused();
  expect(await proposed()).toEqual([]);
  await page.getByLabel("Port").fill("65535");
  await propose(page);
  await isProposed(page);
  expect(await proposed()).toEqual([{ type: "diagnostic.tcp", parameters: { host: "::1", port: 65535 } }]);
});

test("JSON remains for unknown types, and for what the fields cannot hold", async ({ page, gateway }) => {
  await openForm(page, gateway);
  const json = page.getByLabel("Parameters", { exact: true });
  await page.getByLabel("Type").fill("diagnostic.ping");
  await page.getByLabel("Host").fill("example.com");
  await page.getByRole("button", { name: "Edit as JSON" }).click();
  await expect(json).toHaveValue('{\n  "host": "example.com"\n}');
  await json.fill('{"host": "a", "count": 12345678901234567890}');
  await expect(page.getByRole("button", { name: "Edit in fields" })).toBeDisabled();
  await expect(page.getByText("The fields cannot hold these parameters.")).toBeVisible();
  await page.getByLabel("Type").fill("valve.open");
  await expect(json).toHaveValue('{"host": "a", "count": 12345678901234567890}');
  await json.fill('{"host": "b"}');
  await page.getByLabel("Type").fill("diagnostic.dns");
  await expect(page.getByLabel("Host")).toHaveValue("b");
  await page.getByLabel("Type").fill("diagnostic.disk");
  await expect(page.getByText("This command has no parameters.")).toBeVisible();
});

test("what was used last is offered until the user signs out, without secrets", async ({ page, gateway }) => {
  const { sessionId } = await openForm(page, gateway);
  await page.getByLabel("Type").fill("valve.open");
  await page
    .getByLabel("Parameters", { exact: true })
    .fill('{"valve": 7, "password": "hunter2", "url": "https://a:hunter3@b/"}');
  await propose(page);
  await isProposed(page);
  expect(JSON.stringify(await page.evaluate(() => ({ ...localStorage })))).not.toMatch(/hunter/);
  await page.reload();
  await page.getByText("Propose a command").click();
  await page.getByLabel("Fill in…").selectOption({ label: "Last used: valve.open, valve 7" });
  await expect(page.getByLabel("Type")).toHaveValue("valve.open");
  await expect(page.getByLabel("Parameters", { exact: true })).toHaveValue('{\n  "valve": 7\n}');
  await page.getByRole("button", { name: "Sign out" }).click();
  await expect(page.getByLabel("Access token")).toBeVisible();
  expect(await page.evaluate(() => localStorage.length)).toBe(0);
  await signIn(page, gateway, "alice", "operator");
  await page.goto(`${gateway.url}/console#/sessions/${sessionId}`);
  await page.getByText("Propose a command").click();
  await expect(page.getByLabel("Fill in…")).toHaveCount(0);
});

test("template has a name, survives signing out, and is of one user", async ({ page, gateway }) => {
  const { sessionId } = await openForm(page, gateway);
  await page.getByLabel("Type").fill("diagnostic.log");
  await page.getByLabel("Unit").fill("ssh");
  await page.getByLabel("Lines").fill("20");
  await page.getByRole("button", { name: "Keep as a template…" }).click();
  await page.getByRole("dialog").getByLabel("Name").fill("Log of ssh");
  await takeScreenshot(page, "template");
  await page.keyboard.press("Enter");
  await expect(page.getByRole("dialog")).toHaveCount(0);
  const open = async (user: string) => {
    await page.getByRole("button", { name: "Sign out" }).click();
    await signIn(page, gateway, user, "operator");
    await page.goto(`${gateway.url}/console#/sessions/${sessionId}`);
    await expect(page.getByLabel("Type")).toBeVisible();
  };
  await open("olga");
  await expect(page.getByLabel("Fill in…")).toHaveCount(0);
  await open("alice");
  await page.getByLabel("Fill in…").selectOption({ label: "Log of ssh" });
  await expect(page.getByLabel("Unit")).toHaveValue("ssh");
  await expect(page.getByLabel("Lines")).toHaveValue("20");
  await page.getByRole("button", { name: "Keep as a template…" }).click();
  await page.getByRole("button", { name: "Remove the template Log of ssh" }).click();
  await page.keyboard.press("Escape");
  await expect(page.getByLabel("Fill in…")).toHaveCount(0);
});
