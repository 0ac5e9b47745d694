import { defineConfig } from "@playwright/test";

// The browser is the system's: none is downloaded.
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
