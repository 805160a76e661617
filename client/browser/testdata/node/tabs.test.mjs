// What a tab makes of the news from others.
import assert from "node:assert/strict";
import { test } from "node:test";
import { json, open, session, settle } from "./page.mjs";

const second = 1000;

/** Opens a page of session s1 with 600 s to live, and returns how to tell it something. */
async function listening(t, options) {
  const page = await open(t, {
    session: session(),
    dataset: { expiresIn: "600", session: "s1" },
    ...options,
  });
  let channel;
  globalThis.BroadcastChannel = class {
    constructor() {
      channel ??= this;
    }
    postMessage() {}
    close() {}
  };
  page.lucia.handleSilentRefresh(() => assert.fail());
  page.tell = async (news) => {
    channel.onmessage({ data: { sid: "s1", life: 900 * second, at: Date.now(), ...news } });
    await settle();
  };
  return page;
}

test("tokens that live longer are taken, those that do not are older", async (t) => {
  const page = await listening(t);
  await page.tell({ session: session(0), life: 600 * second });
  assert.deepEqual(page.session(), session(1));
  await page.tell({ session: session(2) });
  assert.deepEqual(page.session(), session(2));
  assert.equal(page.events.at(-1).expires_in, 900);
});

test("the life of tokens is counted from when they were sent", async (t) => {
  const page = await listening(t);
  await page.tell({ session: session(0), at: Date.now() - 301 * second });
  assert.deepEqual(page.session(), session(1));
  await page.tell({ session: session(2), at: Date.now() - 200 * second });
  assert.equal(page.events.at(-1).expires_in, 700);
});

test("who is signed out stays it", async (t) => {
  const page = await listening(t);
  await page.tell({ session: null });
  assert.equal(page.session(), null);
  await page.tell({ session: session(2) });
  assert.equal(page.session(), null);
  assert.equal(page.reloads, 0);
});

test("a session of somebody else reloads the page, its end does not", async (t) => {
  const page = await listening(t);
  await page.tell({ sid: "s2", session: null });
  assert.equal(page.reloads, 0);
  await page.tell({ sid: "s2", session: session(1, { user_id: "u2" }) });
  assert.equal(page.reloads, 1);
  assert.deepEqual(page.session(), session());
});

for (const [what, answer, after] of [
  ["a sign-out", () => json(200, { _lucia: null, expires_in: 0 }), null],
  ["a store out of order", () => json(503, { message: "DATABASE_FETCH_FAILED" }), session()],
]) {
  test(`a page of nobody may mean ${what}: the server is asked`, async (t) => {
    const page = await listening(t, { answer });
    await page.tell({ sid: "", session: null });
    assert.deepEqual(
      page.requests.map((r) => r.path),
      ["/api/auth/session"],
    );
    assert.deepEqual(page.session(), after);
  });
}
