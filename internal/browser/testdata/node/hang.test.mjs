// Answers that never end: a request has ten seconds, including its body.
import assert from "node:assert/strict";
import { test } from "node:test";
import { codeOf, json, open, refreshed, session, settle } from "./page.mjs";

const second = 1000;
const signedIn = { session: session(), dataset: { expiresIn: "900", session: "s1" } };
const theirs = (generation) =>
  json(200, { _lucia: session(generation), session_id: "s1", expires_in: 900 });

const never = () => new Promise(() => {});

/** An answer that begins with this text and never ends. */
function begun(status, text = "") {
  const start = (stream) => text && stream.enqueue(new TextEncoder().encode(text));
  return () => new Response(new ReadableStream({ start }), { status });
}

/**
* Opens a page in which an unfinished body ends with its request, as in a browser. `givenUp` has
* the routes and times of the requests that the module has aborted.
 */
async function hanging(t, options) {
  const page = await open(t, options);
  const { fetch } = globalThis;
  page.givenUp = [];
  globalThis.fetch = async (input, init) => {
    const { signal } = init;
    const route = String(input).split("/").at(-1);
    signal.addEventListener("abort", () => page.givenUp.push([route, page.clock.mono]));
    const response = await fetch(input, init);
    const { readable, writable } = new TransformStream();
    response.body?.pipeTo(writable, { signal }).catch(() => {});
    return response.body ? new Response(readable, response) : response;
  };
  page.codes = [];
  page.lucia.handleSilentRefresh((error) => page.codes.push(error.message));
  await settle();
  return page;
}

for (const [what, hang] of [
  ["no answer", never],
  ["headers and no body", begun(200)],
  ["half a body", begun(200, '{"access_token":')],
  ["a refusal without its body", begun(401)],
  ["half of a refusal", begun(401, '{"message":"AUTH_UNAUTHORIZED"')],
]) {
  test(`refresh, ${what}: given up after 10 s, and tried again`, async (t) => {
    const page = await hanging(t, {
      ...signedIn,
      answer: (_, n) => (n === 1 ? hang() : refreshed(2)),
    });
    await page.clock.advance(840 * second);
    assert.equal(page.requests.length, 1);
    await page.clock.advance(10 * second - 1);
    assert.deepEqual(page.codes, []);
    await page.clock.advance(1);
    assert.deepEqual(page.codes, ["UNKNOWN"]);
    assert.deepEqual(page.givenUp, [["refresh", 850 * second]]);
    assert.deepEqual(page.session(), session());
    await page.clock.advance(2 * second);
    assert.deepEqual(page.session(), session(2));
    assert.equal(page.requests.length, 2);
    assert.deepEqual(page.codes, ["UNKNOWN"]);
  });
}

for (const [what, hang] of [
  ["no answer", never],
  ["a refusal without its body", begun(401)],
  ["half of a refusal", begun(401, '{"message":"AUTH_NOT_AUTHENTICATED"')],
  ["an error without its body", begun(503)],
]) {
  test(`signOut, ${what}: UNKNOWN after 10 s, and the session continues`, async (t) => {
    const page = await hanging(t, {
      ...signedIn,
      answer: ({ path }) => (path.endsWith("logout") ? hang() : refreshed(2)),
    });
    let code = "none yet";
    codeOf(page.lucia.signOut("/bye")).then((was) => (code = was));
    await page.clock.advance(10 * second - 1);
    assert.equal(code, "none yet");
    await page.clock.advance(1);
    assert.equal(code, "UNKNOWN");
    assert.deepEqual(page.session(), session());
    assert.equal(page.fields[0].value, session().access_token);
    assert.deepEqual(page.navigated, []);
    // The session is refreshed as before.
    await page.clock.advance(830 * second);
    assert.deepEqual(page.session(), session(2));
    assert.deepEqual(page.codes, []);
  });
}

for (const [what, hang] of [
  ["no answer", never],
  ["headers and no body", begun(200)],
  ["half a body", begun(200, '{"_lucia":null')],
]) {
  test(`a static page, ${what}: given up after 10 s, and asked again`, async (t) => {
    const page = await hanging(t, {
      bare: true,
      answer: (_, n) => (n === 1 ? hang() : theirs(1)),
    });
    await page.clock.advance(10 * second - 1);
    assert.deepEqual(page.codes, []);
    assert.equal(page.requests.length, 1);
    await page.clock.advance(1);
    assert.deepEqual(page.codes, ["UNKNOWN"]);
    assert.deepEqual(page.givenUp, [["session", 10 * second]]);
    assert.equal(page.session(), null);
    await page.clock.advance(2 * second);
    assert.equal(page.requests.length, 2);
    assert.deepEqual(page.session(), session());
  });

  for (const [where, come] of [
    [
      "a page from the cache",
      async ({ window }) => {
        window.dispatchEvent(new Event("pagehide"));
        window.dispatchEvent(Object.assign(new Event("pageshow"), { persisted: true }));
        await settle();
      },
    ],
    ["a boosted page", ({ swap }) => swap({ ...signedIn, session: session(2) })],
  ]) {
    test(`${where}, ${what}: given up after 10 s, and asked again`, async (t) => {
      const page = await hanging(t, {
        ...signedIn,
        answer: (_, n) => (n === 1 ? hang() : theirs(2)),
      });
      await come(page);
      await page.clock.advance(10 * second - 1);
      assert.deepEqual(page.givenUp, []);
      assert.equal(page.requests.length, 1);
      await page.clock.advance(1);
      assert.deepEqual(page.givenUp, [["session", 10 * second]]);
      assert.deepEqual(page.session(), session());
      assert.equal(page.document.documentElement.style.cssText, "");
      await page.clock.advance(2 * second);
      assert.ok(page.requests.length > 1);
      assert.ok(page.requests.every(({ path }) => path === "/api/auth/session"));
      assert.deepEqual(page.session(), session(2));
      assert.equal(page.replaced.length, 0);
    });
  }
}
