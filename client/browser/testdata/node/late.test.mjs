// Answers that come late or never, and several things at once.
import assert from "node:assert/strict";
import { test } from "node:test";
import { challenge, channels, json, open, origin, refreshed, session, settle } from "./page.mjs";

const dataset = { expiresIn: "900", session: "s1" };

test("hardened mode: of two requests refused together, the later learns of the refresh", async (t) => {
  const user = { user_id: "u1" };
  let late;
  let asked = 0;
  const page = await open(t, {
    session: { user },
    dataset,
    answer: ({ path }) => {
      if (path.endsWith("/refresh")) return json(200, { expires_in: 900 });
      if (path.endsWith("/session")) {
        return json(200, { _lucia: { user }, session_id: "s1", expires_in: 900 });
      }
      asked++;
      if (asked === 1) return json(401, {}, challenge);
      if (asked === 2) return new Promise((resolve) => (late = resolve));
      return new Response("ok");
    },
  });
  await page.clock.advance(1000);
  const first = page.lucia.luciaFetch(origin + "/a");
  const second = page.lucia.luciaFetch(origin + "/b");
  assert.equal((await first).status, 200);
  late(json(401, {}, challenge));
  assert.equal((await second).status, 200);
});

test("a Retry-After of less than nothing makes no storm", async (t) => {
  const page = await open(t, {
    session: session(),
    dataset: { ...dataset, expiresIn: "0" },
    answer: (_, n) =>
      n > 500
        ? refreshed(2)
        : json(503, { message: "DATABASE_FETCH_FAILED" }, { "Retry-After": "-100" }),
  });
  page.lucia.handleSilentRefresh();
  await page.clock.advance(10_000);
  assert.ok(page.requests.length < 10, `${page.requests.length} requests in 10 s`);
});

test("after a new page that nobody can tell about, a sign-out elsewhere is still heard", async (t) => {
  const page = await open(t, { session: session(), dataset, answer: () => undefined });
  const tabs = channels();
  page.lucia.handleSilentRefresh();
  await page.swap({ session: null });
  tabs.say({ session: null, sid: "s1", life: 0, at: Date.now() });
  await settle();
  assert.equal(page.session(), null);
});

test("an answer that was asked for before a refresh does not undo it", async (t) => {
  for (const body of [
    { _lucia: session(1), session_id: "s1", expires_in: 300 },
    { _lucia: null, expires_in: 0 },
  ]) {
    let late;
    const page = await open(t, {
      session: session(),
      dataset,
      answer: ({ path }) =>
        path.endsWith("session") ? new Promise((resolve) => (late = resolve)) : refreshed(2),
    });
    const tabs = channels();
    const stop = page.lucia.handleSilentRefresh();
    tabs.say({ session: null, sid: "" }); // makes the page ask
    await page.clock.advance(1000);
    await page.lucia.refreshTokens();
    late(json(200, body));
    await settle();
    assert.deepEqual(page.session(), session(2));
    stop();
  }
});

test("two sign-outs at once: a refresh that loses against the second is no news", async (t) => {
  const answers = [];
  const page = await open(t, {
    session: session(),
    dataset,
    answer: ({ path }) =>
      path.endsWith("logout")
        ? new Promise((resolve) => answers.push(resolve))
        : json(401, { message: "AUTH_UNAUTHORIZED" }),
  });
  const codes = [];
  page.lucia.handleSilentRefresh((error) => codes.push(error.message));
  const first = page.lucia.signOut().catch(() => {});
  const second = page.lucia.signOut();
  await settle();
  answers[0](json(503, { message: "DATABASE_UPDATE_FAILED" }));
  await first;
  await page.lucia.refreshTokens().catch(() => {});
  answers[1](json(204));
  await second;
  assert.deepEqual(codes, []);
});

test("a sign-out of a session that is over is told the other tabs", async (t) => {
  const page = await open(t, {
    session: session(),
    dataset,
    answer: () => json(401, { message: "AUTH_NOT_AUTHENTICATED" }),
  });
  const { said } = channels();
  await page.lucia.signOut().catch(() => {});
  assert.deepEqual([said.length, said[0]?.session, said[0]?.sid], [1, null, "s1"]);
});

test("a page whose app stops silent refresh as it is left comes back visible", async (t) => {
  const page = await open(t, { session: session(), dataset, answer: () => refreshed(2) });
  const { style } = page.document.documentElement;
  style.cssText = "color: red";
  const stop = page.lucia.handleSilentRefresh();
  page.window.dispatchEvent(new Event("pagehide"));
  assert.match(style.cssText, /opacity:0/);
  stop();
  assert.equal(style.cssText, "color: red");
});
