// Tests what the page says about links that lead nowhere, about errors, and about what the user has done.
import { expect, openTestSession, readToEnd, signIn, test } from "./fixtures.js";

test.describe("link to nothing", () => {
  test.use({ allowedErrors: [/status of 404/] });

  test("says that the page, the session or the device does not exist", async ({ page, gateway }) => {
    await signIn(page, gateway, "vera", "viewer");
    const titles = {
      foo: "This page does not exist",
      "inbox/more": "This page does not exist",
      "sessions/ses_7k01jd3qb5w8k2r6f0d4s7g1p3en": "This session does not exist",
      "devices/dev_7k01jd3q8zv6m4y2x9n5t0c8hbra": "This device does not exist",
    };
    for (const [path, title] of Object.entries(titles)) {
      await page.goto(`${gateway.url}/console#/${path}`);
      await expect(page.getByRole("heading", { level: 1, name: title })).toBeVisible();
    }
    await page.getByRole("link", { name: "Show all devices" }).click();
    await expect(page.getByRole("heading", { name: "Devices" })).toBeVisible();
    await expect(page.getByRole("alert")).toHaveCount(0);
  });
});

test.describe("failed read", () => {
  test.use({ allowedErrors: [/status of 4\d\d/] });

  test("stays on the page while other reads succeed", async ({ page, gateway }) => {
    const problem = {
      type: "about:blank",
      title: "Forbidden",
      status: 403,
      code: "insufficient_role",
      detail: "The list is closed today.",
      requestId: "request-1",
    };
    await page.route(/\/customer\/sessions\?/, (route) =>
      route.fulfill({ status: 403, contentType: "application/problem+json", json: problem }),
    );
    const { propose } = await openTestSession(gateway);
    await signIn(page, gateway, "bob", "approver");
    await expect(page.getByRole("alert")).toContainText("The list is closed today.");
    await propose("valve.open", {});
    await expect(page.getByRole("button", { name: "Approve…" })).toBeVisible(); // the inbox was read again
    await expect(page.getByRole("alert")).toContainText("The list is closed today.");
  });
});

test("approval on the page of a session says what was done, and keeps the focus there", async ({ page, gateway }) => {
  const { sessionId, propose } = await openTestSession(gateway);
  await propose("valve.open", { n: 1 });
  await signIn(page, gateway, "bob", "approver");
  await page.goto(`${gateway.url}/console#/sessions/${sessionId}`);
  await page.getByRole("button", { name: "Approve…" }).click();
  await expect(page.getByText("The device is online: after your approval, it runs the command at once.")).toBeVisible();
  await readToEnd(page);
  await page.getByRole("button", { name: "Approve", exact: true }).click();
  await expect(page.getByRole("status").filter({ hasText: "Command approved." })).toBeVisible();
  await expect(page.getByRole("button", { name: "Approve…" })).toHaveCount(0);
  await expect(page.getByRole("heading", { name: "valve.open" })).toBeFocused();
});

test("form of a proposal says beforehand whether the command will wait", async ({ page, gateway }) => {
  const { sessionId } = await openTestSession(gateway);
  await signIn(page, gateway, "alice", "operator");
  await page.goto(`${gateway.url}/console#/sessions/${sessionId}`);
  await page.getByLabel("Type").fill("valve.open");
  await expect(page.getByText("This command will wait until another user has approved it")).toBeVisible();
  await page.getByLabel("Type").fill("diagnostic.system");
  await expect(page.getByText("This command will run without an approval")).toBeVisible();
  await page.getByRole("button", { name: "Propose", exact: true }).click();
  await expect(page.getByRole("status").filter({ hasText: "Command proposed." })).toBeVisible();
});

test("Enter pressed twice neither suspends nor decommissions", async ({ page, gateway }) => {
  const { deviceId, admin } = await openTestSession(gateway);
  await signIn(page, gateway, "alice", "admin");
  await page.goto(`${gateway.url}/console#/devices/${deviceId}`);
  for (const name of ["Suspend…", "Decommission…"]) {
    const button = page.getByRole("button", { name });
    await button.focus();
    await page.keyboard.press("Enter");
    await expect(page.getByRole("dialog")).toBeVisible();
    await page.keyboard.press("Enter");
    await page.keyboard.press("Escape");
    await expect(page.getByRole("dialog")).toHaveCount(0);
  }
  expect(await gateway.call(admin, "GET", `/devices/${deviceId}`)).toMatchObject({ status: "active" });
});

test("palette goes anywhere by keys, and changes the theme for good", async ({ page, gateway }) => {
  const { deviceId } = await openTestSession(gateway, "Compressor 3");
  await signIn(page, gateway, "vera", "viewer");
  const field = page.getByRole("combobox", { name: "Page, device" });
  await page.keyboard.press("Control+k");
  await expect(field).toBeFocused();
  await page.keyboard.type("compr");
  await expect(page.getByRole("option", { selected: true })).toContainText("Compressor 3");
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(new RegExp(`#/devices/${deviceId}$`));
  await expect(page.getByRole("heading", { level: 1, name: "Compressor 3" })).toBeVisible();

  await page.getByRole("button", { name: "Go to…" }).click();
  await expect(field).toBeFocused();
  await page.keyboard.type("theme");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("ArrowDown");
  await expect(page.getByRole("option", { selected: true })).toContainText("Theme: dark");
  await page.keyboard.press("Enter");
  const scheme = () => page.evaluate(() => getComputedStyle(document.documentElement).colorScheme);
  await expect.poll(scheme).toBe("dark");
  await page.reload();
  await expect.poll(scheme).toBe("dark");
});

test("first load takes at most 200 KiB", async ({ page, gateway }) => {
  const sizes: Promise<number>[] = [];
  page.on("requestfinished", (request) => {
    sizes.push(request.sizes().then(({ responseBodySize }) => responseBodySize));
  });
  await signIn(page, gateway, "vera", "viewer");
  await page.waitForLoadState("networkidle");
  const total = (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
  expect(total).toBeGreaterThan(10 * 1024);
  expect(total).toBeLessThanOrEqual(200 * 1024);
});
