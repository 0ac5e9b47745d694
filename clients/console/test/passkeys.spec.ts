// Tests approvals that a passkey signs, with a virtual authenticator of Chromium.
import { addAuthenticator, addPasskey, expect, openTestSession, signIn, takeScreenshot, test } from "./fixtures.js";

interface Voted {
  status: string;
  approval: { votes: { passkey?: string; user: { id: string } }[] };
}

test.describe("with a rule that requires a passkey", () => {
  test("user adds a passkey and approves with it", async ({ page, gateway }) => {
    const { sessionId, admin, propose, device } = await openTestSession(gateway);
    const rules = [{ name: "all", effect: "review", assurance: "passkey" }];
    await gateway.call(admin, "PUT", "/policy", { rules });
    const { id } = await propose("valve.open", { valve: 3 });
    await addAuthenticator(page);
    const url = gateway.url.replace("127.0.0.1", "localhost"); // an address has no passkeys
    await signIn(page, gateway, "bob", "approver", url);
    await addPasskey(page);
    await takeScreenshot(page, "passkeys");

    await page.getByRole("link", { name: /Inbox/ }).click();
    await page.getByRole("button", { name: "Approve…" }).click();
    const dialog = page.getByRole("dialog");
    await expect(dialog.getByText("The rule of this command needs your passkey")).toBeVisible();
    await expect(dialog.getByText("with a passkey", { exact: false }).first()).toBeVisible();
    await dialog.getByRole("button", { name: "Approve", exact: true }).click();
    await expect(dialog).toHaveCount(0);

    const command = await gateway.call<Voted>(admin, "GET", `/sessions/${sessionId}/commands/${id}`);
    expect(command.status).toBe("queued");
    const bob = await gateway.token("bob", "approver");
    const { items } = await gateway.call<{ items: { id: string; lastUsedAt?: string }[] }>(bob, "GET", "/passkeys");
    expect(command.approval.votes).toMatchObject([{ passkey: items[0]?.id, user: { id: "bob" } }]);
    expect(items[0]?.lastUsedAt).toBeDefined();

    const { commands } = await device("/commands/claim", {});
    const payload = JSON.parse(Buffer.from(commands[0].receipt.split(".")[1], "base64url").toString());
    expect(payload.votes[0].assertion.credentialId).toBe(items[0]?.id);
  });

  test("user without a passkey is told how to add one", async ({ page, gateway }) => {
    const { admin, propose } = await openTestSession(gateway);
    await gateway.call(admin, "PUT", "/policy", { rules: [{ name: "all", effect: "review", assurance: "passkey" }] });
    await propose("valve.open", { valve: 3 });
    await signIn(page, gateway, "bob", "approver", gateway.url.replace("127.0.0.1", "localhost"));
    await page.getByRole("button", { name: "Approve…" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Approve", exact: true }).click();
    await expect(page.getByRole("dialog").getByRole("alert")).toContainText(
      "Add one to your account: select your name.",
    );
    await page.getByRole("link", { name: "Add a passkey" }).click();
    await expect(page.getByRole("dialog")).toHaveCount(0);
    await expect(page.getByLabel("Name of the new passkey")).toBeVisible();
  });
});

test("user at an address that has no passkeys is told where they work", async ({ page, gateway }) => {
  await openTestSession(gateway);
  await addAuthenticator(page);
  await signIn(page, gateway, "bob", "approver");
  await page.goto(`${page.url().split("#")[0]}#/account`);
  await page.getByLabel("Name of the new passkey").fill("Key ring");
  await page.getByRole("button", { name: "Add a passkey for approvals" }).click();
  await expect(page.getByRole("alert")).toContainText("Open the console under localhost.");
});

test("user signs an approval that needs no passkey, and removes the passkey", async ({ page, gateway }) => {
  const { sessionId, admin, propose } = await openTestSession(gateway);
  const { id } = await propose("valve.open", { valve: 3 });
  await addAuthenticator(page);
  await signIn(page, gateway, "bob", "approver", gateway.url.replace("127.0.0.1", "localhost"));
  await addPasskey(page);
  await page.getByRole("link", { name: /Inbox/ }).click();
  await page.getByRole("button", { name: "Approve…" }).click();
  await page.getByLabel("Sign with a passkey").check();
  await page.getByRole("dialog").getByRole("button", { name: "Approve", exact: true }).click();
  await expect(page.getByRole("dialog")).toHaveCount(0);
  const command = await gateway.call<Voted>(admin, "GET", `/sessions/${sessionId}/commands/${id}`);
  expect(command.approval.votes[0]?.passkey).toBeDefined();

  await page.goto(`${page.url().split("#")[0]}#/account`);
  await page.getByRole("button", { name: "Remove…" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Remove", exact: true }).click();
  await expect(page.getByRole("button", { name: "Remove…" })).toHaveCount(0);
});
