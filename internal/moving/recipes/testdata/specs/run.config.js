// The documented configuration, with this machine's browser and the address of the app under test.
import config from "./playwright.config.js";

export default {
  ...config,
  workers: 2,
  retries: 0,
  timeout: 120_000,
  expect: { timeout: 60_000 },
  globalTimeout: 300_000,
  use: {
    ...config.use,
    baseURL: process.env.APP_URL,
    launchOptions: { executablePath: process.env.CHROMIUM, args: ["--no-sandbox"] },
  },
};
