// How a tab handles messages of other tabs.
import assert from "node:assert/strict";
import { test } from "node:test";
import { channels, codeOf, json, open, refreshed, session, settle } from "./page.mjs";

const second = 1000;

/** Opens a page of session s1 with 600 s to live, and a channel that sends it messages. */
async function listening(t, options) {
  const page = await open(t, {
    session: session(),
    dataset: { expiresIn: "600", session: "s1" },
    ...options,
  });
  page.tabs = channels();
  page.codes = [];
  page.stop = page.lucia.handleSilentRefresh((e) => page.codes.push(e.message));
  // Sends tokens: their life from `at`, and how long before that they were asked for.
  page.tell = ({ life = 900 * second, age = 0, at = Date.now(), ...news }) =>
    page.tabs.say({ sid: "s1", asked: at - age, expires: at + life, ...news });
  return page;
}

test("tokens that expire later are newer and are adopted, others are ignored", async (t) => {
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

test("a signed-out tab stays signed out", async (t) => {
  const page = await listening(t);
  await page.tell({ session: null });
  assert.equal(page.session(), null);
  await page.tell({ session: session(2) });
  assert.equal(page.session(), null);
  assert.equal(page.replaced.length, 0);
  assert.deepEqual(page.codes, []);
});

/** The server's answer: the browser's session is this one. */
const word = (id, user_id) =>
  json(200, { _lucia: id ? session(1, { user_id }) : null, session_id: id, expires_in: 900 });
const s2 = { sid: "s2", session: session(1, { user_id: "u2" }) };

test("a message about another session only causes a request", async (t) => {
  const page = await listening(t, { answer: () => word("s1", "u1") });
  for (let i = 0; i < 2; i++) {
    await page.tell(s2);
    await page.tell({ sid: "s2", session: null });
  }
  assert.ok(page.requests.every(({ path }) => path === "/api/auth/session"));
  assert.equal(page.replaced.length, 0);
  assert.equal(page.session().user.user_id, "u1");
  assert.deepEqual(page.codes, []);
});

for (const [what, answer] of [
  ["no answer", () => undefined],
  ["a failing proxy", () => json(502)],
  ["an unavailable store", () => json(503, { message: "DATABASE_FETCH_FAILED" })],
]) {
  test(`a message about another user's session, ${what}: the page does not change`, async (t) => {
    const page = await listening(t, { answer });
    await page.tell(s2);
    await page.clock.advance(60 * second);
    assert.equal(page.replaced.length, 0);
    assert.deepEqual(page.session(), session());
    assert.equal(page.document.documentElement.inert, false);
  });
}

test("another user's session replaces the page by a GET once, even if the message comes again", async (t) => {
  const page = await listening(t, { answer: () => word("s2", "u2") });
  for (let i = 0; i < 3; i++) await page.tell(s2);
  assert.deepEqual(page.replaced, ["/here?q"]);
  assert.equal(page.requests.length, 1);
  assert.equal(page.session(), null);
  assert.equal(page.fields[0].value, "");
  assert.deepEqual(page.events.at(-1), { session: null, expires_in: 0, idle_in: 0, stale: true });
  assert.equal(page.document.documentElement.inert, true);
  assert.deepEqual(page.codes, []);
});

test("a page that was already replaced for that session stays and is stale", async (t) => {
  const page = await listening(t, { answer: () => word("s2", "u2") });
  page.remembered.set(page.key() + "/here?q", "s2");
  await page.tell(s2);
  assert.deepEqual(page.replaced, []);
  assert.equal(page.session(), null);
  assert.deepEqual(page.events.at(-1), { session: null, expires_in: 0, idle_in: 0, stale: true });
});

test("without storage the page is not replaced", async (t) => {
  const page = await listening(t, { answer: () => word("s2", "u2") });
  Object.defineProperty(globalThis, "sessionStorage", {
    configurable: true,
    get() {
      throw new DOMException("no storage for this page", "SecurityError");
    },
  });
  await page.tell(s2);
  assert.deepEqual(page.replaced, []);
  assert.equal(page.events.at(-1).stale, true);
});

test("a page that answers a POST stays and is stale until its user is back", async (t) => {
  let answer = word("s2", "u2");
  const page = await listening(t, {
    dataset: { expiresIn: "600", session: "s1", method: "POST" },
    answer: () => answer.clone(),
  });
  await page.tell(s2);
  assert.deepEqual(page.replaced, []);
  assert.equal(page.session(), null);
  assert.equal(page.fields[0].value, "");
  assert.equal(page.document.documentElement.inert, true);
  assert.deepEqual(page.events.at(-1), { session: null, expires_in: 0, idle_in: 0, stale: true });
  assert.deepEqual([...page.stored.values()], ["s2"]);

  answer = word("s3", "u1");
  await page.tell({ sid: "s3", session: session() });
  assert.equal(page.document.documentElement.inert, false);
  assert.deepEqual(page.session(), session());
  assert.equal(page.fields[0].value, session().access_token);
  assert.deepEqual(page.events.at(-1), { session: session(), expires_in: 900, stale: false });
  assert.deepEqual(page.replaced, []);
});

test("a new session of the same user is adopted in place", async (t) => {
  const page = await listening(t, { answer: () => word("s2", "u1") });
  await page.tell({ session: null });
  assert.equal(page.session(), null);
  await page.tell({ sid: "s2", session: session(1) });
  assert.deepEqual(page.replaced, []);
  assert.deepEqual(page.session(), session(1));
  assert.equal(page.fields[0].value, session(1).access_token);
  assert.deepEqual([...page.stored.values()], ["s2"]);
  assert.deepEqual(
    page.requests.map((r) => r.path),
    ["/api/auth/session"],
  );
  // The page then refreshes and receives sign-outs like any other.
  await page.tell({ sid: "s2", session: null });
  assert.equal(page.session(), null);
});

test("a signed-out page that becomes visible notices a sign-in in another tab and is not replaced", async (t) => {
  const page = await open(t, { answer: () => word("s1", "u1") });
  page.lucia.handleSilentRefresh();
  page.window.dispatchEvent(new Event("focus"));
  await settle();
  assert.equal(page.requests.length, 0);
  page.stored.set(page.key(), "s1");
  for (const type of ["visibilitychange", "focus"]) page.window.dispatchEvent(new Event(type));
  await settle();
  assert.equal(page.requests.length, 1);
  assert.deepEqual(page.session(), session());
  assert.deepEqual(page.events.at(-1), { session: session(), expires_in: 900, stale: false });
  assert.deepEqual(page.replaced, []);
});

test("newer data of the same user are adopted", async (t) => {
  const page = await listening(t);
  await page.clock.advance(100 * second);
  const renamed = session(1, { user_id: "u1", username: "ada" });
  // Older data are not.
  await page.tell({ session: renamed, life: 500 * second, age: 200 * second });
  assert.deepEqual(page.session(), session());
  await page.tell({ session: renamed, life: 499 * second, age: second });
  assert.deepEqual(page.session(), renamed);
  assert.equal(page.requests.length, 0);
});

test("loadSession adopts the browser's session and tells the other tabs", async (t) => {
  const page = await open(t, { answer: () => word("s1", "u1") });
  const tabs = channels();
  page.lucia.handleSilentRefresh();
  tabs.said.length = 0;
  assert.deepEqual(await page.lucia.loadSession(), session());
  assert.deepEqual(page.session(), session());
  assert.deepEqual(
    tabs.said.map(({ sid, session }) => [sid, session]),
    [["s1", session()]],
  );
  await tabs.say({ sid: "s1", session: null });
  assert.equal(page.session(), null);
});

test("loadSession adopts another user's session in place", async (t) => {
  const page = await listening(t, { answer: () => word("s2", "u2") });
  assert.equal((await page.lucia.loadSession()).user.user_id, "u2");
  assert.deepEqual(page.replaced, []);
  assert.equal(page.events.at(-1).stale, false);
});

test("loadSession after a sign-out by script tells the other tabs", async (t) => {
  const page = await listening(t, { answer: () => word() });
  page.tabs.said.length = 0;
  assert.equal(await page.lucia.loadSession(), null);
  assert.deepEqual(
    page.tabs.said.map(({ sid, session }) => [sid, session]),
    [["", null]],
  );
  assert.deepEqual(page.replaced, []);
});

test("loadSession without an answer rejects, and the page does not change", async (t) => {
  const page = await listening(t, { answer: () => json(503, { message: "DATABASE_FETCH_FAILED" }) });
  assert.equal(await codeOf(page.lucia.loadSession()), "DATABASE_FETCH_FAILED");
  assert.deepEqual(page.session(), session());
});

for (const [what, answer, after, codes, requests] of [
  [
    "a sign-out",
    ({ path }) =>
      path.endsWith("/session")
        ? json(200, { _lucia: null, expires_in: 0 })
        : json(401, { message: "AUTH_UNAUTHORIZED" }),
    null,
    [],
    ["/api/auth/session", "/api/auth/refresh"],
  ],
  [
    "an unavailable store",
    () => json(503, { message: "DATABASE_FETCH_FAILED" }),
    session(),
    ["DATABASE_FETCH_FAILED"],
    ["/api/auth/session"],
  ],
]) {
  test(`a message of a page without a session may mean ${what}: the server decides`, async (t) => {
    const page = await listening(t, { answer });
    await page.tell({ sid: "", session: null });
    assert.deepEqual(
      page.requests.map((r) => r.path),
      requests,
    );
    assert.deepEqual(page.session(), after);
    assert.deepEqual(page.codes, codes);
  });
}

for (const [what, dataset, bare] of [
  ["without a session that has no answer yet", {}, false],
  ["without page data that has no answer yet", {}, true],
]) {
  test(`a page ${what} ignores messages of other tabs`, async (t) => {
    const page = await listening(t, {
      session: null,
      dataset,
      bare,
      answer: () => new Promise(() => {}),
    });
    await settle();
    for (const sid of ["s1", "", undefined]) {
      await page.tell({ sid, session: session(2) });
      await page.tell({ sid, session: null });
    }
    assert.equal(page.session(), null);
    assert.equal(page.replaced.length, 0);
    assert.equal(page.requests.length, 1);
    assert.deepEqual(page.codes, []);
  });
}

// During a refresh another tab sends its tokens.
test("tokens from another tab make up for a failed refresh: no report, no pause", async (t) => {
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

test("tokens from another tab do not prevent the end of a session that a refresh finds", async (t) => {
  let answer;
  const page = await listening(t, {
    answer: ({ path }) =>
      path.endsWith("/session") ? word() : new Promise((resolve) => (answer = resolve)),
  });
  const refresh = page.lucia.refreshTokens();
  await settle();
  await page.tell({ session: session(2) });
  answer(json(401, { message: "AUTH_UNAUTHORIZED" }));
  assert.equal(await codeOf(refresh), "AUTH_UNAUTHORIZED");
  assert.equal(page.session(), null);
  assert.deepEqual(page.codes, ["AUTH_UNAUTHORIZED"]);
});

test("a channel is open while silent refresh is on and the page is not in the cache", async (t) => {
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

test("messages are sent through channels that are closed again", async (t) => {
  const page = await listening(t, { answer: () => refreshed(2) });
  page.tabs.said.length = 0;
  await page.lucia.refreshTokens();
  assert.deepEqual(page.tabs.said, [
    {
      session: session(2),
      sid: "s1",
      reported: Date.now(),
      asked: Date.now(),
      expires: Date.now() + 900 * second,
    },
  ]);
  assert.equal(page.tabs.open.size, 1);
});

test("stopping at any time leaves no channel, listener or timer", async (t) => {
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
  stop(); // with a refresh in progress
  answer(refreshed(2));
  await settle();
  nothing();
  assert.deepEqual(page.session(), session(2));

  const again = page.lucia.handleSilentRefresh();
  page.window.dispatchEvent(new Event("pagehide"));
  again(); // while the page is in the cache
  page.window.dispatchEvent(Object.assign(new Event("pageshow"), { persisted: true }));
  await page.clock.advance(24 * 3600 * second);
  nothing();
  assert.equal(page.requests.length, 1);
});
