// Late and missing answers, and concurrent events.
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  challenge,
  channels,
  codeOf,
  json,
  open,
  origin,
  refreshed,
  session,
  settle,
} from "./page.mjs";

const dataset = { expiresIn: "900", session: "s1" };

test("hardened mode: of two requests that are refused together, the later one uses the first one's refresh", async (t) => {
  const user = { user_id: "u1" };
  let late;
  let asked = 0;
  const page = await open(t, {
    session: { user },
    dataset,
    answer: ({ path }) => {
      if (path.endsWith("/refresh")) return json(200, { user, expires_in: 900, session_id: "s1" });
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

test("a negative Retry-After causes few requests", async (t) => {
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

test("after a new page whose session is unknown, a sign-out in another tab still has an effect", async (t) => {
  const page = await open(t, { session: session(), dataset, answer: () => undefined });
  const tabs = channels();
  page.lucia.handleSilentRefresh();
  await page.swap({ session: null });
  tabs.say({ session: null, sid: "s1" });
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

test("two concurrent sign-outs: a refresh that the second one overtakes is not reported", async (t) => {
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

test("a sign-out of an ended session reaches the other tabs", async (t) => {
  const page = await open(t, {
    session: session(),
    dataset,
    answer: () => json(401, { message: "AUTH_NOT_AUTHENTICATED" }),
  });
  const { said } = channels();
  await page.lucia.signOut().catch(() => {});
  assert.deepEqual([said.length, said[0]?.session, said[0]?.sid], [1, null, "s1"]);
});

test("a page whose app stops silent refresh on pagehide comes back visible", async (t) => {
  const page = await open(t, { session: session(), dataset, answer: () => refreshed(2) });
  const { style } = page.document.documentElement;
  style.cssText = "color: red";
  const stop = page.lucia.handleSilentRefresh();
  page.window.dispatchEvent(new Event("pagehide"));
  assert.match(style.cssText, /opacity:0/);
  stop();
  assert.equal(style.cssText, "color: red");
});

for (const [what, end] of [
  ["this page", (page) => page.lucia.signOut("/bye")],
  ["another tab", (_, tabs) => tabs.say({ session: null, sid: "s1" })],
  ["the server", (page) => codeOf(page.lucia.refreshTokens())],
]) {
  test(`a page whose session ${what} has ended is hidden when it is left, and is replaced when it returns`, async (t) => {
    const page = await open(t, {
      session: session(),
      dataset,
      answer: ({ path }) => {
        if (path.endsWith("/session")) return json(200, { _lucia: null, expires_in: 0 });
        return path.endsWith("/refresh") ? json(401, { message: "AUTH_UNAUTHORIZED" }) : json(204);
      },
    });
    const tabs = channels();
    page.lucia.handleSilentRefresh();
    await end(page, tabs);
    await settle();
    assert.equal(page.session(), null);
    page.window.dispatchEvent(new Event("pagehide"));
    assert.match(page.document.documentElement.style.cssText, /opacity:0!important/);
    page.window.dispatchEvent(Object.assign(new Event("pageshow"), { persisted: true }));
    await settle();
    assert.match(page.document.documentElement.style.cssText, /opacity:0!important/);
    assert.deepEqual(page.replaced, ["/here?q"]);
  });
}

const other = {
  session: session(1, { user_id: "u2" }),
  dataset: { ...dataset, session: "s2" },
};
const others = json(200, { _lucia: other.session, session_id: "s2", expires_in: 900 });

test("a request of one user is not repeated as another user", async (t) => {
  let refuse;
  const page = await open(t, {
    session: session(),
    dataset,
    answer: ({ path }) =>
      path.endsWith("/session") ? others.clone() : new Promise((resolve) => (refuse = resolve)),
  });
  page.lucia.handleSilentRefresh();
  const late = page.lucia.luciaFetch(origin + "/order", { method: "POST", body: "of u1" });
  await settle();
  await page.swap(other);
  assert.equal(page.session().user.user_id, "u2");
  refuse(json(401, {}, challenge));
  assert.equal((await late).status, 401);
  assert.deepEqual(
    page.requests.map(({ path }) => path),
    ["/order", "/api/auth/session"],
  );
});

test("a static page's request that is refused before the session is known is repeated", async (t) => {
  let answer;
  const page = await open(t, {
    bare: true,
    answer: ({ path, authorization }) => {
      if (path.endsWith("/session")) return new Promise((resolve) => (answer = resolve));
      return authorization ? new Response("ok") : json(401, {}, challenge);
    },
  });
  page.lucia.handleSilentRefresh();
  const early = page.lucia.luciaFetch(origin + "/a");
  await settle();
  answer(json(200, { _lucia: session(), session_id: "s1", expires_in: 900 }));
  assert.equal((await early).status, 200);
  assert.deepEqual(
    page.requests.map(({ path, authorization }) => path.split("/").at(-1) + (authorization ? "!" : "")),
    ["session", "a", "a!"],
  );
});

test("of two new pages in a row, the module asks again about the second if it got no answer", async (t) => {
  const answers = [];
  const page = await open(t, {
    session: session(),
    dataset,
    answer: () => new Promise((resolve) => answers.push(resolve)),
  });
  page.lucia.handleSilentRefresh();
  page.swap({ session: session(2), dataset });
  await settle();
  page.swap(other);
  await settle();
  answers[0](json(200, { _lucia: session(2), session_id: "s1", expires_in: 900 }));
  await settle();
  assert.deepEqual(page.session(), session()); // the first answer is obsolete
  answers[1](json(502, {}));
  await settle();
  await page.clock.advance(2000);
  assert.equal(answers.length, 3);
  answers[2](others.clone());
  await settle();
  assert.equal(page.session().user.user_id, "u2");
  assert.equal(page.replaced.length, 0);
});

test("the answer to a sign-out does not end the session of another user's page", async (t) => {
  let answer;
  const page = await open(t, {
    session: session(),
    dataset,
    answer: ({ path }) =>
      path.endsWith("/session") ? others.clone() : new Promise((resolve) => (answer = resolve)),
  });
  const tabs = channels();
  page.lucia.handleSilentRefresh();
  const out = page.lucia.signOut();
  await settle();
  await page.swap(other);
  tabs.said.length = 0;
  answer(json(204));
  await out;
  assert.equal(page.session().user.user_id, "u2");
  assert.deepEqual(tabs.said, []);
});

// A late answer of an older session has replaced the cookies; the page's token is still valid.
test("a page whose cookies were replaced sets them again and tells the other tabs", async (t) => {
  const page = await open(t, {
    session: session(),
    dataset,
    answer: ({ path }) =>
      path.endsWith("/session") ? json(200, { _lucia: null, expires_in: 0 }) : refreshed(2),
  });
  const tabs = channels();
  const codes = [];
  page.lucia.handleSilentRefresh((error) => codes.push(error.message));
  await tabs.say({ session: null, sid: "s0" });
  assert.deepEqual(
    page.requests.map(({ path, authorization }) => [path, authorization]),
    [
      ["/api/auth/session", null],
      ["/api/auth/refresh", "Bearer refresh-1"],
    ],
  );
  assert.deepEqual(page.session(), session(2));
  assert.deepEqual([tabs.said.at(-1).sid, tabs.said.at(-1).session], ["s1", session(2)]);
  assert.deepEqual([codes, page.replaced], [[], []]);
});
