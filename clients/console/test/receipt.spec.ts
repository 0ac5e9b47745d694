// Tests the receipt on the page of a command.
import { readFileSync } from "node:fs";
import { expect, openTestSession, signIn, test } from "./fixtures.js";

/** Returns the address of the page of a command. */
const addressOf = (sessionId: string, id: string) => `#/commands/${sessionId}/${id}`;

test("receipt of an approved command is saved as it was signed", async ({ page, gateway }) => {
  const { admin, sessionId, propose } = await openTestSession(gateway);
  const { id } = await propose("valve.open", { valve: 3 });
  await signIn(page, gateway, "bob", "approver");
  await page.goto(`${page.url().split("#")[0]}${addressOf(sessionId, id)}`);
  await expect(page.getByRole("heading", { name: "Command", exact: true })).toBeVisible();
  await expect(page.getByRole("heading", { name: "Receipt" })).toHaveCount(0); // it waits for an approval
  const bob = await gateway.token("bob", "approver");
  await gateway.call(bob, "POST", `/sessions/${sessionId}/approve`, { commandId: id, approved: true });

  await expect(page.getByText(`fieldgate verify ${id}.jws --keys keys.json`)).toBeVisible();
  const downloading = page.waitForEvent("download");
  await page.getByRole("button", { name: "Download the receipt" }).click();
  const download = await downloading;
  expect(download.suggestedFilename()).toBe(`${id}.jws`);
  const [header, payload, signature] = readFileSync(await download.path(), "utf8").split(".");
  expect(JSON.parse(Buffer.from(header ?? "", "base64url").toString())).toMatchObject({ typ: "fieldgate-receipt" });
  const { votes, statement } = JSON.parse(Buffer.from(payload ?? "", "base64url").toString());
  expect(votes).toMatchObject([{ user: "bob", decision: "approved" }]);
  const read = await gateway.call<{ statement: string }>(admin, "GET", `/sessions/${sessionId}/commands/${id}`);
  expect(statement).toBe(read.statement);
  expect(signature).not.toBe("");
});

test.describe("a command that was cancelled before its approval", () => {
  test.use({ allowedErrors: [/status of 404/] });

  test("has no receipt, and the page says why", async ({ page, gateway }) => {
    const { admin, sessionId, propose } = await openTestSession(gateway);
    const { id } = await propose("valve.open", { valve: 3 });
    await gateway.call(admin, "POST", `/sessions/${sessionId}/commands/${id}/cancel`, { reason: "not needed" });
    await signIn(page, gateway, "bob", "approver");
    await page.goto(`${page.url().split("#")[0]}${addressOf(sessionId, id)}`);
    await page.getByRole("button", { name: "Download the receipt" }).click();
    await expect(page.getByRole("alert")).toContainText("This command has no receipt");
  });
});

test("page offers no receipt if the gateway signs none", async ({ page, gateway }) => {
  const { sessionId, propose } = await openTestSession(gateway);
  const { id } = await propose("diagnostic.dns", { host: "example.com" });
  await page.route("**/.well-known/fieldgate/keys", (route) => route.fulfill({ json: { keys: [] } }));
  await signIn(page, gateway, "bob", "approver");
  const answered = page.waitForResponse("**/.well-known/fieldgate/keys");
  await page.goto(`${page.url().split("#")[0]}${addressOf(sessionId, id)}`);
  await answered;
  await expect(page.getByRole("button", { name: "Copy id" })).toBeVisible();
  await expect(page.getByRole("heading", { name: "Receipt" })).toHaveCount(0);
});
