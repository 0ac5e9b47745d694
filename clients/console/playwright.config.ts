import { defineConfig } from "@playwright/test";

// The tests run in the Chromium that is installed on the system. They download no browser.
export default defineConfig({
  testDir: "test",
  outputDir: ".build/results",
  fullyParallel: true,
  workers: 2,
  timeout: 30_000,
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
