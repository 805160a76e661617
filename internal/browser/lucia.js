// @ts-check
/**
 * lucia for Go, in the browser: who is signed in, sign-out, and tokens that stay fresh.
 *
 *     import { getSession, signOut, handleSilentRefresh } from "/api/auth/client.js";
 *
 * Without modules: hidden fields named `_lucia` always hold the current access token, in forms
 * that lead to this site, and `document` gets an event `lucia:session`, whose `detail` is
 * `{ session, expires_in }`, when silent refresh starts, when the session changes and after
 * each refresh.
 *
 * While silent refresh is on, the store also follows pages that a script puts in the place of
 * this one: boosted links of htmx, Turbo.
 *
 * A request to the server ends in one of three ways: ok, gone (401 with our code), or later
 * (anything else). Only gone and signing out end a session. What tabs tell one another saves
 * requests and is never needed: the server is right about everything that matters.
 *
 * @module
 */

/**
 * @typedef {{ user_id: string, [attribute: string]: any }} User
 * @typedef {{ access_token: string, refresh_token: string }} Tokens
 */

/**
 * Somebody signed in. A server in hardened mode keeps the tokens out of the page.
 * @template {User} [U=User]
 * @typedef {{ user: U } & Partial<Tokens>} Session
 */

/**
 * The store contract of Svelte, of use without Svelte too.
 * @template T
 * @typedef {object} Writable
 * @property {(run: (value: T) => void) => () => void} subscribe calls `run` at once and after
 *   every change, until the returned function is called
 * @property {(value: T) => void} set
 * @property {(updater: (value: T) => T) => void} update
 */

/**
 * What every failure is. `message` is the code: AUTH_UNAUTHORIZED, AUTH_NOT_AUTHENTICATED,
 * DATABASE_FETCH_FAILED, DATABASE_UPDATE_FAILED or UNKNOWN (no network, no sense in the answer).
 */
export class LuciaError extends Error {
  /**
   * @param {string} code
   * @param {number} [retryAfter] seconds the server wants to be left alone
   */
  constructor(code, retryAfter = 0) {
    super(code);
    this.name = "LuciaError";
    this.retryAfter = retryAfter;
  }

  // A page may load this file under two URLs; an error of either is one for both.
  /** @param {any} value */
  static [Symbol.hasInstance](value) {
    return value?.name === "LuciaError";
  }
}

const browser = typeof document === "object";

/**
 * What there is later: the time before which nothing is asked again, the time at which what
 * the store has was asked for; the one refresh under way and the next check; the end of
 * silent refresh.
 * @typedef {object} Later
 * @property {number} cool
 * @property {number} sent
 * @property {() => void} halt
 * @property {Promise<Partial<Tokens>>} [flight]
 * @property {ReturnType<typeof setTimeout>} [timer]
 */

/**
 * What two copies of this file on one page share.
 * Times are milliseconds of `now()`, which starts at zero with the navigation.
 */
const state = /** @type {ReturnType<typeof begin> & Later} */ (
  /** @type {any} */ (globalThis)[Symbol.for("lucia-go/1")] ??= begin()
);

/** Reads the page data, which is another one after a boosted link. */
function read() {
  /** @type {HTMLElement | null} */
  const page = browser ? document.querySelector("script#lucia-page-data") : null;
  const { base, session: id = "", expiresIn } = page?.dataset ?? {};
  const expires = (Number(expiresIn) || 0) * 1e3;
  /** @type {Session | null} */
  let session = null;
  try {
    session = JSON.parse(page?.textContent ?? "")._lucia ?? null;
  } catch {}
  const json = JSON.stringify(session);
  return {
    /** The session that the server made this page for, no secret; "" is nobody, null any. */
    sid: page && id,
    /** Whether a page without a session may get one when it asks: a static or a boosted one. */
    open: !page,
    session,
    json,
    /** What the page said last. */
    seen: json + id,
    base: base ? new URL(base + "/", location.href) : import.meta.url,
    /** When the access token expires, and when to ask for the next. */
    expires,
    next: expires - lead(expires),
  };
}

function begin() {
  return {
    ...read(),
    /** @type {Set<[(session: any) => void]>} */
    subscribers: new Set(),
    /** @type {Set<[((error: LuciaError) => void)?]>} */
    watchers: new Set(),
    failures: 0,
    /** How many calls of signOut wait for their answers. */
    leaving: 0,
    /** How long the monotonic clock has stood still, and how far the date is ahead of it. */
    slept: 0,
    ahead: Date.now() - performance.now(),
  };
}

/**
 * How long before its end a token of this remaining life is replaced.
 * @param {number} life
 */
function lead(life) {
  return life > 60e3 ? 60e3 : life / 3;
}

/**
 * The monotonic clock, which stands still while some machines sleep; then the date knows.
 * A date set back changes nothing, a date set forward costs one early refresh.
 */
function now() {
  const mono = performance.now();
  const ahead = Date.now() - mono;
  state.slept += Math.max(0, ahead - state.ahead);
  state.ahead = ahead;
  return mono + state.slept;
}

const name = "lucia:" + new URL(".", state.base).pathname;

/**
 * The session store. Its first value is `_lucia` of the page data; refresh, sign-out and news
 * from other tabs change it. Subscribers hear of changes only.
 * @template {User} [U=User]
 * @returns {Writable<Session<U> | null>}
 */
export function getSession() {
  return {
    subscribe(run) {
      /** @type {[typeof run]} */
      const subscriber = [run];
      state.subscribers.add(subscriber);
      run(/** @type {any} */ (state.session));
      return () => void state.subscribers.delete(subscriber);
    },
    set: (value) => put(value),
    update: (updater) => put(updater(/** @type {any} */ (state.session))),
  };
}

/**
 * Ends the session here and in the other tabs, then goes to `redirect`, where that is a path
 * or an http(s) URL. Rejects outside a browser (UNKNOWN), and with AUTH_NOT_AUTHENTICATED,
 * DATABASE_UPDATE_FAILED or UNKNOWN; after the last two the session is as it was.
 * @param {string} [redirect]
 * @returns {Promise<void>}
 */
export async function signOut(redirect) {
  const { session, sid } = state;
  if (!session || !browser) {
    throw new LuciaError(browser ? "AUTH_NOT_AUTHENTICATED" : "UNKNOWN");
  }
  // A refresh that loses the race against the sign-out is no news to anybody.
  state.leaving++;
  const { status, error } = await ask(
    "logout",
    session.access_token,
    "AUTH_NOT_AUTHENTICATED",
    "DATABASE_UPDATE_FAILED",
  );
  state.leaving--;
  if (sid === state.sid && (status === 204 || error.message === "AUTH_NOT_AUTHENTICATED")) {
    put(null);
    tell();
  } else check();
  if (status !== 204) throw error;
  // Never to javascript: or data:.
  const url = redirect !== undefined && resolve(redirect);
  if (url && /^https?:/.test(url.href)) location.href = url.href;
}

/**
 * Exchanges the refresh token for new tokens. Without an argument, or with the store's own
 * token, the store follows, and calls at the same time share one request. Rejects with
 * AUTH_UNAUTHORIZED, DATABASE_FETCH_FAILED or UNKNOWN.
 * @overload
 * @param {string} refreshToken
 * @returns {Promise<Tokens>}
 */
/**
 * In hardened mode the tokens are missing from the result.
 * @overload
 * @returns {Promise<Partial<Tokens>>}
 */
/**
 * @param {string} [refreshToken]
 * @returns {Promise<any>}
 */
export async function refreshTokens(refreshToken) {
  if (refreshToken && refreshToken !== state.session?.refresh_token) {
    return (await exchange(refreshToken)).tokens;
  }
  return renew();
}

/**
 * Refreshes the access token one minute before it expires (a token that lives no longer than
 * a minute: when a third of its life is left), until the returned function is called.
 *
 * `onError` gets AUTH_UNAUTHORIZED when a refresh finds the session over; the store is empty then
 * (as it is after a sign-out, here or in another tab, which is no error).
 * DATABASE_FETCH_FAILED and UNKNOWN are reported once per outage; the session stays, and so do
 * the attempts. Calling this twice is harmless, and on a server it does nothing. A request that is
 * under way when it is stopped ends by itself, within ten seconds.
 * @param {(error: LuciaError) => void} [onError]
 * @returns {() => void} stop
 */
export function handleSilentRefresh(onError) {
  if (!browser) return () => {};
  /** @type {[typeof onError]} */
  const watcher = [onError];
  state.watchers.add(watcher);
  if (state.watchers.size === 1) start();
  return () => {
    if (state.watchers.delete(watcher) && !state.watchers.size) state.halt();
  };
}

/**
 * `fetch` that carries the access token to this site and nowhere else. Where the server
 * answers that the token will not do, it refreshes and repeats the request once, provided
 * that the body can be sent again (a stream cannot).
 * @param {RequestInfo | URL} input
 * @param {RequestInit} [init]
 * @returns {Promise<Response>}
 */
export async function luciaFetch(input, init) {
  // Nothing of one person's is sent as another's.
  const { sid } = state;
  // In hardened mode there is no token to tell by, and otherwise an app may have set one.
  const used = state.json + state.expires;
  /** @type {any} */
  let ours;
  const send = () => {
    const request = new Request(input instanceof Request ? input.clone() : input, init);
    const token = state.session?.access_token;
    ours =
      (state.session || state.open) &&
      resolve(request.url)?.origin === location.origin &&
      !request.headers.has("Authorization");
    if (ours && token) request.headers.set("Authorization", "Bearer " + token);
    return fetch(request);
  };
  const response = await send();
  // It may stand behind another challenge: fetch joins them with commas. None is null, which
  // the pattern does not know either.
  const challenge = /** @type {string} */ (response.headers.get("WWW-Authenticate"));
  if (ours && response.status === 401 && /(^|, *)Bearer realm="lucia"(,|$)/.test(challenge)) {
    try {
      if (used === state.json + state.expires) {
        if (now() < state.cool) return response;
        await renew();
      }
      if (state.session && (sid ?? state.sid) === state.sid) return send();
    } catch {}
  }
  return response;
}

/** The URL that `href` leads to from this page; some lead nowhere. */
function resolve(/** @type {string} */ href) {
  try {
    return new URL(href, location.href);
  } catch {}
}

/** Runs `fn` so that what it throws reaches the console and nothing of ours stops. */
function shield(/** @type {() => void} */ fn) {
  try {
    fn();
  } catch (error) {
    setTimeout(() => {
      throw error;
    });
  }
}

/**
 * Makes this the session of the page, and where tokens came with it, plans the next refresh.
 * @param {any} session
 * @param {number} [sent] when the tokens were asked for: their life is counted from then
 * @param {number} [life] how long the access token lives from then
 */
function put(session, sent = 0, life = 0) {
  if (life) {
    state.expires = sent + life;
    state.next = sent + Math.max(life - lead(life), 1e3);
    state.cool = sent + Math.min(life / 2, 1e4);
    state.sent = sent;
    state.failures = 0;
  }
  if (!session) state.open = false;
  const json = JSON.stringify(session);
  const changed = json !== state.json;
  state.session = session;
  state.json = json;
  for (const subscriber of [...state.subscribers]) {
    // A subscriber may set the store or end another's subscription.
    if (changed && state.json === json && state.subscribers.has(subscriber)) {
      shield(() => subscriber[0](session));
    }
  }
  if (browser && (changed || life)) publish();
}

/** Tells the page: form fields, code without modules, and pages that come back later. */
function publish() {
  const { session, sid } = state;
  /** @type {NodeListOf<HTMLInputElement>} */
  const fields = document.querySelectorAll("input[type=hidden][name=_lucia]");
  for (const field of fields) {
    // No token for another site. A field named "action" would hide form.action.
    const action = resolve(field.form?.getAttribute("action") ?? "");
    if (action?.origin === location.origin) field.value = session?.access_token ?? "";
  }
  try {
    if (session && sid) localStorage[name] = sid;
    else delete localStorage[name];
  } catch {}
  const expires_in = session ? Math.max(0, Math.round((state.expires - now()) / 1e3)) : 0;
  document.dispatchEvent(new CustomEvent("lucia:session", { detail: { session, expires_in } }));
  check();
}

/** Sends the other tabs what this one knows. A channel heard by its own sender does no harm. */
function tell() {
  const { session, sid } = state;
  shared((channel) => {
    channel.postMessage({ session, sid, life: state.expires - now(), at: Date.now() });
    channel.close();
  });
}

/** Opens the channel between tabs where the browser has one to give. */
function shared(/** @type {(channel: BroadcastChannel) => void} */ use) {
  try {
    use(new BroadcastChannel(name));
  } catch {}
}

/** @param {MessageEvent} message */
function hear({ data: { session, sid, life, at } }) {
  if (!state.sid) return;
  // A page without a session proves no sign-out: the server may have been out of order.
  if (!sid) return verify();
  if (sid !== state.sid) return session && location.reload();
  if (!session) return put(null);
  const sent = now();
  life -= Math.max(0, Date.now() - at);
  // Signed out stays signed out, and of two answers the one asked for last is the newer.
  if (state.session && sent + life > state.expires + 1e3) put(session, sent, life);
}

/**
 * Asks the server. Never rejects: without an answer that makes sense, status or body is missing.
 * What `error` says counts where the answer is not the one hoped for.
 * @param {string} route
 * @param {string} [token]
 * @param {string} [gone] the code that comes with 401 only
 * @param {string} [later] the code that comes without
 */
async function ask(route, token, gone, later) {
  const sent = now();
  const control = new AbortController();
  const timer = setTimeout(() => control.abort(), 1e4);
  let status, after, body;
  try {
    const response = await fetch(new URL(route, state.base), {
      method: route === "session" ? "GET" : "POST",
      headers: token ? { Authorization: "Bearer " + token } : {},
      redirect: "error",
      signal: control.signal,
    });
    status = response.status;
    after = Math.max(0, Number(response.headers.get("Retry-After")) || 0);
    body = await response.json();
  } catch {}
  clearTimeout(timer);
  const code = status === 401 ? gone : later;
  const error = new LuciaError(code && body?.message === code ? code : "UNKNOWN", after);
  return { sent, status, body, error };
}

/**
 * One refresh, whoever asked. Without a token the refresh cookie speaks (hardened mode).
 * @param {string} [token]
 */
async function exchange(token) {
  const { sent, status, body, error } = await ask(
    "refresh",
    token,
    "AUTH_UNAUTHORIZED",
    "DATABASE_FETCH_FAILED",
  );
  try {
    const { access_token, refresh_token, expires_in } = body;
    if (status === 200 && Number.isInteger(expires_in) && expires_in > 0) {
      const life = expires_in * 1e3;
      if (!token) return { sent, life };
      // The signature of the access token is the server's business.
      const json = atob(access_token.split(".")[1].replace(/-/g, "+").replace(/_/g, "/"));
      const bytes = Uint8Array.from(json, (char) => char.charCodeAt(0));
      const { user } = await new Response(bytes).json();
      // Only text can be trimmed; the rest throws.
      if (user.user_id.trim() && refresh_token.trim()) {
        return { sent, life, user, tokens: { access_token, refresh_token } };
      }
    }
  } catch {}
  throw error;
}

/** Refreshes the store's session: one request at a time in this tab. */
function renew() {
  const { expires } = state;
  return (state.flight ??= alone(async () => {
    // A static page asks whose it is until there is an answer.
    if (!state.session && state.open) {
      await verify();
      if (state.open) throw fail(new LuciaError("UNKNOWN"));
    }
    // While this tab waited for its turn, another may have sent what it wanted.
    if (state.expires === expires) await replace();
    const { user, ...tokens } = state.session ?? {};
    return tokens;
  }).finally(() => {
    state.flight = undefined;
    check();
  }));
}

async function replace() {
  const { session, sid, expires } = state;
  try {
    const answer = session && (await exchange(session.refresh_token));
    // Signed out meanwhile, or somebody else: nothing brings the session back.
    if (!answer || !state.session || sid !== state.sid) throw new LuciaError("AUTH_UNAUTHORIZED");
    const { sent, user, tokens, life } = answer;
    put(user ? { user, ...tokens } : state.session, sent, life);
    if (!user) await verify();
    tell();
  } catch (/** @type {any} */ error) {
    const ours = state.session && sid === state.sid && !state.leaving;
    // Where another tab has sent tokens meanwhile, only the end of the session is news.
    const news = expires === state.expires || error.message === "AUTH_UNAUTHORIZED";
    throw ours && news ? fail(error) : error;
  }
}

/**
 * Draws the conclusion from a refresh that failed: gone or later.
 * @param {LuciaError} error
 */
function fail(error) {
  const gone = error.message === "AUTH_UNAUTHORIZED";
  const news = gone || !state.failures;
  const backoff = 2 ** Math.min(state.failures++, 5) * (1 + Math.random());
  state.next = state.cool = now() + 1e3 * (backoff + Math.min(error.retryAfter, 300));
  if (gone) put(null);
  // Once per outage; whoever hears of it may stop another.
  if (news) for (const [onError] of [...state.watchers]) shield(() => onError?.(error));
  return error;
}

/**
 * Runs `work` while no other tab does, as far as that can be had without waiting long.
 * @template T
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
async function alone(work) {
  /** @type {Promise<T> | undefined} */
  let begun;
  try {
    const options = { signal: AbortSignal.timeout(2e3) };
    return await navigator.locks.request(name, options, () => (begun = work()));
  } catch {
    return begun ?? work();
  }
}

/**
 * Compares a page, this one or another, with the session that the browser's cookies have now.
 * Returns whether there was an answer.
 */
async function verify(sid = state.sid || null) {
  const { sent, status, body } = await ask("session");
  const session = body?._lucia;
  const id = body?.session_id;
  if (status !== 200 || !(state.session || state.open) || sent < state.sent) return;
  if (session === null) put(null);
  if (!session?.user?.user_id) return session === null;
  if (id === (sid ?? id)) {
    state.open = false;
    state.sid = id;
    put(session, sent, body.expires_in * 1e3);
  } else location.reload();
  return true;
}

/** Refreshes if it is time, else comes back. Timers are late in hidden tabs and stop in sleep. */
function check() {
  clearTimeout(state.timer);
  if (!(state.session || state.open) || !state.watchers.size || state.leaving) return;
  const wait = state.next - now();
  if (wait > 0) state.timer = setTimeout(check, Math.min(wait, 1e9)); // a month is "at once" to it
  else renew().catch(() => {});
}

/** Begins to watch clock, tabs and page; `state.halt` ends all of it. */
function start() {
  const control = new AbortController();
  /** @type {BroadcastChannel | undefined} */
  let channel;
  const listen = () => shared((opened) => ((channel = opened).onmessage = hear));
  const { style } = document.documentElement;
  /** @type {string | undefined} the page's own style while it is hidden */
  let shown;
  const show = () => {
    style.cssText = shown ?? style.cssText;
    shown = undefined;
  };
  // What happens to the document bubbles up to the window; `control` is read for its signal.
  /** @type {(type: string, run: (event: any) => void) => void} */
  const on = (type, run) => addEventListener(type, run, control);
  on("focus", check);
  on("visibilitychange", check);
  on("turbo:load", follow);
  on("htmx:load", follow);
  on("online", () => {
    // What failed is tried again soon.
    if (state.failures) state.next = Math.min(state.next, now() + 1e3);
    check();
  });
  on("pagehide", () => {
    channel?.close(); // else the page could not be kept
    shown = style.cssText;
    if (state.sid) style.cssText += ";opacity:0!important;visibility:hidden!important";
  });
  on("pageshow", ({ persisted }) => {
    if (!persisted) return;
    let same;
    try {
      // The session of the page that was loaded last, by any tab. This page, unseen until now,
      // knows by it at once whether it is somebody else's.
      same = localStorage[name] === (state.sid || undefined);
    } catch {}
    if (!same) return location.reload();
    show();
    listen();
    if (state.session) comeBack(state.sid);
  });
  state.halt = () => {
    control.abort();
    channel?.close();
    clearTimeout(state.timer);
    show();
  };
  listen();
  if (state.open) return check();
  publish();
  tell();
}

/**
 * A script has put another page in the place of this one (a boosted link of htmx, Turbo), an
 * old one perhaps. Where it is of another session or has other tokens, the server decides:
 * no page brings back a session that is over.
 */
async function follow() {
  const { sid, seen } = read();
  if (sid === null || seen === state.seen) return;
  state.seen = seen;
  if (seen !== state.json + state.sid) await comeBack(sid);
}

/**
 * Asks the server whether a page, out of a cache or new, is still of today; if not, it is
 * loaded anew. Without an answer the next page asks again.
 * @param {string | null} sid whose the page is
 */
async function comeBack(sid) {
  state.open = true;
  const answered = await verify(sid);
  // The server's word, or news of a sign-out meanwhile.
  if (sid && !(state.session || state.open)) location.reload();
  else if (answered) tell();
  else {
    state.open = false;
    state.seen = "";
    check();
  }
}
