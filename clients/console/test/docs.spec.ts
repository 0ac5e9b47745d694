// Tests the documentation that the gateway serves, in a real browser.
import { expect, test } from "./fixtures.js";

const paths = [
  "/docs",
  "/docs/guides",
  "/docs/guides/operations",
  "/docs/guides/devices",
  "/docs/guides/digest",
  "/docs/changelog",
  "/docs/files/deploy/compose",
  "/docs/errors",
  "/docs/errors/claim_expired",
];

for (const colorScheme of ["light", "dark"] as const) {
  for (const width of [360, 1280]) {
    test(`pages load from the gateway alone, ${colorScheme}, ${width} pixels wide`, async ({ browser, gateway }) => {
      test.setTimeout(120_000); // each page is read until the network is idle
      const context = await browser.newContext({ colorScheme, viewport: { width, height: 800 } });
      const page = await context.newPage();
      const foreign: string[] = [];
      // Block requests to all other hosts, as in an isolated network.
      await context.route(
        (url) => url.protocol !== "data:" && url.protocol !== "blob:" && url.origin !== new URL(gateway.url).origin,
        (route) => {
          foreign.push(route.request().url());
          return route.abort();
        },
      );
      const refused: string[] = [];
      page.on("console", (message) => {
        if (/Content Security Policy/.test(message.text())) refused.push(message.text());
      });
      for (const path of paths) {
        await page.goto(gateway.url + path);
        await expect(page.getByRole("heading", { level: 1 }).first()).toBeVisible();
        await page.waitForLoadState("networkidle");
        const overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
        expect(overflow, `${path} is wider than the screen`).toBeLessThanOrEqual(0);
      }
      expect(foreign).toEqual([]);
      expect(refused).toEqual([]);
      await context.close();
    });
  }
}

test("search finds guides and error codes with the keyboard alone", async ({ page, gateway }) => {
  await page.goto(`${gateway.url}/docs/guides`);
  await page.keyboard.press("/");
  await expect(page.getByRole("searchbox")).toBeFocused();
  await page.keyboard.type("lease expired claim_expired");
  await expect(page.getByRole("status")).toContainText("found");
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(`${gateway.url}/docs/errors/claim_expired`);

  await page.keyboard.press("/");
  await expect(page.getByRole("searchbox")).toBeFocused();
  await page.keyboard.type("FIELDGATE_RECONCILE_INTERVAL");
  await expect(page.locator("#found a")).not.toHaveCount(0);
  await page.keyboard.press("ArrowDown");
  await expect(page.locator("#found a").first()).toBeFocused();
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(/\/docs\/guides\/operations#/);

  await page.keyboard.press("/");
  await expect(page.getByRole("searchbox")).toBeFocused();
  await page.keyboard.type("<img src=x>");
  await expect(page.getByRole("status")).toHaveText("Nothing found.");
  await page.keyboard.press("Escape");
  await expect(page.getByRole("searchbox")).toHaveValue("");
});

test("guides are complete without JavaScript", async ({ browser, gateway }) => {
  const context = await browser.newContext({ javaScriptEnabled: false });
  const page = await context.newPage();
  await page.goto(`${gateway.url}/docs/guides`);
  await expect(page.getByRole("searchbox")).toBeHidden();
  await page.getByRole("link", { name: "Quick start" }).click();
  await expect(page.getByRole("heading", { name: "Approve it" })).toBeVisible();
  await context.close();
});

test("search finds what the pages and the reference have, and leads to it", async ({ page, gateway }) => {
  await page.goto(`${gateway.url}/docs/guides/quick-start`);
  for (const [words, target] of [
    ["pagination", /pagination-and-idempotency/],
    ["X-Request-ID", /pagination-and-idempotency#x-request-id/],
    ["webhooks", /guides\/webhooks/],
    ["provisionDevice", /docs#tag\/devices\/POST/],
  ] as const) {
    await page.getByRole("searchbox").fill(words);
    await expect(page.locator("#found a").first()).toHaveAttribute("href", target);
  }
  await page.locator("#found a").first().click();
  await expect(page).toHaveURL(/\/docs#tag\/devices\/POST\/api\/v1\/customer\/devices$/);
});

test("a guide has its contents, its neighbours, and links and buttons to copy", async ({ browser, gateway }) => {
  const context = await browser.newContext({
    viewport: { width: 1440, height: 900 },
    permissions: ["clipboard-read", "clipboard-write"],
  });
  const page = await context.newPage();
  await page.goto(`${gateway.url}/docs/guides/digest`);
  await expect(page.getByRole("navigation", { name: "All pages" }).locator("[aria-current=page]")).toHaveText(
    "How the digest is computed",
  );
  await page.getByRole("navigation", { name: "On this page" }).getByRole("link", { name: "Where it is used" }).click();
  await expect(page).toHaveURL(/#where-it-is-used$/);
  await expect(page.locator("#where-it-is-used .anchor")).toHaveAttribute("href", "#where-it-is-used");

  const block = page.locator(".code").first();
  await block.getByRole("button", { name: "Copy" }).click();
  await expect(block.getByRole("button")).toHaveText("Copied");
  expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(await block.locator("pre").textContent());
  await expect(block.locator(".string").first()).toBeVisible();

  await page.locator("a[rel=next]").click();
  await page.locator("a[rel=prev]").click();
  await expect(page).toHaveURL(/\/docs\/guides\/digest$/);
  await context.close();
});
