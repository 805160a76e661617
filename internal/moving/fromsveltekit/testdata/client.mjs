// Calls lucia-sveltekit/client for a test, as a page does. The argument is JSON: the cookies
// and _lucia of a page, and calls of refreshTokens and signOut, each with the address of a server.
// Prints, for each call, the names of the members of its result, or the error.
const { cookie, _lucia, calls } = JSON.parse(process.argv[2]);

let server;
const send = globalThis.fetch;
globalThis.fetch = (path, { headers, ...init }) => send(server + path, { ...init, headers: { ...headers, cookie } });
globalThis._lucia_page_data = [{ data: { _lucia } }];

const client = await import("lucia-sveltekit/client");
const results = [];
for (const call of calls) {
  server = call.server;
  try {
    const result = await client[call.name](call.argument);
    results.push(Object.keys(result ?? {}).sort().join(" "));
  } catch (e) {
    results.push(e instanceof TypeError ? "TypeError" : `${e.constructor.name} ${e.message}`);
  }
}
console.log(JSON.stringify(results));
