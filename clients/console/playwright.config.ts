import { defineConfig } from "@playwright/test";

// The tests run in the Chromium that is installed on the system. They download no browser.
export default defineConfig({
  testDir: "test",
  outputDir: ".build/results",
  fullyParallel: true,
  workers: 2,
  timeout: 120_000, // no test that passes on a quiet machine takes half of it
  expect: { timeout: 15_000 }, // a test that passes does not wait for it; a busy machine needs it
  forbidOnly: true,
  reporter: "list",
  use: {
    browserName: "chromium",
    launchOptions: {
      executablePath: process.env.FIELDGATE_TEST_CHROMIUM ?? "/usr/bin/chromium",
      args: process.getuid?.() === 0 ? ["--no-sandbox"] : [],
    },
    locale: "en-GB",
    trace: "retain-on-failure",
  },
});
