// Pages that may come from a cache, in browsers that report it and in others.
import assert from "node:assert/strict";
import { test } from "node:test";
import { channels, json, open, session, settle } from "./page.mjs";

const dataset = { expiresIn: "900", session: "s1" };
const word = (id, user_id) =>
  json(200, { _lucia: id ? session(1, { user_id }) : null, session_id: id, expires_in: 300 });
const unseen = (page) => /opacity:0/.test(page.document.documentElement.style.cssText);

const cached = { entry: { deliveryType: "cache" } };
const silent = { entry: { deliveryType: undefined } }; // Firefox and Safari do not report it
for (const [how, options, last, asked, hidden] of [
  ["from the network, of a new session", {}, "s0", 0, false],
  ["from the network, without storage yet", {}, "", 0, false],
  ["from the HTTP cache, of the known session", cached, "s1", 1, false],
  ["from the HTTP cache, of another session", cached, "s2", 1, true],
  ["from the HTTP cache, after a sign-out", cached, "", 1, true],
  ["prefetched", { entry: { deliveryType: "navigational-prefetch" } }, "s1", 1, false],
  ["prefetched, after a sign-out", { entry: { deliveryType: "navigational-prefetch" } }, "", 1, true],
  ["prerendered", { entry: { activationStart: 5 } }, "s2", 1, true],
  ["with a service worker", { controller: {} }, "s1", 1, false],
  ["with a service worker, of another session", { controller: {} }, "s2", 1, true],
  ["in a browser that does not report it, of the known session", silent, "s1", 0, false],
  ["in a browser that does not report it, of another session", silent, "s2", 1, false],
]) {
  test(`a page ${how}: ${asked} requests, ${hidden ? "hidden" : "visible"} until the answer`, async (t) => {
    let answer;
    const page = await open(t, {
      session: session(),
      dataset,
      last,
      ...options,
      answer: () => new Promise((resolve) => (answer = resolve)),
    });
    page.lucia.handleSilentRefresh();
    await settle();
    assert.equal(page.requests.length, asked);
    assert.equal(unseen(page), hidden);
    assert.equal(page.events.length, hidden ? 0 : 1);
    answer?.(word("s1", "u1"));
    await settle();
    assert.equal(unseen(page), false);
    assert.deepEqual(page.session(), session());
    assert.deepEqual([...page.stored.values()], ["s1"]);
    // The server states the life of a token; the number in an old page is outdated.
    assert.equal(page.events.at(-1).expires_in, asked ? 300 : 900);
    assert.equal(page.requests.length, asked);
    assert.deepEqual(page.replaced, []);
  });
}

for (const [what, answer, from, method, replaced, seen] of [
  ["another user's", word("s2", "u2"), session(), undefined, ["/here?q"], false],
  ["signed out", word(), session(), undefined, ["/here?q"], false],
  ["the answer to a POST, another user's", word("s2", "u2"), session(), "POST", [], false],
  ["a visitor's, signed in since", word("s2", "u2"), null, undefined, ["/here?q"], true],
  ["a visitor's", word(), null, undefined, [], true],
]) {
  test(`a page from a cache that is now ${what}`, async (t) => {
    const page = await open(t, {
      session: from,
      dataset: from ? { ...dataset, method } : { method },
      last: "s2",
      ...cached,
      answer: () => answer.clone(),
    });
    page.lucia.handleSilentRefresh();
    await settle();
    assert.deepEqual(page.replaced, replaced);
    assert.equal(page.session(), null);
    assert.equal(unseen(page), !seen);
    assert.equal(page.events.at(-1).stale, Boolean(replaced.length || method));
  });
}

test("a page from a cache, no answer: a page of another session stays hidden and is not replaced", async (t) => {
  let answer;
  const page = await open(t, {
    session: session(),
    dataset,
    last: "s2",
    ...cached,
    answer: () => answer,
  });
  page.lucia.handleSilentRefresh();
  await page.clock.advance(60_000);
  assert.ok(unseen(page));
  assert.deepEqual(page.replaced, []);
  answer = word("s1", "u1");
  page.window.dispatchEvent(new Event("online"));
  await page.clock.advance(1000);
  assert.equal(unseen(page), false);
  assert.deepEqual(page.session(), session());
});

test("a prerendered page sends, broadcasts and stores nothing until it is shown", async (t) => {
  const page = await open(t, {
    session: session(),
    dataset: { ...dataset, expiresIn: "70" },
    last: "s0",
    prerendering: true,
    answer: () => word("s1", "u1"),
  });
  const tabs = channels();
  page.lucia.handleSilentRefresh();
  await page.clock.advance(60_000);
  await tabs.say({ sid: "s0", session: null });
  assert.equal(page.requests.length, 0);
  assert.deepEqual(tabs.said, []);
  assert.deepEqual([...page.stored.values()], ["s0"]);

  page.document.prerendering = false;
  page.entry.activationStart = 60_000;
  page.window.dispatchEvent(new Event("prerenderingchange"));
  assert.ok(unseen(page));
  await settle();
  assert.equal(unseen(page), false);
  assert.deepEqual(
    page.requests.map((r) => r.path),
    ["/api/auth/session"],
  );
  assert.deepEqual(page.session(), session());
});

test("a page with several page data elements uses none of them and asks the server", async (t) => {
  const page = await open(t, { session: session(), dataset, answer: () => word("s1", "u1") });
  page.blocks.unshift(page.pageData(session(9, { user_id: "evil" }), { session: "evil" }));
  const lucia = await import("../../lucia.js?two");
  let value;
  lucia.getSession().subscribe((v) => (value = v));
  assert.equal(value, null);
  lucia.handleSilentRefresh();
  await settle();
  assert.deepEqual(value, session());
});

for (const base of ["https://elsewhere.example/api", "//elsewhere.example", "javascript:", "http://["]) {
  test(`data-base=${JSON.stringify(base)} is refused`, async (t) => {
    const page = await open(t, { session: session(), dataset: { ...dataset, base } });
    await page.lucia.refreshTokens().catch(() => {});
    assert.ok(page.requests.length > 0);
    assert.ok(page.requests.every(({ url }) => url.startsWith("file:")));
  });
}

for (const event of ["turbo:before-cache", "htmx:beforeHistorySave", "htmx:history:cache:before:save"]) {
  test(`${event}: the snapshot has no tokens, and the page has them again`, async (t) => {
    const page = await open(t, { session: session(), dataset, answer: () => word("s1", "u1") });
    page.lucia.handleSilentRefresh();
    const [block] = page.blocks;
    const [field] = page.fields;
    field.dataset = { htmxHistoryValue: session().access_token };
    assert.match(block.textContent, /refresh-1/);
    page.window.dispatchEvent(new Event(event));
    // Turbo takes its copy in a later task.
    setTimeout(() => {
      const snapshot = JSON.stringify([block.textContent, field]);
      for (const token of Object.values(session()).filter((v) => typeof v === "string")) {
        assert.ok(!snapshot.includes(token), snapshot);
      }
      assert.deepEqual(JSON.parse(block.textContent)._lucia.user, { user_id: "u1" });
    });
    await page.clock.advance(1);
    assert.equal(field.value, session().access_token);
    assert.deepEqual(page.session(), session());
    await page.changed();
    assert.equal(page.requests.length, 0); // the module does not mistake its own change for a new page
  });
}
