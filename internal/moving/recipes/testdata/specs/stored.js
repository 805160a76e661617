// Tests with the stored state of the setup project. Each goes on until its browser has got two new
// access tokens, so it refreshes with its copy of the refresh token.
import { expect, test } from "@playwright/test";

for (const name of ["one", "two"]) {
  test(`the copy of test ${name} is refreshed`, async ({ page, context }) => {
    const stored = async () => (await context.cookies()).find(({ name }) => name.endsWith("access_token"))?.value;
    const accessToken = async () => {
      await page.goto("/");
      expect(await page.textContent("body")).toContain("Hello, Ada.");
      return stored();
    };
    const first = await stored();
    await expect.poll(accessToken).not.toBe(first);
    const second = await stored();
    await expect.poll(accessToken).not.toBe(second);
  });
}
