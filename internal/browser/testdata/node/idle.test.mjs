// What the module reports of a person's activity, and what pages learn of the idle end.
import assert from "node:assert/strict";
import { test } from "node:test";
import { channels, json, open, refreshed, session } from "./page.mjs";

const second = 1000;
const minute = 60 * second;

/** Opens a page of a server with an IdleTimeout of half an hour. */
async function idle(t, options) {
  const page = await open(t, {
    session: session(),
    dataset: { expiresIn: "900", session: "s1", idle: "1800" },
    answer: (_, n) => refreshed(n + 1),
    ...options,
  });
  page.tabs = channels();
  page.stop = page.lucia.handleSilentRefresh(() => assert.fail());
  page.act = (type = "pointermove") => page.window.dispatchEvent(new Event(type));
  page.idleIn = () => page.events.at(-1).idle_in;
  return page;
}

test("opening the page is the activity that the first refresh reports", async (t) => {
  const page = await idle(t);
  assert.equal(page.idleIn(), 1800);
  await page.clock.advance(14 * minute);
  assert.deepEqual(page.active, ["840"]);
  assert.equal(page.idleIn(), 1800 - 840);
});

for (const type of ["pointermove", "pointerdown", "keydown", "wheel"]) {
  test(`${type} is reported with the next refresh, as how long ago it was`, async (t) => {
    const page = await idle(t);
    await page.clock.advance(4 * minute + 1);
    page.act(type);
    await page.clock.advance(10 * minute - 1);
    assert.deepEqual(page.active, ["600"]);
    assert.equal(page.idleIn(), 1200);
  });
}

test("a part of a second counts as one", async (t) => {
  const page = await idle(t);
  await page.clock.advance(14 * minute - 1);
  page.act();
  await page.clock.advance(1);
  assert.deepEqual(page.active, ["1"]);
});

test("every refresh reports the latest activity, reported before or not", async (t) => {
  const page = await idle(t);
  await page.clock.advance(28 * minute);
  assert.deepEqual(page.active, ["840", "1680"]);
});

test("an activity after a pause of half of IdleTimeout is reported at once, and once", async (t) => {
  const page = await idle(t);
  await page.clock.advance(14 * minute + 59 * second);
  assert.equal(page.requests.length, 1);
  page.act();
  await page.clock.advance(0);
  assert.equal(page.requests.length, 1);
  await page.clock.advance(1 * second);
  page.act();
  page.act();
  await page.clock.advance(0);
  page.act();
  await page.clock.advance(0);
  assert.deepEqual(page.active, ["840", "0"]);
  assert.equal(page.idleIn(), 1800);
});

test("during an outage no activity causes a request", async (t) => {
  const page = await open(t, {
    session: session(),
    dataset: { expiresIn: "900", session: "s1", idle: "60" },
  });
  page.lucia.handleSilentRefresh();
  await page.clock.advance(14 * minute);
  const { length } = page.requests;
  for (let i = 0; i < 100; i++) page.window.dispatchEvent(new Event("pointermove"));
  await page.clock.advance(0);
  assert.equal(page.requests.length, length);
});

test("machine asleep: the age of an activity counts on", async (t) => {
  const page = await idle(t);
  await page.clock.advance(minute);
  await page.clock.sleep(20 * minute);
  page.window.dispatchEvent(new Event("focus"));
  await page.clock.advance(0);
  assert.deepEqual(page.active, [String(21 * 60)]);
});

test("a page out of the back/forward cache is an activity", async (t) => {
  const page = await idle(t, {
    answer: ({ path }, n) =>
      path.endsWith("session")
        ? json(200, { _lucia: session(), session_id: "s1", expires_in: 900, idle: 1800 })
        : refreshed(n + 1),
  });
  await page.clock.advance(minute);
  page.window.dispatchEvent(Object.assign(new Event("pageshow"), { persisted: true }));
  await page.clock.advance(0);
  assert.deepEqual(page.active, ["0"]);
  assert.equal(page.idleIn(), 1800);
});

test("a prerendered page is an activity when it is shown", async (t) => {
  const page = await idle(t, { prerendering: true });
  await page.clock.advance(5 * minute);
  page.document.prerendering = false;
  page.document.dispatchEvent(new Event("prerenderingchange", { bubbles: true }));
  assert.equal(page.idleIn(), 1800);
});

test("what another tab has reported counts here, and what only this tab knows is not put off", async (t) => {
  const page = await idle(t);
  const tell = (reported) =>
    page.tabs.say({
      sid: "s1",
      session: session(7),
      asked: Date.now(),
      expires: Date.now() + 900 * second,
      active: Date.now() - reported,
    });
  await page.clock.advance(10 * minute);
  await tell(2 * minute);
  assert.equal(page.idleIn(), 1800 - 120);
  page.act();
  await page.clock.advance(5 * minute);
  await tell(5 * minute + 1);
  // This tab's own refresh was due 14 minutes after the tokens of the first message.
  await page.clock.advance(9 * minute);
  assert.deepEqual(page.active, [String(14 * 60)]);
  assert.ok(page.tabs.said.at(-1).active <= Date.now() - 14 * minute);
});

test("the server's answer tells of IdleTimeout too", async (t) => {
  const page = await open(t, {
    answer: () => json(200, { _lucia: session(), session_id: "s1", expires_in: 900, idle: 60 }),
  });
  page.lucia.handleSilentRefresh();
  assert.equal(page.events.at(-1).idle_in, undefined);
  await page.lucia.loadSession();
  assert.equal(page.events.at(-1).idle_in, 60);
});

test("without IdleTimeout nothing is reported", async (t) => {
  const page = await open(t, {
    session: session(),
    dataset: { expiresIn: "900", session: "s1" },
    answer: (_, n) => refreshed(n + 1),
  });
  page.lucia.handleSilentRefresh();
  page.window.dispatchEvent(new Event("pointermove"));
  await page.clock.advance(20 * minute);
  page.window.dispatchEvent(new Event("pointermove"));
  await page.clock.advance(10 * minute);
  assert.deepEqual(page.active, [null, null]);
  assert.equal(page.events.at(-1).idle_in, undefined);
});
