// The documentation that the gateway serves, in a real browser.
import { expect, test } from "./fixtures.js";

const places = [
  "/docs",
  "/docs/guides",
  "/docs/guides/operations",
  "/docs/guides/devices",
  "/docs/errors",
  "/docs/errors/claim_expired",
];

for (const colorScheme of ["light", "dark"] as const) {
  for (const width of [360, 1280]) {
    test(`the pages ask no other host, ${colorScheme}, ${width} wide`, async ({ browser, gateway }) => {
      const context = await browser.newContext({ colorScheme, viewport: { width, height: 800 } });
      const page = await context.newPage();
      const foreign: string[] = [];
      // A host that is not the gateway's is out of reach, as on a network that is cut off.
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
      for (const place of places) {
        await page.goto(gateway.url + place);
        await expect(page.getByRole("heading", { level: 1 }).first()).toBeVisible();
        await page.waitForLoadState("networkidle");
        const over = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
        expect(over, `${place} is wider than the screen`).toBeLessThanOrEqual(0);
      }
      expect(foreign).toEqual([]);
      expect(refused).toEqual([]);
      await context.close();
    });
  }
}

test("the search finds guides and codes by keyboard alone", async ({ page, gateway }) => {
  await page.goto(`${gateway.url}/docs/guides`);
  await page.keyboard.press("/");
  await page.keyboard.type("lease expired claim_expired");
  await expect(page.getByRole("status")).toContainText("found");
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(`${gateway.url}/docs/errors/claim_expired`);

  await page.keyboard.press("/");
  await page.keyboard.type("FIELDGATE_DRAIN_WINDOW");
  await expect(page.locator("#found a")).not.toHaveCount(0);
  await page.keyboard.press("ArrowDown");
  await expect(page.locator("#found a").first()).toBeFocused();
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(/\/docs\/guides\/operations#/);

  await page.keyboard.press("/");
  await page.keyboard.type("<img src=x>");
  await expect(page.getByRole("status")).toHaveText("Nothing found.");
  await page.keyboard.press("Escape");
  await expect(page.getByRole("searchbox")).toHaveValue("");
});

test("the guides are complete without JavaScript", async ({ browser, gateway }) => {
  const context = await browser.newContext({ javaScriptEnabled: false });
  const page = await context.newPage();
  await page.goto(`${gateway.url}/docs/guides`);
  await expect(page.getByRole("searchbox")).toBeHidden();
  await page.getByRole("link", { name: "Quick start" }).click();
  await expect(page.getByRole("heading", { name: "Approve it" })).toBeVisible();
  await context.close();
});
