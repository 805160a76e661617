// A page for the module: as little of a browser as it uses, with a clock that the test sets and a
// network that the test answers.
import assert from "node:assert/strict";
import { setImmediate as turn } from "node:timers/promises";

const real = {
  fetch,
  setTimeout,
  clearTimeout,
  now: Date.now,
  performance: performance.now,
  entries: performance.getEntriesByType,
  timeout: AbortSignal.timeout,
};
let loads = 0;

export const origin = "https://app.example";

/** A token with this payload. Clients do not check its signature. */
export function token(payload) {
  return `e30.${Buffer.from(JSON.stringify(payload)).toString("base64url")}.c2ln`;
}

/** A session and the answer of a server that hands it out. */
export function session(generation = 1, user = { user_id: "u1" }) {
  return {
    user,
    access_token: token({ user, generation }),
    refresh_token: "refresh-" + generation,
  };
}

export function json(status, body, headers = {}) {
  return new Response(body === undefined ? null : JSON.stringify(body), { status, headers });
}

export function refreshed(generation, expires_in = 900, session_id = "s1") {
  return json(200, { ...session(generation), expires_in, session_id });
}

export const challenge = {
  "WWW-Authenticate": 'Bearer realm="lucia", error="invalid_token"',
};

/** A clock that the test advances. During sleep the monotonic clock stops and the date advances. */
class Clock {
  mono = 0;
  date = Date.UTC(2026, 0, 1);
  timers = new Map();
  #ids = 0;
  #signals = []; // of AbortSignal.timeout; they are not timers of the page

  install() {
    performance.now = () => this.mono;
    Date.now = () => this.date;
    globalThis.setTimeout = (fn, wait = 0) => {
      const far = wait > 2 ** 31 - 1; // browsers run such a timer at once
      this.timers.set(++this.#ids, { fn, at: this.mono + (far ? 1 : wait) });
      return this.#ids;
    };
    globalThis.clearTimeout = (id) => this.timers.delete(id);
    AbortSignal.timeout = (wait) => {
      const control = new AbortController();
      this.#signals.push({ at: this.mono + wait, control });
      return control.signal;
    };
  }

  async advance(ms) {
    const end = this.mono + ms;
    for (;;) {
      await settle();
      const due = [...this.timers]
        .filter(([, t]) => t.at <= end)
        .sort(([, a], [, b]) => a.at - b.at)[0];
      const to = due ? Math.max(this.mono, due[1].at) : end;
      const signal = this.#signals[0]?.at <= to && this.#signals.shift();
      if (signal) {
        this.#pass(signal.at);
        signal.control.abort(new DOMException("time is up", "TimeoutError"));
        continue;
      }
      this.#pass(to);
      if (!due) return settle();
      this.timers.delete(due[0]);
      due[1].fn();
    }
  }

  #pass(to) {
    this.date += to - this.mono;
    this.mono = to;
  }

  async sleep(ms) {
    this.date += ms;
    await settle();
  }
}

/** Runs all pending promise callbacks. */
export async function settle() {
  for (let i = 0; i < 20; i++) await turn();
}

/** An EventTarget that counts its listeners. Events that bubble reach its parent. */
class Target extends EventTarget {
  listeners = 0;
  parent;

  addEventListener(type, fn, options) {
    this.listeners++;
    super.addEventListener(type, fn, options);
  }

  removeEventListener(type, fn, capture) {
    this.listeners--;
    super.removeEventListener(type, fn, { capture }); // node ignores a boolean capture
  }

  dispatchEvent(event) {
    super.dispatchEvent(event);
    if (event.bubbles) this.parent?.dispatchEvent(new Event(event.type));
    return true;
  }
}

/** Gives the page channels to other tabs. `open` are the open channels, `said` are the messages of
* the page, and `say` sends it a message.
 */
export function channels() {
  const tabs = { open: new Set(), said: [] };
  globalThis.BroadcastChannel = class {
    constructor() {
      tabs.open.add(this);
    }
    postMessage([session, sid, reported, asked, expires]) {
      tabs.said.push({ session, sid, reported, asked, expires });
    }
    close() {
      tabs.open.delete(this);
    }
  };
  tabs.say = async ({ session, sid, reported = 0, asked, expires }) => {
    const data = [session, sid, reported, asked, expires];
    for (const channel of tabs.open) channel.onmessage?.({ data });
    await settle();
  };
  return tabs;
}

/** Defines browser globals that node lacks, for the duration of the test `t`. */
function globals(t, values) {
  for (const [name, value] of Object.entries(values)) {
    const before = Object.getOwnPropertyDescriptor(globalThis, name);
    Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
    t.after(() =>
      before ? Object.defineProperty(globalThis, name, before) : delete globalThis[name],
    );
  }
}

/** Imports another instance of the module, as another page does. */
export function instance() {
  return import(`../../lucia.js?load=${++loads}`);
}

/**
 * Opens a page with the session in its page data and imports the module.
 * @param t the test
 * @param options session: of the page data; dataset: attributes beside; bare: there is no page
 *   data; answer: the network, a function of ({ method, path, authorization, body, url }) that
 *   returns or throws; `base` and `network: true` let requests through to a real server on the
 *   real clock; entry: what the browser says of the navigation; controller: the service worker;
 *   last: the session that another page has left in storage; prerendering: the page is.
 */
export async function open(
  t,
  {
    session = null,
    bare = false,
    dataset = {},
    answer,
    base,
    network = false,
    entry = {},
    controller,
    last = dataset.session,
    prerendering = false,
  } = {},
) {
  const clock = new Clock();
  const requests = [];
  const fields = [{ value: "as rendered", dataset: {} }];
  const stored = new Map();
  const remembered = new Map();
  const page = { requests, fields, stored, remembered, clock, navigated: [], replaced: [] };
  // How the browser reports that the page was delivered.
  page.entry = { deliveryType: "", ...entry };
  const pageData = (session, dataset) => {
    const text = { data: JSON.stringify({ _lucia: session, title: "of the app" }) };
    return {
      firstChild: text,
      get textContent() {
        return text.data;
      },
      dataset: { base: base ?? origin + "/api/auth", ...dataset },
    };
  };
  page.blocks = bare ? [] : [pageData(session, dataset)];
  page.pageData = pageData;
  // The name of the entries in storage.
  page.key = (base) =>
    "lucia:" + (bare ? new URL("../../", import.meta.url) : new URL((base ?? origin + "/api/auth") + "/")).pathname;
  const observers = new Set();
  page.observers = observers;
  // Observers see the changes of a script after it has run.
  page.changed = async () => {
    await undefined;
    for (const observe of observers) observe([]);
    await settle();
  };
  // Replaces this page by another one, as htmx, Turbo and Unpoly do.
  page.swap = ({ session = null, dataset = {}, bare = false }) => {
    page.blocks = bare ? [] : [pageData(session, dataset)];
    return page.changed();
  };
  page.document = Object.assign(new Target(), {
    documentElement: {
      inert: false,
      style: {
        cssText: "",
        setProperty(name, value, priority) {
          this.cssText = this.cssText.replace(/opacity:.*?;/, "");
          if (value) this.cssText += `${name}:${value}!${priority};`;
        },
      },
    },
    baseURI: origin + "/here",
    prerendering,
    querySelectorAll: (selector) => {
      if (selector === "script#lucia-page-data") return page.blocks;
      return selector === "input[type=hidden][name=_lucia]" ? fields : [];
    },
  });
  page.window = page.document.parent = new Target();
  page.events = [];
  page.document.listeners = 0;
  EventTarget.prototype.addEventListener.call(page.document, "lucia:session", (e) =>
    // Without an idle timeout the session has no idle end.
    page.events.push(
      Object.fromEntries(
        Object.entries(e.detail).filter(([key, value]) => key !== "idle_in" || value < Infinity),
      ),
    ),
  );
  const storage = (map) =>
    new Proxy(Object.create(null), {
      get: (_, key) => map.get(key),
      set: (_, key, value) => Boolean(map.set(key, String(value))),
      deleteProperty: (_, key) => map.delete(key) || true,
    });
  performance.getEntriesByType = () => [page.entry];
  if (last) stored.set(page.key(base), last);
  globals(t, {
    document: page.document,
    Document: { prototype: page.document },
    Element: {
      prototype: {
        getAttribute(name) {
          return this.attributes?.[name] ?? null;
        },
      },
    },
    MutationObserver: class {
      constructor(callback) {
        this.callback = callback;
      }
      observe() {
        observers.add(this.callback);
      }
      disconnect() {
        observers.delete(this.callback);
      }
    },
    addEventListener: page.window.addEventListener.bind(page.window),
    removeEventListener: page.window.removeEventListener.bind(page.window),
    navigator: { serviceWorker: { controller } },
    BroadcastChannel: undefined,
    CustomEvent: class extends Event {
      constructor(type, { detail }) {
        super(type);
        this.detail = detail;
      }
    },
    location: {
      origin: base ? new URL(base).origin : origin,
      pathname: "/here",
      search: "?q",
      get href() {
        return globalThis.location.origin + "/here?q";
      },
      set href(url) {
        page.navigated.push(url);
      },
      replace: (url) => page.replaced.push(url),
      reload: () => assert.fail("the page was reloaded"),
    },
    localStorage: storage(stored),
    sessionStorage: storage(remembered),
  });
  if (!network) {
    clock.install();
    globalThis.fetch = async (input, init) => {
      const request = new Request(input, init);
      const { pathname, href } = new URL(request.url);
      const seen = {
        method: request.method,
        path: pathname,
        url: href,
        authorization: request.headers.get("Authorization"),
        active: request.headers.get("Lucia-Active"),
        body: await request.text(),
      };
      requests.push(seen);
      const aborted = new Promise((_, reject) => {
        request.signal.addEventListener("abort", () => reject(request.signal.reason));
      });
      const response = await Promise.race([answer?.(seen, requests.length), aborted]);
      if (!response) throw new TypeError("network down");
      return response;
    };
  }
  t.after(() => {
    Object.assign(globalThis, {
      fetch: real.fetch,
      setTimeout: real.setTimeout,
      clearTimeout: real.clearTimeout,
    });
    AbortSignal.timeout = real.timeout;
    Date.now = real.now;
    performance.now = real.performance;
    performance.getEntriesByType = real.entries;
  });
  page.lucia = await instance();
  page.session = () => {
    let value;
    page.lucia.getSession().subscribe((v) => (value = v))();
    return value;
  };
  return page;
}

/** Resolves to the code that a promise rejects with, or to undefined. */
export async function codeOf(promise) {
  try {
    await promise;
  } catch (error) {
    return error.name === "LuciaError" ? error.message : `not a LuciaError: ${error.stack}`;
  }
}
