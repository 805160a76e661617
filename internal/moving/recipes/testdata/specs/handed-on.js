// Tests with the sign-in of their worker. Each goes on until the session's refresh token has
// rotated, so the state of the sign-in is too old for the last of them.
import { expect } from "@playwright/test";
import { test } from "./signed-in.js";

for (const name of ["one", "two", "three"]) {
  test(`the session rotates in test ${name}`, async ({ page }) => {
    const rotations = async () => {
      await page.goto("/rotations");
      const text = await page.textContent("body");
      expect(text).toMatch(/^rotations of Ada: \d+$/);
      return text;
    };
    const before = await rotations();
    await expect.poll(rotations).not.toBe(before);
    await rotations();
  });
}
