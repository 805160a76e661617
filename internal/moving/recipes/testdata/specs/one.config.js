// The configuration for a single file, with this machine's browser and the app under test.
export default {
  testMatch: "passkeys.spec.js",
  timeout: 120_000,
  expect: { timeout: 60_000 },
  globalTimeout: 300_000,
  use: {
    baseURL: process.env.APP_URL,
    launchOptions: { executablePath: process.env.CHROMIUM, args: ["--no-sandbox"] },
  },
};
