// A test that signs out, beside tests whose sessions go on.
import { expect, test } from "@playwright/test";

test.use({ storageState: { cookies: [], origins: [] } });

test("sign out", async ({ page }) => {
  await page.goto("/");
  await expect(page.getByText("Hello, stranger.")).toBeVisible();
  await page.goto("/login");
  await page.getByLabel("Username").fill("Ada");
  await page.getByLabel("Password").fill("secret");
  await page.getByRole("button", { name: "Sign in" }).click();
  await expect(page.getByText("Hello, Ada.")).toBeVisible();
  await page.getByRole("button", { name: "Sign out" }).click();
  await expect(page.getByText("Hello, stranger.")).toBeVisible();
});
