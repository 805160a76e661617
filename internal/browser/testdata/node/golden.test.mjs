// The module's result for each answer in the golden files, over real HTTP.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import { codeOf, open } from "./page.mjs";

const golden = (name) =>
  JSON.parse(readFileSync(new URL(`../../../../internal/wire/testdata/${name}`, import.meta.url)));

const sid = "c2Vzc2lvbi1zYW1wbGUtMQ";

let server, base, exchanges, seen;

before(async () => {
  server = createServer((request, response) => {
    const { request: wanted, response: answer } = exchanges[seen.length] ?? {};
    const headers = Object.fromEntries(
      Object.keys(wanted?.headers ?? {}).map((name) => [
        name,
        request.headers[name.toLowerCase()] ?? null,
      ]),
    );
    seen.push({ method: request.method, path: request.url.replace("/api/auth", ""), headers });
    if (!answer) return request.socket.destroy();
    response.writeHead(answer.status, answer.headers).end(answer.body);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  base = `http://127.0.0.1:${server.address().port}/api/auth`;
});

after(() => {
  server.closeAllConnections();
  server.close();
});

function arrange(t, case_, session) {
  exchanges = case_.exchanges;
  seen = [];
  return open(t, {
    session,
    base,
    network: true,
    dataset: { session: sid, expiresIn: "10" },
  });
}

const expected = (case_) => case_.exchanges.map((exchange) => exchange.request);

for (const case_ of golden("refresh.json")) {
  test(`refresh: ${case_.name}`, async (t) => {
    const page = await arrange(t, case_, case_.session);
    const call = page.lucia.refreshTokens(case_.token);
    const [outcome] = await Promise.allSettled([call]);
    assert.equal(await codeOf(call), case_.error);
    if ("result" in case_)
      assert.deepEqual(JSON.parse(JSON.stringify(outcome.value)), case_.result);
    if ("retry_after" in case_) assert.equal(outcome.reason.retryAfter, case_.retry_after);
    // Before the store's session has ended for the module, it asks the server for another one.
    if (case_.session && !case_.after) assert.equal(seen.pop().path, "/session");
    assert.deepEqual(seen, expected(case_));
    assert.deepEqual(page.session(), case_.after);
    if (!isDeepStrictEqual(case_.after, case_.session)) {
      // In hardened mode the form still names the session of its page.
      const signedOut = case_.session?.access_token ? "" : sid;
      assert.equal(page.fields[0].value, case_.after?.access_token ?? signedOut);
    }
  });
}

for (const case_ of golden("logout.json")) {
  test(`logout: ${case_.name}`, async (t) => {
    const page = await arrange(t, case_, case_.session);
    assert.equal(await codeOf(page.lucia.signOut()), case_.error);
    assert.deepEqual(seen, expected(case_));
    assert.deepEqual(page.session(), case_.after);
  });
}

for (const case_ of golden("session.json")) {
  test(`session: ${case_.name}`, async (t) => {
    const user_id = case_.result?._lucia?.user?.user_id ?? "u1";
    const before = { user: { user_id, username: "as rendered" } };
    const page = await arrange(t, case_, before);
    const code = await codeOf(page.lucia.loadSession());
    assert.equal(code === undefined, case_.error === undefined, code);
    assert.deepEqual(seen, expected(case_));
    assert.deepEqual(page.session(), case_.error ? before : case_.result._lucia);
    const { expires_in } = page.events.at(-1) ?? {};
    // This test uses the real clock, and the machine may be busy.
    const late = case_.result?.expires_in - expires_in;
    if (case_.result?.expires_in) assert.ok(late >= 0 && late < 30, `${late} s late`);
  });
}

// luciaFetch on a page of the app. Paths are complete here.
for (const case_ of golden("fetch.json")) {
  test(`fetch: ${case_.name}`, async (t) => {
    const { exchanges } = case_;
    const page = await open(t, {
      session: case_.session,
      dataset: { session: "c2Vzc2lvbi1zYW1wbGUtMQ", expiresIn: "900" },
      answer: (_, count) => {
        if (count > exchanges.length) return;
        const { status, headers, body } = exchanges[count - 1].response;
        return new Response(body || null, { status, headers });
      },
    });
    const response = await page.lucia.luciaFetch("https://app.example/api/me");
    assert.equal(response.status, case_.status);
    if (case_.session && !case_.after) assert.equal(page.requests.pop().path, "/api/auth/session");
    assert.deepEqual(
      page.requests.map(({ method, path, authorization }) => [method, path, authorization]),
      exchanges.map(({ request: { method, path, headers } }) => [
        method,
        path,
        headers.Authorization,
      ]),
    );
    assert.deepEqual(page.session(), case_.after);
  });
}
