// Tests what a reader can do with the output of a command: its colours, a search in it, and its file.
import { readFileSync } from "node:fs";
import type { Page } from "@playwright/test";
import { expect, type Gateway, openTestSession, signIn, takeScreenshot, test } from "./fixtures.js";

const esc = "\u001b";

/** Opens the page of a command that has ended with an output. */
async function openOutput(page: Page, gateway: Gateway, output: string) {
  const { sessionId, propose, device } = await openTestSession(gateway);
  const { id } = await propose("diagnostic.system", {});
  const [{ claimToken }] = (await device("/commands/claim", {})).commands;
  await device(`/commands/${id}/result`, { claimToken, status: "succeeded", output });
  await signIn(page, gateway, "vera", "viewer");
  await page.goto(`${gateway.url}/console#/commands/${sessionId}/${id}`);
  const region = page.getByRole("region", { name: /^Output, / });
  await expect(region).toBeVisible();
  return { id, region };
}

test("output has its colours, and what is deceptive stays marked", async ({ page, gateway }) => {
  const { region } = await openOutput(page, gateway, `${esc}[1;31mfailed${esc}[0m <b>x</b> ${esc}[2Jlog\u202etxt\n`);
  await expect(region).toHaveText("failed <b>x</b> \\u001b[2Jlog\\u202etxt");
  const failed = region.locator(".ansi-1");
  await expect(failed).toHaveText("failed");
  await expect(failed).toHaveCSS("font-weight", "700");
  await expect(region.locator("mark")).toHaveText(["\\u001b", "\\u202e"]);
  await expect(region.locator("b")).toHaveCount(0);
  await expect(page.getByText("Check this carefully.")).toBeVisible();
  await expect(page.getByRole("searchbox")).toHaveCount(0); // a short output needs none
});

test("colours alone are not deceptive", async ({ page, gateway }) => {
  const { region } = await openOutput(page, gateway, `${esc}[32mok${esc}[0m\n`);
  await expect(region).toHaveText("ok");
  await expect(page.getByText("Check this carefully.")).toHaveCount(0);
});

test("long output is folded, searched by keys, wrapped and saved", async ({ page, gateway, context }) => {
  test.setTimeout(120_000);
  await context.grantPermissions(["clipboard-read", "clipboard-write"]);
  const lines = Array.from(
    { length: 2000 },
    (_, i) => `${esc}[36mline ${i}${esc}[0m${i % 400 === 177 ? " ERROR" : ""}`,
  );
  const output = `${lines.join("\r\n")}\r\nthe end \u00fc${"x".repeat(400)}`;
  const { id, region } = await openOutput(page, gateway, output);
  await expect(region).toContainText("line 99");
  await expect(region).toContainText("the end");
  await expect(region).not.toContainText("line 1000");
  await takeScreenshot(page, "output-folded");

  const find = page.getByRole("searchbox", { name: "Find in Output" });
  await find.focus();
  await page.keyboard.type("error");
  const status = page.getByRole("search").getByRole("status");
  await expect(status).toHaveText("1 of 5");
  await expect(region).toContainText("line 1000"); // what was found is not folded
  const current = region.locator(".hit[aria-current]");
  await expect(region.locator(".hit")).toHaveCount(5);
  const lineOfHit = () => current.evaluate((hit) => hit.previousSibling?.previousSibling?.textContent);
  await page.keyboard.press("Enter");
  await expect(status).toHaveText("2 of 5");
  expect(await lineOfHit()).toBe("line 577");
  await expect(current).toBeInViewport();
  await page.keyboard.press("Shift+Enter");
  await page.keyboard.press("Shift+Enter");
  await expect(status).toHaveText("5 of 5");
  expect(await lineOfHit()).toBe("line 1777");
  await expect(find).toBeFocused();
  await page.getByRole("button", { name: "Next match" }).click();
  await expect(status).toHaveText("1 of 5");
  await takeScreenshot(page, "output-search");
  await find.fill("no such text");
  await expect(status).toHaveText("not found");

  const isWider = () => region.evaluate((element) => element.scrollWidth > element.clientWidth);
  expect(await isWider()).toBe(false);
  await page.getByRole("button", { name: "Wrap lines" }).click();
  expect(await isWider()).toBe(true);

  const downloading = page.waitForEvent("download");
  await page.getByRole("button", { name: "Download Output" }).click();
  const download = await downloading;
  expect(download.suggestedFilename()).toBe(`${id}.txt`);
  expect(readFileSync(await download.path())).toEqual(Buffer.from(output));
  await page.getByRole("button", { name: "Copy text" }).click();
  await expect(page.getByRole("button", { name: "Copied" })).toBeVisible();
  expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(output);
});

test("fold is opened by the keyboard, which keeps its place", async ({ page, gateway }) => {
  const { region } = await openOutput(page, gateway, Array.from({ length: 1000 }, (_, i) => `line ${i}\n`).join(""));
  const more = page.getByRole("button", { name: "Show 700 more lines" });
  await more.focus();
  await page.keyboard.press("Enter");
  await expect(more).toHaveCount(0);
  await expect(region).toBeFocused();
  await expect(region).toContainText("line 500");
});

test("search in the largest output responds at once", async ({ page, gateway }) => {
  const output = `${esc}[32mok${esc}[0m value=17 status ready\n`.repeat(9000).slice(0, 200 * 1024);
  const { region } = await openOutput(page, gateway, output);
  const took = await page.getByRole("searchbox").evaluate(async (field: HTMLInputElement) => {
    const started = performance.now();
    field.value = "ready";
    field.dispatchEvent(new InputEvent("input", { bubbles: true }));
    while (!document.querySelector(".hit")) await new Promise(requestAnimationFrame);
    return performance.now() - started;
  });
  await expect(region.locator(".hit")).toHaveCount(2000);
  expect(took).toBeLessThan(15_000); // takes about 0.3 s on an idle machine
});
