// What a tab makes of the news from others.
import assert from "node:assert/strict";
import { test } from "node:test";
import { channels, codeOf, json, open, refreshed, session, settle } from "./page.mjs";

const second = 1000;

/** Opens a page of session s1 with 600 s to live, and returns how to tell it something. */
async function listening(t, options) {
  const page = await open(t, {
    session: session(),
    dataset: { expiresIn: "600", session: "s1" },
    ...options,
  });
  page.tabs = channels();
  page.codes = [];
  page.stop = page.lucia.handleSilentRefresh((e) => page.codes.push(e.message));
  page.tell = (news) =>
    page.tabs.say({ sid: "s1", life: 900 * second, at: Date.now(), ...news });
  return page;
}

test("tokens that live longer are taken, those that do not are older", async (t) => {
  const page = await listening(t);
  await page.tell({ session: session(0), life: 600 * second });
  assert.deepEqual(page.session(), session(1));
  await page.tell({ session: session(2) });
  assert.deepEqual(page.session(), session(2));
  assert.equal(page.events.at(-1).expires_in, 900);
  assert.deepEqual(page.codes, []);
});

test("the life of tokens is counted from when they were sent", async (t) => {
  const page = await listening(t);
  await page.tell({ session: session(0), at: Date.now() - 301 * second });
  assert.deepEqual(page.session(), session(1));
  await page.tell({ session: session(2), at: Date.now() - 200 * second });
  assert.equal(page.events.at(-1).expires_in, 700);
  assert.deepEqual(page.codes, []);
});

test("who is signed out stays it", async (t) => {
  const page = await listening(t);
  await page.tell({ session: null });
  assert.equal(page.session(), null);
  await page.tell({ session: session(2) });
  assert.equal(page.session(), null);
  assert.equal(page.reloads, 0);
  assert.deepEqual(page.codes, []);
});

test("a session of somebody else reloads the page, its end does not", async (t) => {
  const page = await listening(t);
  await page.tell({ sid: "s2", session: null });
  assert.equal(page.reloads, 0);
  await page.tell({ sid: "s2", session: session(1, { user_id: "u2" }) });
  assert.equal(page.reloads, 1);
  assert.deepEqual(page.session(), session());
  assert.deepEqual(page.codes, []);
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
    assert.deepEqual(page.codes, []);
  });
}

for (const [what, dataset, bare] of [
  ["of nobody", {}, false],
  ["without page data that has no answer yet", {}, true],
]) {
  test(`a page ${what} stays what it is, whatever the others say`, async (t) => {
    const page = await listening(t, {
      session: null,
      dataset,
      bare,
      answer: () => new Promise(() => {}),
    });
    await settle();
    const asked = page.requests.length;
    for (const sid of ["s1", "", undefined]) {
      await page.tell({ sid, session: session(2) });
      await page.tell({ sid, session: null });
    }
    assert.equal(page.session(), null);
    assert.equal(page.reloads, 0);
    assert.equal(page.requests.length, asked);
    assert.deepEqual(page.codes, []);
  });
}

// A refresh is under way, and meanwhile another tab has sent the tokens of its own.
test("tokens heard during a refresh that fails will do: no report, no pause", async (t) => {
  const answers = [];
  const page = await listening(t, {
    answer: () => new Promise((resolve) => answers.push(resolve)),
  });
  const refresh = page.lucia.refreshTokens();
  await settle();
  await page.tell({ session: session(2) });
  answers[0](json(502));
  assert.equal(await codeOf(refresh), "UNKNOWN");
  assert.deepEqual(page.session(), session(2));
  assert.deepEqual(page.codes, []);
  await page.clock.advance(840 * second);
  assert.equal(page.requests.length, 2);
  assert.equal(page.requests[1].authorization, "Bearer refresh-2");
});

test("tokens heard during a refresh that finds the session over do not save it", async (t) => {
  let answer;
  const page = await listening(t, { answer: () => new Promise((resolve) => (answer = resolve)) });
  const refresh = page.lucia.refreshTokens();
  await settle();
  await page.tell({ session: session(2) });
  answer(json(401, { message: "AUTH_UNAUTHORIZED" }));
  assert.equal(await codeOf(refresh), "AUTH_UNAUTHORIZED");
  assert.equal(page.session(), null);
  assert.deepEqual(page.codes, ["AUTH_UNAUTHORIZED"]);
});

test("a channel is open while silent refresh is on and the page is not put away", async (t) => {
  const page = await listening(t);
  const { open } = page.tabs;
  assert.equal(open.size, 1);
  for (let i = 0; i < 2; i++) {
    page.window.dispatchEvent(new Event("pagehide"));
    assert.equal(open.size, 0);
    page.window.dispatchEvent(Object.assign(new Event("pageshow"), { persisted: true }));
    assert.equal(open.size, 1);
  }
  await settle();
  await page.tell({ session: session(2) });
  assert.deepEqual(page.session(), session(2));
  page.stop();
  assert.equal(open.size, 0);
});

test("what is told goes out on channels that are closed again", async (t) => {
  const page = await listening(t, { answer: () => refreshed(2) });
  page.tabs.said.length = 0;
  await page.lucia.refreshTokens();
  assert.deepEqual(page.tabs.said, [
    { session: session(2), sid: "s1", life: 900 * second, at: Date.now() },
  ]);
  assert.equal(page.tabs.open.size, 1);
});

test("stopping leaves no channel, no listener and no timer, whenever it comes", async (t) => {
  let answer;
  const page = await listening(t, { answer: () => new Promise((resolve) => (answer = resolve)) });
  const nothing = () => {
    assert.equal(page.tabs.open.size, 0);
    assert.equal(page.window.listeners, 0);
    assert.equal(page.document.listeners, 0);
    assert.equal(page.clock.timers.size, 0);
  };
  page.stop();
  nothing();

  const stop = page.lucia.handleSilentRefresh();
  await page.clock.advance(540 * second);
  assert.equal(page.requests.length, 1);
  stop(); // with a refresh under way
  answer(refreshed(2));
  await settle();
  nothing();
  assert.deepEqual(page.session(), session(2));

  const again = page.lucia.handleSilentRefresh();
  page.window.dispatchEvent(new Event("pagehide"));
  again(); // while the page is put away
  page.window.dispatchEvent(Object.assign(new Event("pageshow"), { persisted: true }));
  await page.clock.advance(24 * 3600 * second);
  nothing();
  assert.equal(page.requests.length, 1);
});
