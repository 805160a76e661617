// Silent refresh with a clock that the test advances.
import assert from "node:assert/strict";
import { test } from "node:test";
import { codeOf, instance, json, open, refreshed, session, settle } from "./page.mjs";

const second = 1000;
const hour = 3600 * second;
const visible = () => new Event("visibilitychange", { bubbles: true });
const signedIn = (expiresIn) => ({
  session: session(),
  dataset: { expiresIn: String(expiresIn), session: "s1" },
});

// One minute before expiry, or a third of the life before if that is a minute or less.
for (const [expiresIn, after] of [
  [900, 840 * second],
  [70, 10 * second],
  [61, 1 * second],
  [60, 40 * second],
  [30, 20 * second],
  [3, 2 * second],
  [0, 0],
]) {
  test(`a token with ${expiresIn} s to live is replaced after ${after / second} s`, async (t) => {
    const page = await open(t, { ...signedIn(expiresIn), answer: () => refreshed(2) });
    page.lucia.handleSilentRefresh();
    if (after) {
      await page.clock.advance(after - 1);
      assert.equal(page.requests.length, 0);
    }
    await page.clock.advance(1);
    assert.equal(page.requests.length, 1);
    assert.equal(page.requests[0].authorization, "Bearer refresh-1");
    assert.deepEqual(page.session(), session(2));
  });
}

test("tokens that live a second are not replaced more than once a second", async (t) => {
  const page = await open(t, { ...signedIn(1), answer: (_, n) => refreshed(n + 1, 1) });
  page.lucia.handleSilentRefresh();
  await page.clock.advance(10 * second);
  assert.ok(
    page.requests.length >= 9 && page.requests.length <= 11,
    `${page.requests.length} requests`,
  );
});

test("silent refresh continues for a day, once in each period", async (t) => {
  const page = await open(t, { ...signedIn(900), answer: (_, n) => refreshed(n + 1) });
  page.lucia.handleSilentRefresh();
  await page.clock.advance(24 * hour);
  assert.equal(page.requests.length, Math.floor((24 * 3600) / 840));
});

for (const [who, options, requests] of [
  ["a signed-in user's", signedIn(900), 102],
  ["a signed-in user's, with a token of an hour,", signedIn(3600), 24],
  ["a visitor's", {}, 0],
  ["a visitor's, without storage,", { blocked: true }, 0],
]) {
  test(`nothing polls: ${who} tab, open and untouched for a day, sends ${requests} requests`, async (t) => {
    const life = Number(options.dataset?.expiresIn);
    const page = await open(t, { ...options, answer: (_, n) => refreshed(n + 1, life) });
    if (options.blocked) {
      for (const storage of ["localStorage", "sessionStorage"]) {
        Object.defineProperty(globalThis, storage, {
          configurable: true,
          get() {
            throw new DOMException("no storage for this page", "SecurityError");
          },
        });
      }
    }
    page.lucia.handleSilentRefresh(() => assert.fail());
    await page.clock.advance(24 * hour);
    assert.equal(page.requests.length, requests);
    assert.ok(page.requests.every(({ path }) => path === "/api/auth/refresh"));
  });
}

test("the life of the token counts from the navigation, not from the module's load", async (t) => {
  const page = await open(t, { ...signedIn(900), answer: () => refreshed(2) });
  await page.clock.advance(850 * second);
  page.lucia.handleSilentRefresh();
  await settle();
  assert.equal(page.requests.length, 1);
});

for (const [what, by] of [
  ["an hour", hour],
  ["a year", 365 * 24 * hour],
]) {
  for (const sign of [-1, 1]) {
    test(`a date that is ${what} ${sign < 0 ? "behind" : "ahead"} changes nothing`, async (t) => {
      const page = await open(t, { ...signedIn(900), answer: () => refreshed(2) });
      page.clock.date += sign * by;
      const lucia = await instance();
      lucia.handleSilentRefresh();
      await page.clock.advance(840 * second - 1);
      assert.equal(page.requests.length, 0);
      await page.clock.advance(1);
      assert.equal(page.requests.length, 1);
    });
  }
}

test("a date set back changes nothing, a date set forward costs one refresh", async (t) => {
  const page = await open(t, { ...signedIn(900), answer: (_, n) => refreshed(n + 1) });
  page.lucia.handleSilentRefresh();
  page.clock.date -= hour;
  page.window.dispatchEvent(new Event("focus"));
  await settle();
  assert.equal(page.requests.length, 0);
  page.clock.date += hour;
  page.window.dispatchEvent(new Event("focus"));
  await page.clock.advance(800 * second);
  assert.equal(page.requests.length, 1);
});

test("a machine asleep for a day refreshes once when it wakes", async (t) => {
  const page = await open(t, { ...signedIn(900), answer: (_, n) => refreshed(n + 1) });
  page.lucia.handleSilentRefresh();
  await page.clock.advance(10 * second);
  await page.clock.sleep(24 * hour);
  assert.equal(page.requests.length, 0);
  page.document.dispatchEvent(visible());
  for (const type of ["online", "focus", "pageshow"]) page.window.dispatchEvent(new Event(type));
  await page.clock.advance(30 * second);
  assert.equal(page.requests.length, 1);
});

const restored = () => Object.assign(new Event("pageshow"), { persisted: true });
for (const [what, wake] of [
  ["becomes visible", (page) => page.document.dispatchEvent(visible())],
  ["gets the focus", (page) => page.window.dispatchEvent(new Event("focus"))],
  ["is online", (page) => page.window.dispatchEvent(new Event("online"))],
  ["comes from the cache", (page) => page.window.dispatchEvent(restored())],
]) {
  test(`a page that ${what} after a sleep checks at once, without a timer`, async (t) => {
    const page = await open(t, {
      ...signedIn(900),
      answer: ({ path }) => (path.endsWith("session") ? undefined : refreshed(2)),
    });
    page.lucia.handleSilentRefresh();
    await page.clock.sleep(24 * hour);
    assert.equal(page.requests.length, 0);
    wake(page);
    await settle();
    assert.equal(page.requests.at(-1)?.path, "/api/auth/refresh");
    assert.deepEqual(page.session(), session(2));
    assert.equal(page.replaced.length, 0);
  });
}

test("a page from the cache asks for the browser's session", async (t) => {
  const page = await open(t, {
    ...signedIn(900),
    answer: () => json(200, { _lucia: session(2), session_id: "s1", expires_in: 900 }),
  });
  page.lucia.handleSilentRefresh();
  page.window.dispatchEvent(new Event("pagehide"));
  await page.clock.sleep(24 * hour);
  page.window.dispatchEvent(restored());
  await settle();
  assert.deepEqual(
    page.requests.map((r) => r.path),
    ["/api/auth/session"],
  );
  assert.deepEqual(page.session(), session(2));
});

test("an outage is reported once, even if its errors differ", async (t) => {
  const codes = [];
  const page = await open(t, {
    ...signedIn(900),
    answer: (_, n) => (n % 2 ? undefined : json(503, { message: "DATABASE_FETCH_FAILED" })),
  });
  page.lucia.handleSilentRefresh((e) => codes.push(e.message));
  await page.clock.advance(hour);
  assert.ok(page.requests.length > 10);
  assert.deepEqual(codes, ["UNKNOWN"]);
});

test("an outage that ends with the end of the session causes two reports", async (t) => {
  const codes = [];
  const page = await open(t, {
    ...signedIn(900),
    answer: (_, n) => (n < 3 ? undefined : json(401, { message: "AUTH_UNAUTHORIZED" })),
  });
  page.lucia.handleSilentRefresh((e) => codes.push(e.message));
  await page.clock.advance(hour);
  assert.deepEqual(codes, ["UNKNOWN", "AUTH_UNAUTHORIZED"]);
  assert.equal(page.session(), null);
});

for (const life of ["1e999", "0.5", "1e-9"]) {
  test(`an answer whose token lives for ${life} s is invalid`, async (t) => {
    const { access_token, refresh_token } = session(2);
    const tokens = JSON.stringify({ access_token, refresh_token });
    const page = await open(t, {
      ...signedIn(900),
      answer: () => new Response(tokens.replace("}", `,"expires_in":${life}}`)),
    });
    assert.equal(await codeOf(page.lucia.refreshTokens()), "UNKNOWN");
    assert.deepEqual(page.session(), session());
  });
}

test("store unavailable: reported once, retried with growing pauses, session kept", async (t) => {
  const codes = [];
  let down = true;
  const times = [];
  const page = await open(t, {
    ...signedIn(900),
    answer: () => {
      times.push(page.clock.mono);
      return down ? json(503, { message: "DATABASE_FETCH_FAILED" }) : refreshed(2);
    },
  });
  page.lucia.handleSilentRefresh((e) => codes.push(e.message));
  await page.clock.advance(2 * hour);
  assert.deepEqual(codes, ["DATABASE_FETCH_FAILED"]);
  assert.deepEqual(page.session(), session());
  const pauses = times.slice(1).map((at, i) => at - times[i]);
  for (const [i, pause] of pauses.entries()) {
    const least = second * 2 ** Math.min(i, 5);
    assert.ok(pause >= least && pause <= 2 * least, `pause ${i} is ${pause} ms`);
  }
  assert.notEqual(new Set(pauses.slice(5)).size, 1, "pauses have no jitter");
  down = false;
  await page.clock.advance(64 * second);
  assert.deepEqual(page.session(), session(2));
  down = true;
  const outage = times.length;
  await page.clock.advance(841 * second);
  assert.deepEqual(codes, ["DATABASE_FETCH_FAILED", "DATABASE_FETCH_FAILED"]);
  await page.clock.advance(4 * second);
  const pause = times[outage + 1] - times[outage];
  assert.ok(pause <= 2 * second, `the pauses of the second outage begin with ${pause} ms`);
});

test("the module waits for the server's Retry-After", async (t) => {
  const page = await open(t, {
    ...signedIn(900),
    answer: (_, n) =>
      n === 1
        ? json(503, { message: "DATABASE_FETCH_FAILED" }, { "Retry-After": "120" })
        : refreshed(2),
  });
  page.lucia.handleSilentRefresh();
  await page.clock.advance(840 * second + 120 * second);
  page.window.dispatchEvent(new Event("focus"));
  assert.equal(page.requests.length, 1);
  await page.clock.advance(3 * second);
  assert.equal(page.requests.length, 2);
});

test("a Retry-After of a day is limited", async (t) => {
  const page = await open(t, {
    ...signedIn(900),
    answer: (_, n) =>
      n === 1
        ? json(503, { message: "DATABASE_FETCH_FAILED" }, { "Retry-After": "86400" })
        : refreshed(2),
  });
  page.lucia.handleSilentRefresh();
  await page.clock.advance((840 + 302) * second);
  assert.deepEqual(page.session(), session(2));
});

test("no network: UNKNOWN once, and a refresh soon after it is back", async (t) => {
  t.mock.method(Math, "random", () => 0); // otherwise a retry may fall into the observed second
  const codes = [];
  let up = false;
  const page = await open(t, { ...signedIn(30), answer: () => (up ? refreshed(2) : undefined) });
  page.lucia.handleSilentRefresh((e) => codes.push(e.message));
  await page.clock.advance(10 * 60 * second);
  assert.deepEqual(codes, ["UNKNOWN"]);
  assert.deepEqual(page.session(), session());
  const before = page.requests.length;
  up = true;
  for (let i = 0; i < 5; i++) page.window.dispatchEvent(new Event("online"));
  await page.clock.advance(second - 1);
  assert.equal(page.requests.length, before);
  await page.clock.advance(1);
  assert.equal(page.requests.length, before + 1);
  assert.deepEqual(page.session(), session(2));
});

test("coming online without earlier failures causes no request", async (t) => {
  const page = await open(t, { ...signedIn(900), answer: () => refreshed(2) });
  page.lucia.handleSilentRefresh();
  page.window.dispatchEvent(new Event("online"));
  await page.clock.advance(10 * second);
  assert.equal(page.requests.length, 0);
});

test("a request without an answer is aborted after ten seconds", async (t) => {
  const codes = [];
  const page = await open(t, {
    ...signedIn(900),
    answer: () => new Promise(() => {}),
  });
  page.lucia.handleSilentRefresh((e) => codes.push(e.message));
  await page.clock.advance(850 * second - 1);
  assert.deepEqual(codes, []);
  await page.clock.advance(1);
  assert.deepEqual(codes, ["UNKNOWN"]);
});

test("an ended session empties the store, is reported, and causes no more requests", async (t) => {
  const codes = [];
  const page = await open(t, {
    ...signedIn(900),
    answer: () => json(401, { message: "AUTH_UNAUTHORIZED" }),
  });
  page.lucia.handleSilentRefresh((e) => {
    assert.ok(e instanceof page.lucia.LuciaError);
    codes.push(e.message);
  });
  await page.clock.advance(24 * hour);
  assert.deepEqual(codes, ["AUTH_UNAUTHORIZED"]);
  assert.equal(page.session(), null);
  // One request for new tokens, and one for the browser's session.
  assert.equal(page.requests.length, 2);
});

test("an onError that throws stops nothing", async (t) => {
  const codes = [];
  const page = await open(t, {
    ...signedIn(900),
    answer: () => json(401, { message: "AUTH_UNAUTHORIZED" }),
  });
  page.lucia.handleSilentRefresh(() => {
    throw new Error("of the app");
  });
  page.lucia.handleSilentRefresh((e) => codes.push(e.message));
  await assert.rejects(page.clock.advance(900 * second), /of the app/);
  assert.deepEqual(codes, ["AUTH_UNAUTHORIZED"]);
});

test("signed out: no request", async (t) => {
  const codes = [];
  const page = await open(t);
  page.lucia.handleSilentRefresh((e) => codes.push(e.message));
  await page.clock.advance(24 * hour);
  assert.equal(page.requests.length, 0);
  assert.deepEqual(codes, []);
});

test("started twice, silent refresh refreshes once, and stopping leaves no timers or listeners", async (t) => {
  const page = await open(t, { ...signedIn(900), answer: (_, n) => refreshed(n + 1) });
  const stop = page.lucia.handleSilentRefresh();
  const stopOther = page.lucia.handleSilentRefresh();
  await page.clock.advance(840 * second);
  assert.equal(page.requests.length, 1);
  stop();
  stop();
  await page.clock.advance(840 * second);
  assert.equal(page.requests.length, 2);
  stopOther();
  assert.equal(page.clock.timers.size, 0);
  assert.equal(page.window.listeners, 0);
  assert.equal(page.document.listeners, 0);
  await page.clock.advance(24 * hour);
  assert.equal(page.requests.length, 2);
  page.lucia.handleSilentRefresh()();
  await settle();
  assert.equal(page.clock.timers.size, 0);
});

test("stopped during a request: the answer counts, and no timer follows", async (t) => {
  let answer;
  const page = await open(t, {
    ...signedIn(0),
    answer: () => new Promise((resolve) => (answer = resolve)),
  });
  const stop = page.lucia.handleSilentRefresh();
  await settle();
  stop();
  answer(refreshed(2));
  await settle();
  assert.deepEqual(page.session(), session(2));
  assert.equal(page.clock.timers.size, 0);
});

test("concurrent calls share one request", async (t) => {
  const page = await open(t, { ...signedIn(0), answer: (_, n) => refreshed(n + 1) });
  page.lucia.handleSilentRefresh();
  const calls = [
    page.lucia.refreshTokens(),
    page.lucia.refreshTokens("refresh-1"),
    page.lucia.refreshTokens(),
  ];
  for (const tokens of await Promise.all(calls)) {
    assert.deepEqual(tokens, { access_token: session(2).access_token, refresh_token: "refresh-2" });
  }
  assert.equal(page.requests.length, 1);
});

test("a refresh that returns after a sign-out restores no session and is not reported", async (t) => {
  const codes = [];
  let answer;
  const page = await open(t, {
    ...signedIn(0),
    answer: ({ path }) =>
      path.endsWith("logout") ? json(204) : new Promise((resolve) => (answer = resolve)),
  });
  page.lucia.handleSilentRefresh((e) => codes.push(e.message));
  await settle();
  const refresh = page.lucia.refreshTokens();
  await page.lucia.signOut();
  answer(refreshed(2));
  assert.equal(await codeOf(refresh), "AUTH_UNAUTHORIZED");
  await page.clock.advance(24 * hour);
  assert.equal(page.session(), null);
  assert.deepEqual(codes, []);
  assert.equal(page.requests.length, 2);
});

test("a refresh that the server handles after the sign-out is not reported", async (t) => {
  const codes = [];
  let signedOut;
  const page = await open(t, {
    ...signedIn(0),
    answer: ({ path }) =>
      path.endsWith("logout")
        ? new Promise((resolve) => (signedOut = resolve))
        : json(401, { message: "AUTH_UNAUTHORIZED" }),
  });
  const signOut = page.lucia.signOut();
  page.lucia.handleSilentRefresh((e) => codes.push(e.message));
  assert.equal(await codeOf(page.lucia.refreshTokens()), "AUTH_UNAUTHORIZED");
  signedOut(json(204));
  await signOut;
  assert.deepEqual(codes, []);
  assert.equal(page.session(), null);
});

test("after a failed sign-out silent refresh continues", async (t) => {
  const page = await open(t, {
    ...signedIn(900),
    answer: ({ path }) =>
      path.endsWith("logout") ? json(503, { message: "DATABASE_UPDATE_FAILED" }) : refreshed(2),
  });
  page.lucia.handleSilentRefresh();
  assert.equal(await codeOf(page.lucia.signOut("/bye")), "DATABASE_UPDATE_FAILED");
  await page.clock.advance(840 * second);
  assert.deepEqual(page.session(), session(2));
});

test("a refresh that becomes due during a sign-out waits for its end", async (t) => {
  let refuse;
  const page = await open(t, {
    ...signedIn(900),
    answer: ({ path }) =>
      path.endsWith("logout") ? new Promise((resolve) => (refuse = resolve)) : refreshed(2),
  });
  page.lucia.handleSilentRefresh();
  await page.clock.advance(835 * second);
  const signOut = page.lucia.signOut();
  await page.clock.advance(9 * second);
  assert.equal(page.requests.length, 1);
  refuse(json(503, { message: "DATABASE_UPDATE_FAILED" }));
  assert.equal(await codeOf(signOut), "DATABASE_UPDATE_FAILED");
  await settle();
  assert.deepEqual(page.session(), session(2));
});

test("a token that lives for two months is not refreshed early", async (t) => {
  const page = await open(t, { ...signedIn(60 * 24 * 3600), answer: () => refreshed(2) });
  page.lucia.handleSilentRefresh();
  await page.clock.advance(59 * 24 * hour);
  assert.equal(page.requests.length, 0);
  await page.clock.advance(24 * hour);
  assert.equal(page.requests.length, 1);
});

test("a page without page data asks for the session, and is then like any other", async (t) => {
  const page = await open(t, {
    bare: true,
    answer: ({ path }) =>
      path.endsWith("session")
        ? json(200, { _lucia: session(), session_id: "s1", expires_in: 900 })
        : refreshed(2),
  });
  assert.equal(page.session(), null);
  page.lucia.handleSilentRefresh();
  await settle();
  assert.deepEqual(page.session(), session());
  assert.deepEqual([...page.stored.values()], ["s1"]);
  await page.clock.advance(840 * second);
  assert.deepEqual(page.session(), session(2));
  assert.equal(page.replaced.length, 0);
});

test("a page without page data, signed out: the server's answer replaces the stored id of other pages", async (t) => {
  const codes = [];
  const page = await open(t, {
    bare: true,
    answer: () => json(200, { _lucia: null, expires_in: 0 }),
  });
  page.stored.set(page.key(), "s1");
  page.lucia.handleSilentRefresh((e) => codes.push(e.message));
  await page.clock.advance(24 * hour);
  for (const type of ["focus", "online"]) page.window.dispatchEvent(new Event(type));
  await settle();
  assert.equal(page.session(), null);
  assert.deepEqual([...page.stored.values()], []);
  assert.equal(page.requests.length, 1);
  assert.deepEqual(codes, []);
});

// A missing answer does not mean signed out: until there is one, the user is unknown.
for (const [what, trouble] of [
  ["no network", () => undefined],
  ["a failing proxy", () => json(502)],
  ["a captive portal", () => new Response("<html>")],
  ["an invalid answer", () => json(200, { _lucia: {}, session_id: "s1" })],
]) {
  test(`a page without page data, ${what}: it asks again, and reports that once`, async (t) => {
    const codes = [];
    let down = true;
    const page = await open(t, {
      bare: true,
      answer: () =>
        down ? trouble() : json(200, { _lucia: session(), session_id: "s1", expires_in: 900 }),
    });
    page.stored.set(page.key(), "s1");
    page.lucia.handleSilentRefresh((e) => codes.push(e.message));
    await page.clock.advance(hour);
    assert.equal(page.session(), null);
    assert.deepEqual([...page.stored.values()], ["s1"]);
    assert.deepEqual(codes, ["UNKNOWN"]);
    // As with refreshes: after 1, 2, 4 s and so on, then once or twice a minute.
    const { length } = page.requests;
    assert.ok(length > 3600 / 64 && length < 6 + 3600 / 32, `${length} requests in an hour`);
    assert.ok(page.requests.every(({ path }) => path.endsWith("/session")));
    down = false;
    page.window.dispatchEvent(new Event("online"));
    await page.clock.advance(second);
    assert.deepEqual(page.session(), session());
    assert.equal(page.requests.length, length + 1);
    assert.deepEqual(codes, ["UNKNOWN"]);
    assert.equal(page.replaced.length, 0);
  });
}

for (const [what, wake] of [
  ["becomes visible", (page) => page.document.dispatchEvent(visible())],
  ["gets the focus", (page) => page.window.dispatchEvent(new Event("focus"))],
  ["is online", (page) => page.window.dispatchEvent(new Event("online"))],
]) {
  test(`a page without page data and without an answer that ${what} after a sleep asks again`, async (t) => {
    const page = await open(t, {
      bare: true,
      answer: (_, n) =>
        n > 1 ? json(200, { _lucia: session(), session_id: "s1", expires_in: 900 }) : undefined,
    });
    page.lucia.handleSilentRefresh();
    await settle();
    await page.clock.sleep(hour);
    assert.equal(page.requests.length, 1);
    wake(page);
    wake(page);
    await settle();
    // A failed request is retried a second after the browser is online again.
    if (what === "is online") await page.clock.advance(second);
    assert.equal(page.requests.length, 2);
    assert.deepEqual(page.session(), session());
  });
}

test("a page without page data does not treat a missing answer as the end of a session", async (t) => {
  let answer = json(502, {});
  const page = await open(t, { bare: true, answer: () => answer });
  assert.equal(await codeOf(page.lucia.refreshTokens()), "UNKNOWN");
  answer = json(200, { _lucia: null, expires_in: 0 });
  assert.equal(await codeOf(page.lucia.refreshTokens()), "AUTH_UNAUTHORIZED");
  assert.deepEqual(
    page.requests.map(({ path }) => path.split("/").at(-1)),
    ["session", "session"],
  );
});

// A refresh by cookie may be of a session that began in another tab.
for (const [whose, user_id, replaced] of [
  ["another user", "u2", ["/here?q"]],
  ["the same user", "u1", []],
]) {
  test(`in hardened mode, a refresh that returns a new session of ${whose}`, async (t) => {
    const user = { user_id };
    const page = await open(t, {
      session: { user: { user_id: "u1" } },
      dataset: { expiresIn: "0", session: "s1" },
      answer: ({ path }) =>
        json(
          200,
          path.endsWith("session")
            ? { _lucia: { user }, session_id: "s2", expires_in: 900 }
            : { user, session_id: "s2", expires_in: 900 },
        ),
    });
    const seen = [];
    page.lucia.getSession().subscribe((session) => seen.push(session?.user.user_id));
    page.lucia.handleSilentRefresh();
    await settle();
    assert.deepEqual(page.replaced, replaced);
    assert.deepEqual(seen, replaced.length ? ["u1", undefined] : ["u1"]);
    assert.deepEqual([...page.stored.values()], ["s2"]);
  });
}
