// What SvelteKit does for an app: requests and responses of node as those of the web, cookies, and
// the data of a page in the page.
import { createServer } from "node:http";

export const json = (body, status = 200) => Response.json(body, { status });

export const redirect = (location) => new Response(null, { status: 303, headers: { location } });

export const escape = (text) => text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);

// html returns a page. data is what its load function has returned.
export const html = (body, data = {}) => {
  const script = JSON.stringify(data).replaceAll("<", "\\u003c");
  return new Response(`<!doctype html><script type="application/json" id="data">${script}</script>${body}`, {
    headers: { "content-type": "text/html; charset=utf-8" },
  });
};

// cookieJar returns the cookies of an event, and the Set-Cookie lines of its response.
const cookieJar = (header = "") => {
  const values = new Map();
  for (const pair of header.split("; ")) {
    const at = pair.indexOf("=");
    if (at > 0) values.set(pair.slice(0, at), decodeURIComponent(pair.slice(at + 1)));
  }
  const lines = [];
  const set = (name, value, { maxAge, secure, httpOnly, sameSite, path }) => {
    values.set(name, value);
    lines.push(
      `${name}=${encodeURIComponent(value)}; Max-Age=${maxAge}; Path=${path}; SameSite=${sameSite}` +
        (httpOnly ? "; HttpOnly" : "") + (secure ? "; Secure" : ""),
    );
  };
  return { cookies: { get: (name) => values.get(name), set }, lines };
};

// serve starts the app, whose pages are at origin, on a free port of this machine.
export const serve = (app, origin) => {
  const answer = async (req, res) => {
    const chunks = [];
    for await (const chunk of req) chunks.push(chunk);
    const url = new URL(req.url, origin);
    const body = req.method === "GET" || req.method === "HEAD" ? undefined : Buffer.concat(chunks);
    const request = new Request(url, { method: req.method, headers: req.headers, body });
    const { cookies, lines } = cookieJar(req.headers.cookie);
    const response = await app({ request, url, cookies });
    const headers = Object.fromEntries(response.headers);
    // The library joins the lines of its routes with commas, and no value of them has one.
    const joined = response.headers.get("set-cookie");
    if (joined) lines.push(...joined.split(/,\s*/));
    res.writeHead(response.status, { ...headers, "set-cookie": lines });
    res.end(Buffer.from(await response.arrayBuffer()));
  };
  const server = createServer((req, res) => {
    answer(req, res).catch((e) => {
      console.error(e);
      res.writeHead(500).end("internal error");
    });
  });
  return new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(server)));
};
