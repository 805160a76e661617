// The three tables of errors of lucia-sveltekit 0.9: each error has its code.
import assert from "node:assert/strict";
import { test } from "node:test";
import { json, open, session } from "./page.mjs";

const signedIn = { session: session(), dataset: { expiresIn: "900", session: "s1" } };
const answers = (status, message) => () => json(status, { message });
const noNetwork = () => undefined;

async function silent(lucia, page) {
  let error;
  lucia.handleSilentRefresh((e) => (error = e));
  await page.clock.advance(840_000);
  throw error;
}

for (const [name, call, rows] of [
  [
    "signOut",
    (lucia) => lucia.signOut(),
    [
      ["AUTH_NOT_AUTHENTICATED", "session is null", { session: null }],
      ["AUTH_NOT_AUTHENTICATED", "session has ended", answers(401, "AUTH_NOT_AUTHENTICATED")],
      ["DATABASE_UPDATE_FAILED", "store unavailable", answers(503, "DATABASE_UPDATE_FAILED")],
      ["UNKNOWN", "no network", noNetwork],
    ],
  ],
  [
    "refreshTokens",
    (lucia) => lucia.refreshTokens("refresh-of-another"),
    [
      ["AUTH_UNAUTHORIZED", "refused", answers(401, "AUTH_UNAUTHORIZED")],
      ["DATABASE_FETCH_FAILED", "store unavailable", answers(503, "DATABASE_FETCH_FAILED")],
      ["UNKNOWN", "no network", noNetwork],
    ],
  ],
  [
    "handleSilentRefresh",
    silent,
    [
      ["AUTH_UNAUTHORIZED", "session has ended", answers(401, "AUTH_UNAUTHORIZED")],
      ["DATABASE_FETCH_FAILED", "store unavailable", answers(503, "DATABASE_FETCH_FAILED")],
      ["UNKNOWN", "no network", noNetwork],
    ],
  ],
]) {
  for (const [code, what, how] of rows) {
    test(`${name}: ${code}, ${what}`, async (t) => {
      const options = typeof how === "function" ? { answer: how } : how;
      const page = await open(t, { ...signedIn, ...options });
      const error = await call(page.lucia, page).catch((e) => e);
      assert.ok(error instanceof page.lucia.LuciaError);
      assert.ok(error instanceof Error);
      assert.deepEqual([error.name, error.message], ["LuciaError", code]);
    });
  }
}
