// Pages that a script swaps in, as htmx (boosted links) and Turbo do. They may be old, so the
// server decides.
import assert from "node:assert/strict";
import { test } from "node:test";
import { codeOf, json, open, refreshed, session, settle } from "./page.mjs";

const second = 1000;
const signedOut = { session: null, dataset: {} };
const page = (generation = 1, user_id = "u1", sid = "s1") => ({
  session: session(generation, { user_id }),
  dataset: { expiresIn: "900", session: sid },
});

/** The answer of the session route to the cookies of such a page. */
const cookies = ({ session: _lucia, dataset }) =>
  json(200, { _lucia, session_id: dataset.session, expires_in: _lucia ? 900 : 0 });

const look = "/api/auth/session";

for (const [what, from, to, requests = [look]] of [
  ["sign-in", signedOut, page()],
  // The page tries its tokens once, which the server refuses.
  ["sign-out", page(), signedOut, [look, "/api/auth/refresh"]],
  ["sign-in as another user", page(), page(1, "u2", "s2")],
  ["another session of the same user", page(), page(7, "u1", "s2")],
  ["tokens that the server has replaced", page(1), page(2)],
]) {
  test(what, async (t) => {
    const codes = [];
    const answer = ({ path }) =>
      path === look ? cookies(to) : json(401, { message: "AUTH_UNAUTHORIZED" });
    const p = await open(t, { ...from, answer });
    p.lucia.handleSilentRefresh((e) => codes.push(e.message));
    await p.swap(to);
    assert.deepEqual(p.session(), to.session);
    assert.equal(p.fields[0].value, to.session?.access_token ?? "");
    assert.deepEqual([...p.stored.values()], to.session ? [to.dataset.session] : []);
    assert.deepEqual(p.events.at(-1).session, to.session);
    assert.deepEqual(
      p.requests.map((r) => r.path),
      requests,
    );
    await p.swap(to);
    assert.equal(p.requests.length, requests.length);
    assert.equal(p.replaced.length, 0);
    assert.deepEqual(codes, []);
  });
}

test("a swapped page is refreshed like any other", async (t) => {
  const p = await open(t, {
    answer: ({ path }) => (path.endsWith("session") ? cookies(page()) : refreshed(2)),
  });
  p.lucia.handleSilentRefresh();
  await p.clock.advance(100 * second);
  await p.swap(page());
  await p.clock.advance(840 * second);
  assert.equal(p.requests.at(-1).authorization, "Bearer refresh-1");
  assert.deepEqual(p.session(), session(2));
});

test("a page with the same tokens causes no request", async (t) => {
  const p = await open(t, { ...page(), answer: () => refreshed(2) });
  p.lucia.handleSilentRefresh();
  await p.swap(page());
  await p.clock.advance(840 * second);
  await p.swap(page(2));
  await p.swap({ bare: true });
  assert.deepEqual(
    p.requests.map((r) => r.path),
    ["/api/auth/refresh"],
  );
});

test("a part of the page that is swapped after a refresh causes no request", async (t) => {
  const p = await open(t, { ...page(), answer: () => refreshed(2) });
  p.lucia.handleSilentRefresh();
  await p.clock.advance(840 * second);
  await p.changed();
  assert.equal(p.requests.length, 1);
  assert.deepEqual(p.session(), session(2));
});

test("several events of one new page cause one request", async (t) => {
  const p = await open(t, { answer: () => cookies(page()) });
  p.lucia.handleSilentRefresh();
  for (let i = 0; i < 5; i++) p.swap(page());
  await settle();
  assert.equal(p.requests.length, 1);
  assert.deepEqual(p.session(), session());
});

test("the current page follows an old one of another user: it is not replaced", async (t) => {
  let answer;
  const p = await open(t, { ...page(), answer: () => new Promise((resolve) => (answer = resolve)) });
  p.lucia.handleSilentRefresh();
  await p.swap(page(1, "u0", "s0")); // from the library's cache
  await p.swap(page());
  answer(cookies(page()));
  await settle();
  assert.deepEqual(p.session(), session());
  assert.equal(p.replaced.length, 0);
  assert.equal(p.requests.length, 1);
});

test("an old page does not restore an ended session", async (t) => {
  const heard = [];
  const p = await open(t, {
    ...page(),
    answer: ({ path }) => (path.endsWith("logout") ? json(204) : cookies(signedOut)),
  });
  p.lucia.handleSilentRefresh();
  await p.lucia.signOut();
  await p.swap(signedOut);
  p.lucia.getSession().subscribe((value) => heard.push(value));
  await p.swap(page());
  assert.deepEqual(heard, [null]);
  assert.deepEqual(p.replaced, ["/here?q"]);
});

test("an old page of the same session does not restore its tokens", async (t) => {
  const p = await open(t, { ...page(2), answer: () => cookies(page(2)) });
  p.lucia.handleSilentRefresh();
  await p.swap(page(1));
  assert.deepEqual(p.session(), session(2));
  assert.equal(p.fields[0].value, session(2).access_token);
  assert.equal(p.replaced.length, 0);
});

for (const [what, old] of [
  ["another user", page(1, "u2", "s2")],
  ["a signed-out visitor", signedOut],
]) {
  test(`an old page of ${what} is replaced`, async (t) => {
    const p = await open(t, { ...page(), answer: () => cookies(page()) });
    p.lucia.handleSilentRefresh();
    await p.swap(old);
    assert.deepEqual(p.replaced, ["/here?q"]);
    assert.equal(p.session(), null);
  });
}

for (const [what, answer] of [
  ["no network", () => undefined],
  ["an unavailable store", () => json(503, { message: "DATABASE_FETCH_FAILED" })],
  ["a captive portal", () => new Response("<html>")],
]) {
  test(`${what}: the page does not change, and the module asks again with growing pauses`, async (t) => {
    const codes = [];
    let down = true;
    const p = await open(t, { ...signedOut, answer: () => (down ? answer() : cookies(page())) });
    p.lucia.handleSilentRefresh((e) => codes.push(e.message));
    await p.swap(page());
    assert.equal(p.session(), null);
    assert.equal(p.fields[0].value, "");
    await p.clock.advance(3600 * second);
    p.window.dispatchEvent(new Event("focus"));
    await settle();
    const { length } = p.requests;
    assert.ok(length > 3600 / 64 && length < 6 + 3600 / 32, `${length} requests in an hour`);
    down = false;
    await p.clock.advance(64 * second);
    assert.deepEqual(p.session(), session());
    assert.equal(p.replaced.length, 0);
    assert.equal(codes.length, 1);
  });
}

test("a sign-out in the meantime holds", async (t) => {
  let answer;
  const p = await open(t, {
    ...page(),
    answer: ({ path }) =>
      path.endsWith("logout") ? json(204) : new Promise((resolve) => (answer = resolve)),
  });
  p.lucia.handleSilentRefresh();
  await p.swap(page(2));
  await p.lucia.signOut();
  answer(cookies(page(2)));
  await settle();
  assert.equal(p.session(), null);
});

for (const [what, answer] of [
  ["new tokens", () => refreshed(2)],
  ["its end", () => json(401, { message: "AUTH_UNAUTHORIZED" })],
]) {
  test(`a refresh of the former session in progress that returns ${what}: not reported`, async (t) => {
    const codes = [];
    let late;
    const p = await open(t, {
      ...page(),
      answer: ({ path }) =>
        path.endsWith("session")
          ? cookies(page(1, "u2", "s2"))
          : new Promise((resolve) => (late = resolve)),
    });
    p.lucia.handleSilentRefresh((e) => codes.push(e.message));
    const code = codeOf(p.lucia.refreshTokens());
    await settle();
    await p.swap(page(1, "u2", "s2"));
    late(answer());
    assert.equal(await code, "AUTH_UNAUTHORIZED");
    assert.equal(p.session().user.user_id, "u2");
    assert.deepEqual(codes, []);
    // Its answer may have set cookies, so the module asks the server once more.
    await settle();
    assert.deepEqual(
      p.requests.map(({ path }) => path.split("/").at(-1)),
      ["refresh", "session", "session"],
    );
  });
}

test("pages are followed only while silent refresh is on", async (t) => {
  const p = await open(t, { ...signedOut, answer: () => cookies(page()) });
  await p.swap(page());
  p.lucia.handleSilentRefresh()();
  await p.swap(page(2));
  assert.equal(p.requests.length, 0);
});

test("a page whose session is unknown does not delay a due refresh", async (t) => {
  const p = await open(t, {
    ...page(),
    answer: ({ path }) => (path.endsWith("session") ? undefined : refreshed(3)),
  });
  p.lucia.handleSilentRefresh();
  await p.clock.sleep(3600 * second); // no timer runs
  await p.swap(page(2));
  assert.deepEqual(
    p.requests.map((r) => r.path),
    ["/api/auth/session", "/api/auth/refresh"],
  );
  assert.deepEqual(p.session(), session(3));
});

// The module asks the server about the new page. The test decides when the answers arrive.
async function asking(t, from, to) {
  const answers = [];
  const p = await open(t, {
    ...from,
    answer: ({ path }) =>
      path.endsWith("session") ? new Promise((resolve) => answers.push(resolve)) : refreshed(3),
  });
  p.lucia.handleSilentRefresh();
  await p.swap(to);
  return [p, answers];
}

test("a focus while the module asks about a sign-in: the page is not replaced", async (t) => {
  const [p, answers] = await asking(t, signedOut, page());
  p.window.dispatchEvent(new Event("focus"));
  await settle();
  for (const answer of answers.reverse()) answer(cookies(page()));
  await settle();
  assert.deepEqual(p.session(), session());
  assert.equal(p.replaced.length, 0);
});

test("a refresh while the module asks about a new page only refreshes", async (t) => {
  const [p, answers] = await asking(t, page(), page(2));
  await p.clock.advance(second);
  await p.lucia.refreshTokens();
  assert.deepEqual(
    p.requests.map((r) => r.path),
    ["/api/auth/session", "/api/auth/refresh"],
  );
  answers[0](cookies(page(2)));
  await settle();
  assert.deepEqual(p.session(), session(3));
});
