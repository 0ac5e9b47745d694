// Tests the notifications of the browser.
import type { Page } from "@playwright/test";
import { expect, type Gateway, openTestSession, signIn, test } from "./fixtures.js";

test.setTimeout(120_000);

test.describe("notification", () => {
  /** Records the notifications of the browser, and lets a test hide the page. */
  async function watchNotices(page: Page) {
    await page.addInitScript(() => {
      const made: Made[] = [];
      class Recorded extends Notification {
        constructor(title: string, options: NotificationOptions) {
          super(title, options);
          made.push({ title, body: String(options.body), notice: this });
        }
      }
      Object.assign(window, { made, Notification: Recorded });
      Object.defineProperty(document, "visibilityState", {
        get: () => document.documentElement.dataset.shown ?? "visible",
      });
    });
  }

  interface Made {
    title: string;
    body: string;
    notice: Notification;
  }

  const notices = (page: Page) =>
    page.evaluate(() => (window as unknown as { made: Made[] }).made.map(({ title, body }) => `${title}: ${body}`));
  const setShown = (page: Page, state: "visible" | "hidden") =>
    page.evaluate((value) => {
      document.documentElement.dataset.shown = value;
    }, state);

  async function openInbox(page: Page, gateway: Gateway) {
    await watchNotices(page);
    const session = await openTestSession(gateway, "Pump\u202e 7");
    await signIn(page, gateway, "bob", "approver");
    await page.waitForLoadState("networkidle");
    return session;
  }

  test("comes when the user has asked for it and does not see the page", async ({ page, gateway, context }) => {
    await context.grantPermissions(["notifications"]);
    const { propose, sessionId } = await openInbox(page, gateway);
    const approve = page.getByRole("button", { name: "Approve…" });
    await setShown(page, "hidden");
    await propose("valve.open", { secret: "hunter2" });
    await expect(approve).toHaveCount(1);
    expect(await notices(page)).toEqual([]); // off by default

    await page.goto(`${gateway.url}/console#/account`);
    await page.getByRole("button", { name: "Turn notifications on" }).click();
    await expect(page.getByRole("button", { name: "Turn notifications off" })).toBeVisible();
    await page.goto(`${gateway.url}/console#/inbox`);
    await setShown(page, "visible");
    await propose("valve.close", {});
    await expect(approve).toHaveCount(2);
    expect(await notices(page)).toEqual([]);

    await setShown(page, "hidden");
    const { id } = await propose("service.restart", { secret: "hunter2" });
    await expect(approve).toHaveCount(3);
    expect(await notices(page)).toEqual(["A command waits for your decision: service.restart on Pump\\u202e 7"]);
    await page.evaluate(() =>
      (window as unknown as { made: Made[] }).made[0]?.notice.dispatchEvent(new Event("click")),
    );
    await expect(page).toHaveURL(new RegExp(`#/commands/${sessionId}/${id}$`));
    await expect(page.getByRole("heading", { level: 1, name: "Command" })).toBeVisible();
  });

  test("of many commands is one, and of none that the user cannot decide", async ({ page, gateway, context }) => {
    await context.grantPermissions(["notifications"]);
    const { propose } = await openInbox(page, gateway);
    await page.evaluate(() => localStorage.setItem("fieldgate.notify", "on"));
    await page.reload();
    await page.waitForLoadState("networkidle");
    await setShown(page, "hidden");
    let answer = () => {};
    const proposed = new Promise<void>((resolve) => {
      answer = resolve;
    });
    await page.route(/\/approvals/, (route) => proposed.then(() => route.continue()));
    for (let i = 0; i < 5; i++) await propose("valve.open", { i });
    answer();
    await expect(page.getByRole("button", { name: "Approve…" })).toHaveCount(5);
    expect(await notices(page)).toEqual(["5 commands wait for your decision: "]);

    await page.getByRole("button", { name: "Sign out" }).click();
    await signIn(page, gateway, "alice", "admin"); // alice has proposed them
    await setShown(page, "hidden");
    await propose("valve.open", { i: 5 });
    await expect(page.getByText("You cannot decide on this command.")).toHaveCount(6);
    expect(await notices(page)).toHaveLength(1);
  });

  test("is refused by the browser with a reason", async ({ page, gateway }) => {
    await signIn(page, gateway, "bob", "approver");
    await page.goto(`${gateway.url}/console#/account`);
    await page.getByRole("button", { name: "Turn notifications on" }).click();
    await expect(page.getByRole("alert")).toContainText("The browser refuses notifications");
    await expect(page.getByRole("button", { name: "Turn notifications on" })).toBeVisible();
    expect(await page.evaluate(() => localStorage.length)).toBe(0);
  });
});
