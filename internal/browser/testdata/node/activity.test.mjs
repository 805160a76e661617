// Activity of a person, and the idle end of the session that depends on it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { channels, json, open, refreshed, session, settle } from "./page.mjs";

const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;

/** Opens a page whose session ends after half an hour without activity. */
async function idling(t, { idle = "1800", answer = () => refreshed(2), ...options } = {}) {
  const page = await open(t, {
    session: session(),
    dataset: { expiresIn: "900", session: "s1", idle },
    answer,
    ...options,
  });
  page.tabs = channels();
  page.act = async (type = "pointermove") => {
    page.window.dispatchEvent(new Event(type));
    await settle();
  };
  page.reports = () => page.requests.map(({ active }) => active);
  page.lucia.handleSilentRefresh();
  return page;
}

test("each refresh reports how long ago a person was active, and nothing else", async (t) => {
  const page = await idling(t);
  await page.clock.advance(840 * second);
  assert.deepEqual(page.reports(), ["840"]); // the page view
  await page.clock.advance(30 * second);
  await page.act();
  await page.clock.advance(30 * second); // half of the timeout after the reported activity
  assert.deepEqual(page.reports(), ["840", "30"]);
  // The latest activity is reported again, though the server knows it.
  await page.clock.advance(840 * second);
  assert.deepEqual(page.reports(), ["840", "30", "870"]);
  assert.deepEqual(page.requests.map((r) => r.body), ["", "", ""]);
});

for (const type of ["pointerdown", "pointermove", "wheel", "keydown"]) {
  test(`${type} is an activity`, async (t) => {
    const page = await idling(t);
    await page.clock.advance(minute);
    await page.act(type);
    await page.clock.advance(780 * second);
    assert.deepEqual(page.reports(), ["780"]);
  });
}

for (const type of ["focus", "visibilitychange", "online", "lucia:session"]) {
  test(`${type} does not count as an activity`, async (t) => {
    const page = await idling(t);
    await page.clock.advance(minute);
    await page.act(type);
    await page.clock.advance(780 * second);
    assert.deepEqual(page.reports(), ["840"]);
  });
}

test("without an idle timeout the module reports no activity", async (t) => {
  const page = await idling(t, { idle: "" });
  for (let i = 0; i < 60; i++) {
    await page.act();
    await page.clock.advance(minute);
  }
  assert.deepEqual(page.reports(), [null, null, null, null]);
  assert.ok(page.events.every((detail) => !("idle_in" in detail)));
});

test("an activity that comes half of the timeout after the last report is reported at once", async (t) => {
  const page = await idling(t);
  await page.clock.advance(899 * second);
  await page.act();
  assert.deepEqual(page.reports(), ["840"]);
  await page.clock.advance(second);
  assert.deepEqual(page.reports(), ["840", "1"]); // the activity of a second ago
  await page.act();
  await page.act();
  assert.equal(page.requests.length, 2);
});

test("an activity during a refresh is reported by the next one", async (t) => {
  let answer;
  const page = await idling(t, {
    idle: "1200",
    answer: (_, n) => (n > 1 ? refreshed(n + 1) : new Promise((resolve) => (answer = resolve))),
  });
  await page.clock.advance(845 * second);
  await page.act();
  assert.deepEqual(page.reports(), ["840"]);
  answer(refreshed(2));
  await settle();
  assert.deepEqual(page.reports(), ["840", "0"]);
});

test("an activity that cannot be reported causes few requests", async (t) => {
  const page = await idling(t, { answer: () => json(502) });
  await page.clock.advance(20 * minute);
  const { length } = page.requests;
  for (let i = 0; i < 600; i++) {
    await page.act();
    await page.clock.advance(100);
  }
  assert.ok(page.requests.length < length + 4, `${page.requests.length - length} in a minute`);
  assert.deepEqual(page.session(), session());
});

test("a person who is active all the time causes one request in each quarter of an hour", async (t) => {
  const page = await idling(t, { answer: (_, n) => refreshed(n + 1) });
  for (let i = 0; i < 360; i++) {
    await page.act();
    await page.clock.advance(10 * second);
  }
  assert.equal(page.requests.length, 4);
});

test("lucia:session has the time left, and comes again when the end is near", async (t) => {
  const page = await idling(t, { answer: (_, n) => refreshed(n + 1) });
  const left = () => page.events.map((detail) => detail.idle_in);
  assert.deepEqual(left(), [1800]);
  await page.clock.advance(29 * minute - 1);
  assert.deepEqual(left(), [1800, 960, 120]);
  await page.clock.advance(1);
  assert.deepEqual(left(), [1800, 960, 120, 60]);
  await page.clock.advance(30 * second);
  assert.equal(left().length, 4); // once
  await page.act();
  assert.deepEqual(left(), [1800, 960, 120, 60, 1800]);
  assert.equal(page.requests.at(-1).active, "0");
  // The next end warns in the same way.
  const { length } = page.events;
  await page.clock.advance(29 * minute);
  assert.equal(left().at(-1), 60);
  assert.ok(left().length <= length + 3);
});

test("a short timeout warns when a third of it is left", async (t) => {
  const page = await idling(t, { idle: "30" });
  await page.clock.advance(20 * second);
  assert.deepEqual(page.events.map((detail) => detail.idle_in), [30, 10]);
});

test("the next due refresh finds the end of an idle session, and no earlier request does", async (t) => {
  const page = await idling(t, {
    answer: ({ path }, n) => {
      if (n < 3) return refreshed(n + 1);
      if (path.endsWith("/session")) return json(200, { _lucia: null, expires_in: 0 });
      return json(401, { message: "AUTH_UNAUTHORIZED" });
    },
  });
  await page.clock.advance(41 * minute);
  assert.equal(page.requests.length, 2);
  await page.clock.advance(2 * minute);
  assert.equal(page.session(), null);
  const { length } = page.requests;
  await page.act();
  await page.clock.advance(24 * hour);
  assert.equal(page.requests.length, length);
});

test("an activity in another tab moves the end and withdraws a warning", async (t) => {
  const page = await idling(t, { answer: (_, n) => refreshed(n + 1) });
  const hear = (reported) =>
    page.tabs.say({
      session: session(9),
      sid: "s1",
      reported,
      asked: Date.now(),
      expires: Date.now() + 900 * second,
    });
  await page.clock.advance(20 * minute);
  await hear(Date.now());
  await page.clock.advance(28 * minute);
  assert.ok(page.events.every(({ idle_in }) => idle_in > 60));
  await page.clock.advance(minute);
  assert.equal(page.events.at(-1).idle_in, 60);
  await hear(Date.now());
  assert.equal(page.events.at(-1).idle_in, 1800);
  // An older activity changes nothing.
  await hear(Date.now() - 10 * minute);
  await page.clock.advance(28 * minute);
  assert.ok(page.events.at(-1).idle_in > 60);
});

test("this tab tells the others what it has reported", async (t) => {
  const page = await idling(t);
  await page.clock.advance(20 * minute);
  page.tabs.said.length = 0;
  await page.act();
  assert.deepEqual(page.tabs.said.map(({ reported }) => reported), [Date.now()]);
});

test("a page without page data learns of the timeout from the server", async (t) => {
  const page = await idling(t, {
    bare: true,
    answer: ({ path }) =>
      path.endsWith("/session")
        ? json(200, { _lucia: session(), session_id: "s1", expires_in: 900, idle: 1800 })
        : refreshed(2),
  });
  await settle();
  assert.equal(page.events.at(-1).idle_in, 1800);
  await page.clock.advance(minute);
  await page.act();
  await page.clock.advance(780 * second);
  assert.deepEqual(page.reports(), [null, "780"]);
});

test("a page that comes from the back/forward cache or a prerender counts as a view when it is shown", async (t) => {
  const answer = ({ path }) =>
    path.endsWith("/session")
      ? json(200, { _lucia: session(), session_id: "s1", expires_in: 900, idle: 1800 })
      : refreshed(2);
  const page = await idling(t, { answer, prerendering: true });
  await page.clock.advance(10 * minute);
  assert.deepEqual(page.reports(), []);
  page.document.prerendering = false;
  page.entry.activationStart = 10 * minute;
  page.window.dispatchEvent(new Event("prerenderingchange"));
  await settle();
  assert.deepEqual(page.reports(), ["0"]);
  page.window.dispatchEvent(new Event("pagehide"));
  await page.clock.advance(5 * minute);
  page.window.dispatchEvent(Object.assign(new Event("pageshow"), { persisted: true }));
  await settle();
  assert.deepEqual(page.reports(), ["0", "0"]);
  assert.equal(page.events.at(-1).idle_in, 1800);
});
