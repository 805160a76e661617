// luciaFetch sends the token to this origin only, and repeats a request once after a refresh.
import assert from "node:assert/strict";
import { test } from "node:test";
import { challenge, json, open, origin, refreshed, session } from "./page.mjs";

const fresh = "Bearer " + session(2).access_token;
const stale = "Bearer " + session(1).access_token;
const signedIn = { session: session(), dataset: { expiresIn: "900", session: "s1" } };

/** Answers as an API does whose tokens have been replaced. */
function api({ path, authorization, body }) {
  if (path.endsWith("/refresh")) return refreshed(2);
  return authorization === fresh
    ? new Response("ok " + body)
    : json(401, { message: "AUTH_INVALID_ACCESS_TOKEN" }, challenge);
}

const authorizations = (page) => page.requests.map((r) => r.authorization);

test("the token goes to this origin only", async (t) => {
  const page = await open(t, { ...signedIn, answer: () => new Response() });
  for (const url of [
    origin + "/a",
    "https://elsewhere.example/",
    origin + ":8443/",
    origin.replace("s:", ":") + "/",
    "https://sub.app.example/",
  ]) {
    await page.lucia.luciaFetch(url);
  }
  assert.deepEqual(authorizations(page), [stale, null, null, null, null]);
});

test("the challenge of another origin has no effect", async (t) => {
  const page = await open(t, { ...signedIn, answer: () => json(401, {}, challenge) });
  assert.equal((await page.lucia.luciaFetch("https://elsewhere.example/")).status, 401);
  assert.equal(page.requests.length, 1);
});

test("the caller's Authorization is kept, and the caller gets its refusal", async (t) => {
  const page = await open(t, { ...signedIn, answer: () => json(401, {}, challenge) });
  const response = await page.lucia.luciaFetch(origin, {
    headers: { Authorization: "Basic YTpi" },
  });
  assert.equal(response.status, 401);
  assert.deepEqual(authorizations(page), ["Basic YTpi"]);
});

test("signed out: luciaFetch is fetch", async (t) => {
  const page = await open(t, { answer: () => json(401, {}, challenge) });
  assert.equal((await page.lucia.luciaFetch(origin)).status, 401);
  assert.deepEqual(authorizations(page), [null]);
});

for (const [what, status, headers] of [
  ["200", 200, challenge],
  ["403", 403, challenge],
  ["401 without a challenge", 401, {}],
  ["401 of another realm", 401, { "WWW-Authenticate": 'Bearer realm="api"' }],
  ["401 of another scheme", 401, { "WWW-Authenticate": 'Basic realm="lucia"' }],
  ["401 of a longer realm", 401, { "WWW-Authenticate": 'Bearer realm="lucia2"' }],
]) {
  test(`the caller gets ${what}`, async (t) => {
    const page = await open(t, { ...signedIn, answer: () => json(status, {}, headers) });
    assert.equal((await page.lucia.luciaFetch(origin)).status, status);
    assert.equal(page.requests.length, 1);
  });
}

for (const [what, input, init, body] of [
  ["a GET", () => origin + "/api", undefined, ""],
  ["a URL object", () => new URL(origin + "/api"), undefined, ""],
  ["a text body", () => origin, { method: "POST", body: "text" }, "text"],
  ["bytes", () => origin, { method: "PUT", body: new TextEncoder().encode("bytes") }, "bytes"],
  ["a blob", () => origin, { method: "POST", body: new Blob(["blob"]) }, "blob"],
  [
    "a Request",
    () => new Request(origin, { method: "POST", body: "request" }),
    undefined,
    "request",
  ],
  [
    "a Request with init",
    () => new Request(origin, { method: "POST", body: "old" }),
    { body: "new" },
    "new",
  ],
]) {
  test(`${what} is repeated with the new token and its body`, async (t) => {
    const page = await open(t, { ...signedIn, answer: api });
    const response = await page.lucia.luciaFetch(input(), init);
    assert.equal(await response.text(), "ok " + body);
    assert.deepEqual(authorizations(page), [stale, "Bearer refresh-1", fresh]);
    assert.equal(page.requests[0].body, page.requests[2].body);
  });
}

for (const value of [
  'Bearer realm="lucia"',
  'Bearer realm="lucia", error="invalid_token"',
  'Basic realm="proxy", Bearer realm="lucia"',
  'Basic realm="proxy",Bearer realm="lucia", error="invalid_token"',
  'Bearer realm="lucia", Basic realm="proxy"',
]) {
  test(`a challenge of the library: ${value}`, async (t) => {
    const page = await open(t, {
      ...signedIn,
      answer: ({ path, authorization }) => {
        if (path.endsWith("/refresh")) return refreshed(2);
        return authorization === fresh
          ? new Response()
          : json(401, {}, { "WWW-Authenticate": value });
      },
    });
    assert.equal((await page.lucia.luciaFetch(origin)).status, 200);
    assert.deepEqual(authorizations(page), [stale, "Bearer refresh-1", fresh]);
  });
}

test("a stream cannot be sent again: the caller gets the refusal, and the session is refreshed", async (t) => {
  const page = await open(t, { ...signedIn, answer: api });
  const body = new Blob(["stream"]).stream();
  const response = await page.lucia.luciaFetch(origin, { method: "POST", body, duplex: "half" });
  assert.equal(response.status, 401);
  assert.equal((await response.json()).message, "AUTH_INVALID_ACCESS_TOKEN");
  assert.equal(page.requests.length, 2);
});

test("a request whose fresh token is refused is repeated once, and then not for a while", async (t) => {
  const page = await open(t, {
    ...signedIn,
    answer: ({ path }, n) => (path.endsWith("/refresh") ? refreshed(n) : json(401, {}, challenge)),
  });
  for (let i = 0; i < 20; i++) {
    assert.equal((await page.lucia.luciaFetch(origin)).status, 401);
  }
  assert.equal(page.requests.filter((r) => r.path.endsWith("/refresh")).length, 1);
  assert.equal(page.requests.length, 22);
  await page.clock.advance(11_000);
  await page.lucia.luciaFetch(origin);
  assert.equal(page.requests.filter((r) => r.path.endsWith("/refresh")).length, 2);
});

test("concurrent refused requests share one refresh", async (t) => {
  const page = await open(t, { ...signedIn, answer: api });
  const responses = await Promise.all(
    Array.from({ length: 10 }, () => page.lucia.luciaFetch(origin)),
  );
  assert.ok(responses.every((r) => r.ok));
  assert.equal(page.requests.filter((r) => r.path.endsWith("/refresh")).length, 1);
});

test("a request refused after the token was replaced is repeated without a refresh", async (t) => {
  let refuse;
  const page = await open(t, {
    ...signedIn,
    answer: (request, n) => (n === 1 ? new Promise((resolve) => (refuse = resolve)) : api(request)),
  });
  const late = page.lucia.luciaFetch(origin);
  await page.clock.advance(0);
  await page.lucia.refreshTokens();
  refuse(json(401, {}, challenge));
  assert.equal((await late).status, 200);
  assert.deepEqual(authorizations(page), [stale, "Bearer refresh-1", fresh]);
});

test("a request refused after the sign-out is not repeated", async (t) => {
  let refuse;
  const page = await open(t, {
    ...signedIn,
    answer: ({ path }) =>
      path.endsWith("logout") ? json(204) : new Promise((resolve) => (refuse = resolve)),
  });
  const late = page.lucia.luciaFetch(origin);
  await page.clock.advance(0);
  await page.lucia.signOut();
  refuse(json(401, {}, challenge));
  assert.equal((await late).status, 401);
  assert.equal(page.requests.length, 2);
});

test("store unavailable: the caller gets the refusal, and not every request causes a refresh", async (t) => {
  const page = await open(t, {
    ...signedIn,
    answer: ({ path }) =>
      path.endsWith("/refresh")
        ? json(503, { message: "DATABASE_FETCH_FAILED" })
        : json(401, {}, challenge),
  });
  for (let i = 0; i < 5; i++) assert.equal((await page.lucia.luciaFetch(origin)).status, 401);
  assert.equal(page.requests.filter((r) => r.path.endsWith("/refresh")).length, 1);
  assert.deepEqual(page.session(), session());
});

test("ended session: the caller gets the refusal, and the store is empty", async (t) => {
  const page = await open(t, {
    ...signedIn,
    answer: ({ path }) =>
      path.endsWith("/refresh")
        ? json(401, { message: "AUTH_UNAUTHORIZED" })
        : json(401, {}, challenge),
  });
  assert.equal((await page.lucia.luciaFetch(origin)).status, 401);
  assert.equal(page.session(), null);
  assert.deepEqual(
    page.requests.map((r) => r.path),
    ["/", "/api/auth/refresh", "/api/auth/session"],
  );
});

test("hardened mode: no token, but one refresh and one repetition", async (t) => {
  const user = { user_id: "u1" };
  const page = await open(t, {
    session: { user },
    dataset: { expiresIn: "900", session: "s1" },
    answer: ({ path }, n) => {
      if (path.endsWith("/refresh")) return json(200, { user, expires_in: 900, session_id: "s1" });
      return n === 1 ? json(401, {}, challenge) : new Response("ok");
    },
  });
  assert.equal((await page.lucia.luciaFetch(origin + "/api")).status, 200);
  assert.deepEqual(authorizations(page), [null, null, null]);
  assert.deepEqual(
    page.requests.map((r) => r.path),
    ["/api", "/api/auth/refresh", "/api"],
  );
});

test("a network error rejects as with fetch", async (t) => {
  const page = await open(t, signedIn);
  await assert.rejects(page.lucia.luciaFetch(origin), TypeError);
  await assert.rejects(page.lucia.luciaFetch("http://["), TypeError);
});
