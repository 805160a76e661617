// Wrong clocks: a date that is set, and timers that are late.
import assert from "node:assert/strict";
import { test } from "node:test";
import { open, refreshed, session, settle } from "./page.mjs";

const second = 1000;
const hour = 3600 * second;
const period = 840 * second; // a token of 900 s is replaced one minute before its end

/** Opens a page whose token lives 900 s, with silent refresh on. `at`: times of its requests. */
async function refreshing(t, answer = (n) => refreshed(n + 1)) {
  const at = [];
  const page = await open(t, {
    session: session(),
    dataset: { expiresIn: "900", session: "s1" },
    answer: (_, n) => {
      at.push(page.clock.mono);
      // Too many requests fail the test instead of running forever.
      return n < 20 ? answer(n) : new Promise(() => {});
    },
  });
  page.lucia.handleSilentRefresh();
  await page.clock.advance(100 * second);
  return { page, clock: page.clock, at };
}

/** Dispatches all events of a page that becomes visible again. */
function wake({ document, window }) {
  document.dispatchEvent(new Event("visibilitychange", { bubbles: true }));
  for (const type of ["focus", "online", "pageshow"]) window.dispatchEvent(new Event(type));
}

for (const [what, by] of [
  ["an hour", hour],
  ["a year", 365 * 24 * hour],
]) {
  for (const [noticed, notice] of [
    ["noticed at once", wake],
    ["noticed by the timer", () => {}],
  ]) {
    // With a clock that follows the date, the refresh would be late by the same time.
    test(`a date set back by ${what}, ${noticed}: all refreshes are on time`, async (t) => {
      const { page, clock, at } = await refreshing(t);
      clock.date -= by;
      notice(page);
      await clock.advance(2.5 * period);
      assert.deepEqual(at, [period, 2 * period]);
      assert.deepEqual(page.session(), session(3));
    });

    test(`a date set forward by ${what}, ${noticed}: at most one refresh is early`, async (t) => {
      const { page, clock, at } = await refreshing(t);
      clock.date += by;
      notice(page);
      await clock.advance(3.5 * period);
      assert.ok(at[0] >= 100 * second && at[0] <= period, `the first after ${at[0]} ms`);
      assert.deepEqual(at.slice(1, 3), [at[0] + period, at[0] + 2 * period]);
      assert.ok(at.length <= 4, `${at.length} requests`);
    });
  }

  test(`a date set back by ${what} after a refresh: the next is on time`, async (t) => {
    const { clock, at } = await refreshing(t);
    await clock.advance(period);
    clock.date -= by;
    await clock.advance(1.5 * period);
    assert.deepEqual(at, [period, 2 * period]);
  });
}

for (const [what, late] of [
  ["three minutes", 180 * second],
  ["a day", 24 * hour],
]) {
  for (const [how, happen] of [
    ["alone", () => {}],
    ["with all events at once", wake],
  ]) {
    test(`a timer ${what} late, ${how}: one refresh, and the next is on time`, async (t) => {
      let answer;
      const { page, clock, at } = await refreshing(
        t,
        () => new Promise((resolve) => (answer = resolve)),
      );
      // In a hidden tab time passes and no timer runs.
      const due = period + late;
      clock.date += due - clock.mono;
      clock.mono = due;
      happen(page);
      await clock.advance(0);
      assert.deepEqual(at, [due]);

      // Further events cause no more requests, either before or after the answer.
      await clock.advance(second);
      happen(page);
      await settle();
      answer(refreshed(2));
      await settle();
      happen(page);
      await clock.advance(period - second - 1);
      assert.deepEqual(at, [due]);
      assert.deepEqual(page.session(), session(2));
      assert.equal(clock.timers.size, 1);
      await clock.advance(1);
      assert.deepEqual(at, [due, due + period]);
    });
  }
}
