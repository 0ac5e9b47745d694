// Tests the page of the policy: the editor, the evaluation and the change that waits for another admin.
import { expect, openTestSession, signIn, takeScreenshot, test } from "./fixtures.js";

const denied = {
  rules: [
    { name: "no restarts", types: ["service.restart"], effect: "deny" },
    { name: "rest", effect: "auto" },
  ],
};
const loose = { rules: [{ name: "rest", effect: "auto" }] };

test.use({ allowedErrors: [/status of 400/] });

test("policy is edited, evaluated and loosened with another admin", async ({ page, gateway }) => {
  await openTestSession(gateway);
  await signIn(page, gateway, "alice", "admin");
  await page.getByRole("link", { name: "Policy" }).click();
  await expect(page.getByText("none: only the floor applies")).toBeVisible();
  const editor = page.getByLabel("Policy as JSON");

  await editor.fill("{");
  await page.getByRole("button", { name: "Save" }).click();
  await expect(page.getByRole("alert")).toBeVisible();
  await editor.fill(JSON.stringify({ rules: [...denied.rules, { name: "never", effect: "deny" }] }));
  await page.getByRole("button", { name: "Save" }).click();
  await expect(page.getByRole("alert")).toContainText("/rules/2");
  await editor.fill(JSON.stringify(denied, null, 2));
  await page.getByRole("button", { name: "Save" }).click();
  await expect(page.getByText("Version 1 by alice")).toBeVisible();

  await page.getByLabel("Type").fill("service.restart");
  await page.getByRole("button", { name: "Evaluate" }).click();
  await expect(page.getByText("Is denied")).toBeVisible();
  await expect(page.getByText('Rule "no restarts" matches.')).toBeVisible();
  await takeScreenshot(page, "policy");

  await editor.fill(JSON.stringify(loose));
  await page.getByRole("button", { name: "Save" }).click();
  await expect(page.getByRole("heading", { name: "A change waits" })).toBeVisible();
  await expect(page.getByRole("button", { name: "Approve the change…" })).toHaveCount(0);
  await page.getByRole("button", { name: "Sign out" }).click();

  await signIn(page, gateway, "dora", "admin");
  await page.getByRole("link", { name: "Policy" }).click();
  await expect(page.getByLabel("Rules that wait")).toContainText('"auto"');
  await page.getByRole("button", { name: "Approve the change…" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Approve the change" }).click();
  await expect(page.getByText("Version 2 by alice")).toContainText("approved by dora");
  await page.getByRole("button", { name: "Edit version 1" }).click();
  await expect(editor).toHaveValue(/no restarts/);
});

test("policy is shown to admins only", async ({ page, gateway }) => {
  await signIn(page, gateway, "bob", "approver");
  await expect(page.getByRole("link", { name: "Policy" })).toHaveCount(0);
  await page.goto(`${gateway.url}/console#/policy`);
  await expect(page.getByText("you need the role admin")).toBeVisible();
});

test("an approval alone is offered only where the rule allows it", async ({ page, gateway }) => {
  const { admin, propose } = await openTestSession(gateway);
  const rules = [
    { name: "emergencies", types: ["diagnostic.*"], effect: "review", approvals: 2, breakGlass: true },
    { name: "rest", effect: "review", approvals: 2 },
  ];
  await gateway.call(admin, "PUT", "/policy", { rules });
  await gateway.call(await gateway.token("dora", "admin"), "POST", "/policy/decide", { version: "1", approved: true });
  const refused = await propose("valve.open", { valve: 3 });
  const allowed = await propose("diagnostic.dns", { host: "example.com" });
  await signIn(page, gateway, "dora", "admin");
  const button = (id: string) => page.locator(`button[aria-describedby="${id}"]`, { hasText: "Break glass…" });
  await expect(button(allowed.id)).toBeVisible();
  await expect(button(refused.id)).toHaveCount(0);
});
