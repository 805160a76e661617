// The module on a server, where there is no page.
import assert from "node:assert/strict";
import { test } from "node:test";
import { codeOf } from "./page.mjs";
import * as lucia from "../../lucia.js";

test("importing has no effect, and the session is null", () => {
  lucia.getSession().subscribe((value) => assert.equal(value, null))();
});

test("each getSession returns a new, empty store", () => {
  const [one, other] = [lucia.getSession(), lucia.getSession()];
  const heard = [];
  const stop = one.subscribe((value) => heard.push(value?.user.user_id));
  one.set({ user: { user_id: "u1" } });
  one.update((value) => ({ user: { user_id: value.user.user_id + "!" } }));
  stop();
  one.set(null);
  assert.deepEqual(heard, [undefined, "u1", "u1!"]);
  one.set({ user: { user_id: "u1" }, access_token: "a.b.c" });
  other.subscribe((value) => assert.equal(value, null));
  lucia.getSession().subscribe((value) => assert.equal(value, null));
});

test("signOut and loadSession reject", async () => {
  assert.equal(await codeOf(lucia.signOut("/")), "UNKNOWN");
  assert.equal(await codeOf(lucia.loadSession()), "UNKNOWN");
});

test("refreshTokens rejects", async () => {
  assert.equal(await codeOf(lucia.refreshTokens()), "AUTH_UNAUTHORIZED");
  assert.equal(await codeOf(lucia.refreshTokens("")), "AUTH_UNAUTHORIZED");
  assert.equal(await codeOf(lucia.refreshTokens("token")), "UNKNOWN");
});

test("handleSilentRefresh does nothing, and so does stopping it", () => {
  lucia.handleSilentRefresh(() => assert.fail())();
});

test("luciaFetch is fetch", async (t) => {
  const real = globalThis.fetch;
  t.after(() => (globalThis.fetch = real));
  globalThis.fetch = async (request) =>
    new Response(request.url + request.headers.get("Authorization"));
  const response = await lucia.luciaFetch("https://app.example/api");
  assert.equal(await response.text(), "https://app.example/apinull");
});
