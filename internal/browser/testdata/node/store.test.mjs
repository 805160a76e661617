// The store (the contract of Svelte), and the parts of the page that follow it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { codeOf, instance, json, open, session } from "./page.mjs";

test("the first value is _lucia of the page data", async (t) => {
  const page = await open(t, { session: session() });
  assert.deepEqual(page.session(), session());
});

test("a subscriber is called at once and after every change until it unsubscribes", async (t) => {
  const page = await open(t, { session: session() });
  const store = page.lucia.getSession();
  const heard = [];
  const unsubscribe = store.subscribe((value) => heard.push(value?.user.user_id ?? null));
  store.set(session(1, { user_id: "u2" }));
  store.update((value) => ({ ...value, user: { user_id: value.user.user_id + "!" } }));
  store.set(null);
  unsubscribe();
  unsubscribe();
  store.set(session());
  assert.deepEqual(heard, ["u1", "u2", "u2!", null]);
});

test("one function subscribed twice is called twice and leaves one at a time", async (t) => {
  const page = await open(t);
  const store = page.lucia.getSession();
  let calls = 0;
  const count = () => calls++;
  const first = store.subscribe(count);
  store.subscribe(count);
  first();
  store.set(session());
  assert.equal(calls, 3);
});

test("setting an equal value calls no subscriber", async (t) => {
  const page = await open(t, { session: session() });
  const store = page.lucia.getSession();
  let calls = 0;
  store.subscribe(() => calls++);
  store.set(session());
  store.update((value) => value);
  assert.equal(calls, 1);
  assert.equal(page.events.length, 0);
});

test("a change in place counts as a change", async (t) => {
  const page = await open(t, { session: session() });
  const store = page.lucia.getSession();
  let calls = 0;
  store.subscribe(() => calls++);
  store.update((value) => {
    value.user.username = "ada";
    return value;
  });
  assert.equal(calls, 2);
});

test("after a subscriber has set the store, all have the last value", async (t) => {
  const page = await open(t);
  const store = page.lucia.getSession();
  const heard = [];
  store.subscribe(
    (value) => value?.user.user_id === "u1" && store.set(session(1, { user_id: "u2" })),
  );
  store.subscribe((value) => heard.push(value?.user.user_id));
  store.set(session());
  assert.deepEqual(heard, [undefined, "u2"]);
});

test("a subscriber that another one has unsubscribed is not called", async (t) => {
  const page = await open(t);
  const store = page.lucia.getSession();
  let calls = 0;
  let end = () => {};
  store.subscribe(() => end());
  end = store.subscribe(() => calls++);
  store.set(session());
  assert.equal(calls, 1);
});

test("a subscriber that throws does not stop the others, and its error is reported", async (t) => {
  const page = await open(t);
  const store = page.lucia.getSession();
  let calls = 0;
  let armed = false;
  store.subscribe(() => {
    if (armed) throw new Error("of the app");
  });
  store.subscribe(() => calls++);
  armed = true;
  store.set(session());
  assert.equal(calls, 2);
  await assert.rejects(page.clock.advance(0), /of the app/);
});

test("hidden fields and lucia:session events follow the store", async (t) => {
  const page = await open(t, { session: session(), dataset: { expiresIn: "873", session: "s1" } });
  assert.equal(page.fields[0].value, "as rendered");
  page.lucia.getSession().set(session(2));
  assert.equal(page.fields[0].value, session(2).access_token);
  assert.deepEqual(page.events, [{ session: session(2), expires_in: 873, stale: false }]);
  page.lucia.getSession().set(null);
  assert.equal(page.fields[0].value, "");
  assert.equal(page.events[1].session, null);
});

// The attribute says where a form leads. A field named "action" hides the property.
for (const [action, filled] of [
  [null, true],
  ["", true],
  ["/api/auth/logout", true],
  ["https://app.example/notes", true],
  ["https://elsewhere.example/", false],
  ["//elsewhere.example/notes", false],
  ["https://app.example:8443/", false],
  ["http://app.example/", false],
  ["mailto:ada@app.example", false],
  ["http://[", false],
]) {
  const what = filled ? "follows the store" : "is left alone";
  test(`a hidden field in a form with action ${action} ${what}`, async (t) => {
    const page = await open(t, { session: session() });
    // Its members may be hidden by fields of those names.
    const form = { attributes: { action }, action: { name: "action" }, getAttribute: {} };
    page.fields.unshift({ value: "of the app", form, dataset: {} });
    page.lucia.getSession().set(session(2));
    const { access_token } = session(2);
    assert.deepEqual(
      page.fields.map((field) => field.value),
      [filled ? access_token : "of the app", access_token],
    );
    page.lucia.getSession().set(null);
    assert.equal(page.fields[0].value, filled ? "" : "of the app");
  });
}

test("invalid page data mean no session", async (t) => {
  const page = await open(t);
  page.blocks[0].firstChild.data = '{"_lucia":';
  const lucia = await instance();
  lucia.getSession().subscribe((value) => assert.equal(value, null));
});

test("getSession always returns the same object", async (t) => {
  const page = await open(t);
  assert.equal(page.lucia.getSession(), page.lucia.getSession());
});

for (const [redirect, to] of [
  ["/bye", ["https://app.example/bye"]],
  ["bye?x=1#y", ["https://app.example/bye?x=1#y"]],
  ["https://elsewhere.example/", ["https://elsewhere.example/"]],
  ["//elsewhere.example", ["https://elsewhere.example/"]],
  ["javascript:alert(1)", []],
  ["JaVaScRiPt:alert(1)", []],
  [" java\nscript:alert(1)", []],
  ["data:text/html,x", []],
  ["blob:https://app.example/1", []],
  ["file:///etc/passwd", []],
  ["http://[", []],
  [undefined, []],
]) {
  test(`signOut(${JSON.stringify(redirect)}) goes to ${to[0] ?? "nowhere"}`, async (t) => {
    const page = await open(t, { session: session(), answer: () => json(204) });
    await page.lucia.signOut(redirect);
    assert.deepEqual(page.navigated, to);
    assert.equal(page.session(), null);
    assert.equal(await codeOf(page.lucia.signOut()), "AUTH_NOT_AUTHENTICATED");
    assert.equal(page.requests.length, 1);
  });

  if (redirect === undefined) continue;
  for (const [what, signedIn, answer] of [
    ["without a session", null, undefined],
    ["of an ended session", session(), () => json(401, { message: "AUTH_NOT_AUTHENTICATED" })],
  ]) {
    test(`signOut(${JSON.stringify(redirect)}) ${what} goes to ${to[0] ?? "nowhere"}`, async (t) => {
      const page = await open(t, { session: signedIn, dataset: { session: "s1" }, answer });
      await page.lucia.signOut(redirect);
      assert.deepEqual(page.navigated, to);
      assert.equal(page.session(), null);
      assert.equal(page.requests.length, signedIn ? 1 : 0);
    });
  }
}

for (const [what, answer, error] of [
  ["no network", () => undefined, "UNKNOWN"],
  ["an unavailable store", () => json(503, { message: "DATABASE_UPDATE_FAILED" }), "DATABASE_UPDATE_FAILED"],
  ["a proxy's 401", () => json(401, { message: "no" }), "UNKNOWN"],
]) {
  test(`signOut("/bye"), ${what}: the session may continue, so the page stays`, async (t) => {
    const page = await open(t, { session: session(), answer });
    assert.equal(await codeOf(page.lucia.signOut("/bye")), error);
    assert.deepEqual(page.navigated, []);
    assert.deepEqual(page.session(), session());
  });
}

test("signOut on a page without page data first asks for the session", async (t) => {
  const page = await open(t, {
    bare: true,
    answer: ({ path }) =>
      path.endsWith("logout")
        ? json(204)
        : json(200, { _lucia: session(), session_id: "s1", expires_in: 900 }),
  });
  await page.lucia.signOut("/bye");
  assert.deepEqual(
    page.requests.map(({ path, authorization }) => [path.split("/").at(-1), authorization]),
    [
      ["session", null],
      ["logout", "Bearer " + session().access_token],
    ],
  );
  assert.deepEqual(page.navigated, ["https://app.example/bye"]);
});

for (const token of ["", null]) {
  test(`refreshTokens(${JSON.stringify(token)}) rejects without a request`, async (t) => {
    const page = await open(t, { session: session(), answer: () => json(500) });
    assert.equal(await codeOf(page.lucia.refreshTokens(token)), "AUTH_UNAUTHORIZED");
    assert.equal(page.requests.length, 0);
    assert.deepEqual(page.session(), session());
  });
}
