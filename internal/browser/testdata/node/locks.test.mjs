// Tabs take turns to refresh (Web Locks). That only saves requests.
import assert from "node:assert/strict";
import { test } from "node:test";
import { channels, codeOf, json, open, refreshed, session, settle } from "./page.mjs";

const second = 1000;
const due = { session: session(), dataset: { expiresIn: "0", session: "s1" } };

/** A lock as in a browser: one holder at a time, and a waiting request can be aborted. */
function locks() {
  const lock = { names: [], waiting: [], free: true };
  const next = () => {
    lock.free = true;
    lock.waiting.shift()?.();
  };
  lock.release = async () => {
    next();
    await settle();
  };
  navigator.locks = {
    request(name, { signal }, work) {
      lock.names.push(name);
      return new Promise((resolve, reject) => {
        const begin = () => {
          lock.free = false;
          signal.removeEventListener("abort", giveUp);
          resolve(Promise.resolve(work()).finally(next));
        };
        const giveUp = () => {
          lock.waiting.splice(lock.waiting.indexOf(begin), 1);
          reject(signal.reason);
        };
        signal.addEventListener("abort", giveUp);
        if (lock.free) begin();
        else lock.waiting.push(begin);
      });
    },
  };
  return lock;
}

test("a refresh runs under a lock that is named after the server", async (t) => {
  const page = await open(t, { ...due, answer: () => refreshed(2) });
  const lock = locks();
  await page.lucia.refreshTokens();
  assert.deepEqual(lock.names, ["lucia:/api/auth/"]);
  assert.equal(page.requests.length, 1);
  assert.ok(lock.free);
});

for (const [what, answer, code] of [
  ["no answer", () => undefined, "UNKNOWN"],
  [
    "an unavailable store",
    () => json(503, { message: "DATABASE_FETCH_FAILED" }),
    "DATABASE_FETCH_FAILED",
  ],
  ["ended session", () => json(401, { message: "AUTH_UNAUTHORIZED" }), "AUTH_UNAUTHORIZED"],
]) {
  test(`a refresh that fails under the lock is one request: ${what}`, async (t) => {
    const codes = [];
    const page = await open(t, { ...due, answer });
    const lock = locks();
    page.lucia.handleSilentRefresh((e) => codes.push(e.message));
    assert.equal(await codeOf(page.lucia.refreshTokens()), code);
    assert.equal(page.requests.filter((r) => r.path.endsWith("refresh")).length, 1);
    assert.deepEqual(codes, [code]);
    assert.ok(lock.free);
  });
}

test("the lock may be held for longer than the wait for it", async (t) => {
  let answer;
  const page = await open(t, {
    ...due,
    answer: () => new Promise((resolve) => (answer = resolve)),
  });
  locks();
  const refresh = page.lucia.refreshTokens();
  await page.clock.advance(9 * second);
  answer(refreshed(2));
  assert.equal((await refresh).refresh_token, "refresh-2");
  assert.equal(page.requests.length, 1);
});

test("the wait for the lock ends after two seconds", async (t) => {
  const page = await open(t, { ...due, answer: () => refreshed(2) });
  const lock = locks();
  lock.free = false;
  page.lucia.handleSilentRefresh();
  await page.clock.advance(2 * second - 1);
  assert.equal(page.requests.length, 0);
  await page.clock.advance(1);
  assert.equal(page.requests.length, 1);
  assert.deepEqual(page.session(), session(2));
  await lock.release();
  await page.clock.advance(10 * second);
  assert.equal(page.requests.length, 1);
});

test("a tab that gets new tokens while it waits for the lock does not refresh", async (t) => {
  const page = await open(t, { ...due, answer: () => refreshed(3) });
  const tabs = channels();
  const lock = locks();
  lock.free = false;
  page.lucia.handleSilentRefresh();
  const refresh = page.lucia.refreshTokens();
  await page.clock.advance(second);
  await tabs.say({ session: session(2), sid: "s1", asked: Date.now(), expires: Date.now() + 900 * second });
  await lock.release();
  assert.equal((await refresh).refresh_token, "refresh-2");
  assert.equal(page.requests.length, 0);
  await page.clock.advance(841 * second);
  assert.equal(page.requests.length, 1);
});

for (const [what, arrange] of [
  ["no navigator.locks", () => delete navigator.locks],
  [
    "locks that are forbidden",
    () => {
      navigator.locks = {
        request() {
          throw new DOMException("no storage for this page", "SecurityError");
        },
      };
    },
  ],
  [
    "locks that fail",
    () => (navigator.locks = { request: () => Promise.reject(new Error("out of order")) }),
  ],
  ["no AbortSignal.timeout", () => (locks(), (AbortSignal.timeout = undefined))],
]) {
  test(`${what}: one request, at once`, async (t) => {
    const page = await open(t, { ...due, answer: () => refreshed(2) });
    arrange();
    page.lucia.handleSilentRefresh();
    await settle();
    assert.equal(page.requests.length, 1);
    assert.deepEqual(page.session(), session(2));
  });
}
