// A tab signs out, or another user signs in there, and another tab learns of it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { challenge, channels, codeOf, json, open, origin, refreshed } from "./page.mjs";
import { session, settle } from "./page.mjs";

const second = 1000;
const day = 24 * 3600 * second;
const dataset = { expiresIn: "900", session: "s1" };
const over = () => json(401, { message: "AUTH_UNAUTHORIZED" });

/** Opens a page of session s1 with 900 s to live, with silent refresh on. */
async function apart(t, options) {
  const page = await open(t, { session: session(), dataset, ...options });
  const start = () => page.lucia.handleSilentRefresh((error) => page.codes.push(error.message));
  return Object.assign(page, { codes: [], start });
}

const forbid = () => {
  throw new DOMException("no storage for this page", "SecurityError");
};
const writeOnly = { setItem() {}, removeItem() {} };
for (const [what, storage] of [
  ["getItem", { value: new Proxy({}, { get: (_, key) => writeOnly[key] ?? forbid() }) }],
  ["localStorage", { get: forbid }],
]) {
  // The browser's session is unknown, so the page stays hidden until the server answers.
  test(`${what} throws: a page from the cache is hidden until the server answers`, async (t) => {
    let answer;
    const page = await apart(t, {
      answer: () => new Promise((resolve) => (answer = resolve)),
    });
    Object.defineProperty(globalThis, "localStorage", { ...storage, configurable: true });
    const { style } = page.document.documentElement;
    page.start();
    page.window.dispatchEvent(new Event("pagehide"));
    assert.match(style.cssText, /opacity:0!important/);
    page.window.dispatchEvent(Object.assign(new Event("pageshow"), { persisted: true }));
    await settle();
    assert.match(style.cssText, /opacity:0!important/);
    answer(json(200, { _lucia: session(), session_id: "s1", expires_in: 900 }));
    await settle();
    assert.equal(style.cssText, "");
    assert.equal(page.replaced.length, 0);
  });
}

for (const [what, leave] of [
  ["here", (page) => page.lucia.signOut()],
  [
    "in another tab",
    (page) => page.tabs.say({ session: null, sid: "s1" }),
  ],
  ["by the server", (page) => codeOf(page.lucia.refreshTokens())],
]) {
  test(`signed out ${what}, a page is replaced when another user signs in`, async (t) => {
    let _lucia = null;
    const page = await apart(t, {
      answer: ({ path }) => {
        if (path.endsWith("/session"))
          return json(200, { _lucia, session_id: _lucia ? "s2" : undefined, expires_in: 900 });
        return path.endsWith("logout") ? json(204) : over();
      },
    });
    page.tabs = channels();
    page.start();
    await leave(page);
    assert.equal(page.session(), null);
    assert.equal(page.replaced.length, 0);
    _lucia = session(1, { user_id: "u2" });
    await page.tabs.say({
      session: _lucia,
      sid: "s2",
      asked: Date.now(),
      expires: Date.now() + 900 * second,
    });
    assert.deepEqual(page.replaced, ["/here?q"]);
    assert.equal(page.session(), null);
  });
}

const user = { user_id: "u1" };
for (const [what, options, answer] of [
  ["new tokens", {}, () => refreshed(2)],
  ["new tokens in hardened mode", { session: { user } }, () => json(200, { user, expires_in: 900, session_id: "s1" })],
  ["the end of the session", {}, over],
  ["an unavailable store", {}, () => json(503, { message: "DATABASE_FETCH_FAILED" })],
  ["no answer", {}, () => undefined],
]) {
  test(`a sign-out during a refresh that returns ${what} holds and is not reported`, async (t) => {
    let late;
    const page = await apart(t, {
      ...options,
      answer: () => new Promise((resolve) => (late = resolve)),
    });
    const tabs = channels();
    page.start();
    await page.clock.advance(840 * second);
    assert.equal(page.requests.length, 1);
    await tabs.say({ session: null, sid: "s1" });
    assert.equal(page.session(), null);
    const heard = [];
    page.lucia.getSession().subscribe((value) => heard.push(value));
    tabs.said.length = 0;

    late(answer());
    await page.clock.advance(day);
    assert.deepEqual(heard, [null]);
    // In hardened mode the form still names the session of its page.
    assert.equal(page.fields[0].value, options.session ? "s1" : "");
    assert.deepEqual([...page.stored.values()], []);
    assert.deepEqual(page.codes, []);
    assert.deepEqual(tabs.said, []);
    assert.equal(page.requests.length, 1);
    assert.equal(page.replaced.length, 0);
  });
}

// Without channels and locks only the server knows. Its answer to a refresh of the ended session
// does not depend on who is signed in now.
for (const [what, cookies, codes] of [
  ["a sign-out", { _lucia: null, expires_in: 0 }, ["AUTH_UNAUTHORIZED"]],
  [
    "a sign-in of another user",
    { _lucia: session(1, { user_id: "u2" }), session_id: "s2", expires_in: 900 },
    [], // the page is replaced
  ],
]) {
  for (const [how, find] of [
    ["silent refresh", () => {}],
    ["refreshTokens", (page) => codeOf(page.lucia.refreshTokens())],
    ["luciaFetch", (page) => page.lucia.luciaFetch(origin + "/api")],
  ]) {
    test(`no channels, ${what} in another tab, found by ${how}: the session has ended`, async (t) => {
      const page = await apart(t, {
        answer: ({ path }) => {
          if (path.endsWith("/session")) return json(200, cookies);
          return path.endsWith("/refresh") ? over() : json(401, {}, challenge);
        },
      });
      assert.deepEqual([globalThis.BroadcastChannel, navigator.locks], [undefined, undefined]);
      page.start();
      await find(page);
      await page.clock.advance(day);
      page.window.dispatchEvent(new Event("focus"));
      await settle();
      assert.equal(page.session(), null);
      assert.equal(page.fields[0].value, "");
      assert.deepEqual(page.codes, codes);
      assert.deepEqual(page.replaced, codes.length ? [] : ["/here?q"]);

      const before = page.requests.length;
      const response = await page.lucia.luciaFetch(origin + "/api");
      assert.equal(response.status, 401);
      assert.equal(page.requests.length, before + 1);
      assert.equal(page.requests.at(-1).authorization, null);
      assert.deepEqual(page.codes, codes);
      assert.equal(page.requests.filter((r) => r.path.endsWith("/refresh")).length, 1);
    });
  }
}

test("a signed-out page from the cache asks the server if storage is blocked", async (t) => {
  const page = await open(t, {
    answer: () => json(200, { _lucia: session(), session_id: "s1", expires_in: 900 }),
  });
  page.lucia.handleSilentRefresh();
  page.window.dispatchEvent(new Event("pagehide"));
  Object.defineProperty(globalThis, "localStorage", {
    configurable: true,
    get() {
      throw new Error("denied");
    },
  });
  page.window.dispatchEvent(Object.assign(new Event("pageshow"), { persisted: true }));
  await settle();
  assert.deepEqual(page.replaced, ["/here?q"]);
});
