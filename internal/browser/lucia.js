// @ts-check
/**
 * lucia for Go, in the browser: who is signed in, sign-out, and tokens that stay fresh.
 *
 *     import { getSession, signOut, handleSilentRefresh } from "/api/auth/client.js";
 *
 * Code without modules listens for `lucia:session` on `document`. Its `detail` is
 * `{ session, expires_in, stale }`. It is dispatched when silent refresh starts, when the session
 * changes and after each refresh. Hidden fields named `_lucia` hold the current access token, in
 * forms that lead to this site.
 *
 * Three rules hold throughout:
 *
 * 1. A request ends in one of three ways: ok, gone (401 with our code), or later (anything else).
 *    Only gone and signing out end a session.
 * 2. What tabs, storage and caches say is a reason to ask the server and never more. The server
 *    alone says whose session the browser has. Without an answer nothing changes.
 * 3. A page belongs to one user. Another session of that user is taken over in place. When the
 *    browser is another user's, the page is replaced by a GET of its URL, once, or marked as stale.
 *    Nothing is ever sent twice.
 *
 * @module
 */

/**
 * @typedef {{ user_id: string, [attribute: string]: any }} User
 * @typedef {{ access_token: string, refresh_token: string }} Tokens
 */

/**
 * A signed-in user. A server in hardened mode keeps the tokens out of the page.
 * @template {User} [U=User]
 * @typedef {{ user: U } & Partial<Tokens>} Session
 */

/**
 * The store contract of Svelte, useful without Svelte too.
 * @template T
 * @typedef {object} Writable
 * @property {(run: (value: T) => void) => () => void} subscribe calls `run` at once and after
 *   every change, until the returned function is called
 * @property {(value: T) => void} set
 * @property {(updater: (value: T) => T) => void} update
 */

/**
 * The error of every failed call. `message` is the code: AUTH_UNAUTHORIZED,
 * AUTH_NOT_AUTHENTICATED, DATABASE_FETCH_FAILED, DATABASE_UPDATE_FAILED or UNKNOWN (no network, or
 * an answer that makes no sense).
 */
export class LuciaError extends Error {
  /**
   * @param {string} code
   * @param {number} [retryAfter] seconds that the server asks for before the next attempt
   */
  constructor(code, retryAfter = 0) {
    super(code);
    this.name = "LuciaError";
    this.retryAfter = retryAfter;
  }
}

/** The code that ends a session. */
const GONE = "AUTH_UNAUTHORIZED";

/** @typedef {{ session: any, json: string, subscribers: Set<[(session: any) => void]> }} Box */

const browser = typeof document === "object";

// ---- State ----

/** Reads the page data. */
function read() {
  const block = findBlock();
  const { base, session: id = "", expiresIn, method } = block?.dataset ?? {};
  const url = base && resolve(base + "/");
  /** @type {Session | null} */
  const session = attempt(() => JSON.parse(block?.textContent ?? "")._lucia) ?? null;
  return {
    block,
    content: contentOf(block),
    session,
    json: JSON.stringify(session),
    sid: block && id,
    owner: session?.user?.user_id ?? "",
    method,
    // Injected markup must not send tokens and sign-outs elsewhere.
    base: url && url.origin === location.origin ? url.href : import.meta.url,
    expires: (Number(expiresIn) || 0) * 1e3,
  };
}

/**
 * The page data element. Of several one may be injected, so none counts: the server is asked, as
 * on a page without page data.
 * @returns {HTMLElement | null}
 */
function findBlock() {
  const blocks = browser ? dom("querySelectorAll", "script#lucia-page-data") : [];
  return blocks.length === 1 ? blocks[0] : null;
}

function contentOf(/** @type {HTMLElement | null} */ block) {
  return block && block.textContent + block.dataset.session;
}

const first = read();
const base = first.base;

/** Names the lock, the channel and the entries in storage. */
const name = "lucia:" + new URL(".", base).pathname;

/**
 * What the store has. A session without tokens is one of hardened mode.
 * @type {Box}
 */
const held = { session: first.session, json: first.json, subscribers: new Set() };

/** @type {Set<[((error: LuciaError) => void)?]>} */
const watchers = new Set();

// The page data that was read last: the element and its content, to notice another.
let { block, content } = first;

// What the page is for: the session's id ("" is none, null is not known yet), the user ("" is
// nobody), and the method that got it if that must not be repeated.
let { sid: pageSession, owner: pageUser, method: pageMethod } = first;

// The id of the browser's session as the server, or the page, has said last.
let browserSession = pageSession;

// Times are milliseconds of `now()`, which starts at zero with the navigation.
let { expires: expiresAt } = first; // the access token
let refreshAt = expiresAt - lead(expiresAt);
let askedAt = 0; // for what the store has
let quietUntil = 0; // before, a request that is refused causes no refresh
let lookAt = 0; // for the browser's session, if that is unsure

let unsure = browser && !block; // whether the server has to be asked for the browser's session
let turn = 0; // counts what makes answers obsolete that are still on their way
let failures = 0; // of requests since the last success
let leaving = 0; // calls of signOut that wait for their answers

let fresh = false; // the page has just arrived, from a cache perhaps, and may show what is over
let fromHistory = false; // it came out of the back/forward cache
let hidden = false; // it is hidden until the server has answered
let stale = false; // it shows what is another user's or over, and is out of use

// How long the monotonic clock has stood still, and how far the date is ahead of it.
let slept = 0;
let ahead = Date.now() - performance.now();

/** @type {ReturnType<typeof setTimeout>} for the next check */
let timer;
/** Ends silent refresh. */
let halt = () => {};

/**
 * How long before its end a token of this remaining life is replaced.
 * @param {number} life
 */
function lead(life) {
  return life > 60e3 ? 60e3 : life / 3;
}

/**
 * The monotonic clock, corrected by the date, since it stands still while some machines sleep.
 * A date set back changes nothing, a date set forward costs one early refresh.
 */
function now() {
  const mono = performance.now();
  const before = ahead;
  ahead = Date.now() - mono;
  slept += Math.max(0, ahead - before);
  return mono + slept;
}

// ---- What apps call ----

/**
 * Makes a store of the session in `box`.
 * @param {Box} box
 * @param {(session: any) => void} set
 * @returns {Writable<any>}
 */
function storeOf(box, set) {
  return {
    subscribe(run) {
      /** @type {[typeof run]} */
      const subscriber = [run];
      box.subscribers.add(subscriber);
      run(box.session);
      return () => void box.subscribers.delete(subscriber);
    },
    set,
    update: (updater) => set(updater(box.session)),
  };
}

const store = storeOf(held, (session) => put(session));

/**
 * The session store: one and the same object in a browser. Its first value is `_lucia` of the page
 * data; refresh, sign-in, sign-out and news from other tabs change it. Subscribers hear of changes
 * only. On a server each call returns a new, empty store.
 * @template {User} [U=User]
 * @returns {Writable<Session<U> | null>}
 */
export function getSession() {
  if (browser) return store;
  const box = { session: null, json: "null", subscribers: new Set() };
  return storeOf(box, (session) => void assign(box, session));
}

/**
 * Makes the browser's session the one of this page and tells the other tabs. For pages whose
 * script has signed a user in, or has changed the user's data. Resolves to the session, or to null
 * if there is none. Rejects with DATABASE_FETCH_FAILED or UNKNOWN.
 * @template {User} [U=User]
 * @returns {Promise<Session<U> | null>}
 */
export async function loadSession() {
  if (!browser) throw new LuciaError("UNKNOWN");
  // What the app does itself, it does to its page, too.
  pageUser = "";
  fresh = false;
  await relearn();
  tell();
  return /** @type {any} */ (held.session);
}

/**
 * Ends the session here and in the other tabs, then goes to `redirect` if that is a path or an
 * http(s) URL. A call without a session just goes there; without a redirect either, it rejects with
 * AUTH_NOT_AUTHENTICATED. Also rejects outside a browser (UNKNOWN), and with DATABASE_UPDATE_FAILED
 * or UNKNOWN, which leave the session as it was.
 * @param {string} [redirect]
 * @returns {Promise<void>}
 */
export async function signOut(redirect) {
  if (!browser) throw new LuciaError("UNKNOWN");
  if (!held.session) await learn();
  const { session } = held;
  const sid = pageSession;
  let status;
  let error = new LuciaError("AUTH_NOT_AUTHENTICATED");
  const { message } = error;
  if (session) {
    // A refresh that loses the race against the sign-out is no failure.
    leaving++;
    const token = session.access_token;
    ({ status, error } = await ask("logout", token, message, "DATABASE_UPDATE_FAILED"));
    leaving--;
  }
  const over = status === 204 || error.message === message;
  if (over && session && sid === pageSession) {
    end();
    tell();
  } else check();
  if (status !== 204 && !(over && redirect !== undefined)) throw error;
  // Never to javascript: or data:.
  const url = redirect !== undefined && resolve(redirect);
  if (url && /^https?:/.test(url.href)) location.href = url.href;
}

/**
 * Exchanges the refresh token for new tokens. Without an argument, or with the store's own token,
 * the store follows, and calls at the same time share one request. Rejects with
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
  if (!refreshToken && refreshToken !== undefined) throw new LuciaError(GONE);
  if (refreshToken && refreshToken !== held.session?.refresh_token) {
    return tokensOf((await exchange(refreshToken)).session);
  }
  await renew();
  return tokensOf(held.session);
}

/**
 * Refreshes the access token one minute before it expires, until the returned function is called.
 * A token that lives no longer than a minute is refreshed when a third of its life is left.
 *
 * `onError` gets AUTH_UNAUTHORIZED when a refresh finds the session over. The store is empty then,
 * as it is after a sign-out here or in another tab, which is no error. DATABASE_FETCH_FAILED and
 * UNKNOWN are reported once per outage; the session stays, and so do the attempts. Calling this
 * twice is harmless. On a server it does nothing. A request that is under way when silent refresh
 * is stopped ends by itself, within ten seconds.
 * @param {(error: LuciaError) => void} [onError]
 * @returns {() => void} stop
 */
export function handleSilentRefresh(onError) {
  if (!browser) return () => {};
  /** @type {[typeof onError]} */
  const watcher = [onError];
  watchers.add(watcher);
  if (watchers.size === 1) start();
  return () => {
    if (watchers.delete(watcher) && !watchers.size) halt();
  };
}

/**
 * `fetch` that carries the access token to this site and nowhere else. If the server answers that
 * the token is not accepted, luciaFetch refreshes and repeats the request once, provided that the
 * body can be sent again (a stream cannot). A refused request has had no effect.
 * @param {RequestInfo | URL} input
 * @param {RequestInit} [init]
 * @returns {Promise<Response>}
 */
export async function luciaFetch(input, init) {
  // What one user has asked for is not repeated as another.
  const user = pageUser;
  // In hardened mode there is no token to compare, and otherwise an app may have set one.
  const used = held.json + expiresAt;
  /** @type {any} */
  let ours;
  const send = () => {
    const request = new Request(input instanceof Request ? input.clone() : input, init);
    const token = held.session?.access_token;
    ours =
      (held.session || unsure) &&
      new URL(request.url).origin === location.origin &&
      !request.headers.has("Authorization");
    if (ours && token) request.headers.set("Authorization", "Bearer " + token);
    return fetch(request);
  };
  const response = await send();
  // Fetch joins several challenges with commas. The pattern does not match null either.
  const challenge = /** @type {string} */ (response.headers.get("WWW-Authenticate"));
  if (ours && response.status === 401 && /(^|, *)Bearer realm="lucia"(,|$)/.test(challenge)) {
    try {
      if (used === held.json + expiresAt) {
        if (now() < quietUntil) return response;
        await renew();
      }
      if (held.session && (user || pageUser) === pageUser) return send();
    } catch {}
  }
  return response;
}

// ---- The page ----

/**
 * Returns a member of the document, or calls it if it is a method. Elements hide members of the
 * document that are named like them (DOM clobbering), but none of its prototype.
 * @param {string} member
 * @param {...any} args
 * @returns {any}
 */
function dom(member, ...args) {
  const value = Reflect.get(Document.prototype, member, document);
  return value?.apply ? value.apply(document, args) : value;
}

/**
 * The result of `fn`, or undefined if it throws: some pages get no storage, or no channels.
 * @template T
 * @param {() => T} fn
 */
function attempt(fn) {
  try {
    return fn();
  } catch {}
}

/** The URL that `href` leads to; some lead nowhere. */
function resolve(/** @type {string} */ href, base = location.href) {
  return attempt(() => new URL(href, base));
}

/** Runs `fn` so that what it throws reaches the console and stops nothing here. */
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
 * Sets the value of a store and tells its subscribers. Reports whether it has changed.
 * @param {Box} box
 * @param {any} session
 */
function assign(box, session) {
  const json = JSON.stringify(session);
  const changed = json !== box.json;
  box.session = session;
  box.json = json;
  for (const subscriber of [...box.subscribers]) {
    // A subscriber may set the store or end another's subscription.
    if (changed && box.json === json && box.subscribers.has(subscriber)) {
      shield(() => subscriber[0](session));
    }
  }
  return changed;
}

/**
 * Makes this the session of the page, and plans the next refresh if tokens came with it.
 * @param {any} session
 * @param {number} [sent] when the server was asked for it
 * @param {number} [life] how long the access token lives from then
 */
function put(session, sent, life = 0) {
  if (sent !== undefined) {
    askedAt = sent;
    expiresAt = sent + life;
    refreshAt = sent + Math.max(life - lead(life), 1e3);
    quietUntil = sent + Math.min(life / 2, 1e4);
    failures = 0;
  }
  if (assign(held, session) || sent !== undefined) {
    turn++;
    publish();
  }
}

/** The session is over, by a sign-out or by the server's word. */
function end() {
  browserSession = "";
  put(null);
}

/** Tells the page: form fields, code without modules, and pages that come back later. */
function publish() {
  const { session } = held;
  fill();
  attempt(() => {
    if (browserSession) localStorage[name] = browserSession;
    else delete localStorage[name];
  });
  const expires_in = session ? Math.max(0, Math.round((expiresAt - now()) / 1e3)) : 0;
  const detail = { session, expires_in, stale };
  dom("dispatchEvent", new CustomEvent("lucia:session", { detail }));
  check();
}

/** The id that `publish` has left last, in any tab; undefined if storage is blocked. */
const stored = () => attempt(() => localStorage[name] ?? "");

/**
 * Whether a form leads to this site, when it is sent by `submitter`. The form's own properties do
 * not tell: a field named "action" hides form.action, one named "getAttribute" that method.
 * @param {Element | null} form
 * @param {Element | null} [submitter]
 */
function leadsHere(form, submitter) {
  const attribute = (/** @type {any} */ element, /** @type {string} */ name) =>
    element && Element.prototype.getAttribute.call(element, name);
  const url = attribute(submitter, "formaction") ?? attribute(form, "action");
  return !url || resolve(url, dom("baseURI"))?.origin === location.origin;
}

const tokensOf = (/** @type {any} */ session) => {
  const { user, ...tokens } = session ?? {};
  return tokens;
};
/**
 * The value of the hidden fields: the access token, or in hardened mode the id of the page's
 * session, also after its end: the form was not another one's.
 */
const proof = () =>
  held.session?.access_token ?? (first.session?.access_token ? "" : (pageSession ?? ""));

/** Fills the hidden fields of the forms that lead to this site. */
function fill(value = proof()) {
  for (const field of dom("querySelectorAll", "input[type=hidden][name=_lucia]")) {
    if (!leadsHere(field.form)) continue;
    field.value = value;
    delete field.dataset?.htmxHistoryValue; // the copy of htmx 4's history cache
  }
}

/** Takes the tokens out of the page while a library saves a snapshot of it for its history. */
function strip() {
  const page = read();
  const { session } = page;
  /** @type {any} */
  const text = page.block?.firstChild;
  for (const token of Object.values(tokensOf(session))) {
    if (text) text.data = text.data.replaceAll(token, "");
  }
  content = contentOf(page.block);
  fill("");
  // Turbo copies the page in the task after its event.
  setTimeout(() => setTimeout(fill));
}

/** Takes the page out of use, hidden or in sight, or gives it back. */
function veil(hide = false, mark = false) {
  const root = dom("documentElement");
  hidden = hide;
  stale = mark;
  root.inert = hide || mark;
  root.style.setProperty("opacity", hide ? "0" : "", "important");
}

// ---- What the server says ----

/**
 * Sends a request. Never rejects: without an answer that makes sense, status or body is missing.
 * `error` counts if the answer is not the one hoped for.
 * @param {string} route
 * @param {string} [token]
 * @param {string} [gone] the code that comes with 401 only
 * @param {string} [later] the code that comes without
 */
async function ask(route, token, gone, later) {
  const sent = now();
  let status, after, body;
  try {
    const response = await fetch(new URL(route, base), {
      method: route === "session" ? "GET" : "POST",
      headers: token ? { Authorization: "Bearer " + token } : {},
      redirect: "error",
      signal: AbortSignal.timeout?.(1e4), // browsers without it wait as long as they do
    });
    status = response.status;
    after = Math.max(0, Number(response.headers.get("Retry-After")) || 0);
    body = await response.json();
  } catch {}
  const code = status === 401 ? gone : later;
  const error = new LuciaError(code && body?.message === code ? code : "UNKNOWN", after);
  return { sent, status, body, error };
}

/** There is reason to ask the server for the browser's session. What is asked already is older. */
function doubt() {
  turn++;
  unsure = true;
  lookAt = 0;
  check();
}

/** Waits until the server has said whose session the browser has. Rejects without an answer. */
async function learn() {
  while (unsure) await look();
}

/** Asks anew. */
function relearn() {
  doubt();
  return learn();
}

/**
 * Lets calls at the same time share one run of `work`.
 * @param {() => Promise<any>} work
 */
function single(work) {
  const run = () =>
    (run.busy ??= work().finally(() => {
      run.busy = undefined;
      check();
    }));
  run.busy = /** @type {Promise<any> | undefined} */ (undefined);
  return run;
}

/** Asks the server for the browser's session, and draws the conclusion. */
const look = single(async () => {
  const before = turn;
  const { sent, status, body, error } = await ask("session", "", "", "DATABASE_FETCH_FAILED");
  const session = status === 200 ? body?._lucia : undefined;
  const user = session === null ? "" : session?.user?.user_id;
  if (user === undefined) throw fail(error);
  // An answer that was overtaken by a sign-in, sign-out or refresh is worth nothing.
  if (turn !== before) return;
  const arrived = fresh;
  browserSession = body.session_id ?? "";
  unsure = fresh = false;
  if (user === pageUser || (user && !pageUser && !arrived)) {
    // The page's own user, or the first one of a page that is nobody's.
    pageSession = browserSession;
    pageUser = user;
    veil();
    put(session, sent, body.expires_in * 1e3);
    if (arrived) tell();
  } else if (user || arrived) leave();
  else put(null, sent);
});

/**
 * This page is another user's, or shows a session that is over: nobody acts in it any more. It is
 * replaced by a GET of its URL, at most once for the browser's session, unless it answers a POST.
 */
function leave() {
  veil(hidden, true);
  put(null, now());
  const url = location.pathname + location.search;
  const step = browserSession + " " + url;
  attempt(() => {
    // From the back/forward cache no loop begins.
    if (pageMethod || (!fromHistory && sessionStorage[name] === step)) return;
    sessionStorage[name] = step;
    location.replace(url);
  });
}

/**
 * Exchanges a refresh token. Without one the cookie counts (hardened mode).
 * @param {string} [token]
 */
async function exchange(token) {
  const { sent, status, body, error } = await ask(
    "refresh",
    token,
    GONE,
    "DATABASE_FETCH_FAILED",
  );
  try {
    const { access_token, refresh_token, expires_in } = body;
    if (status === 200 && Number.isInteger(expires_in) && expires_in > 0) {
      const life = expires_in * 1e3;
      if (!token) return { sent, life };
      // The signature of the access token is the server's business.
      const bytes = atob(access_token.split(".")[1].replace(/-/g, "+").replace(/_/g, "/"));
      const { user } = JSON.parse(decodeURIComponent(escape(bytes))); // UTF-8
      // Only text can be trimmed; the rest throws.
      if (user.user_id.trim() && refresh_token.trim()) {
        return { sent, life, session: { user, access_token, refresh_token } };
      }
    }
  } catch {}
  throw error;
}

/** Refreshes the store's session: one request at a time in this tab. */
const renew = single(() => {
  const before = expiresAt;
  return alone(async () => {
    // A page without page data learns its session first.
    if (!held.session) await learn();
    // While this tab waited for its turn, another may have sent what it wanted.
    if (expiresAt === before) await refresh();
  });
});

async function refresh() {
  const { session } = held;
  const sid = pageSession;
  const before = expiresAt;
  try {
    const answer = session && (await exchange(session.refresh_token));
    // Signed out meanwhile, or another session: the former one does not come back.
    if (!answer || !held.session || sid !== pageSession) throw new LuciaError(GONE);
    put(answer.session ?? held.session, answer.sent, answer.life);
    if (!answer.session) {
      // Only the server knows the user's data.
      await relearn().catch(() => {});
    }
    tell();
  } catch (/** @type {any} */ error) {
    const gone = error.message === GONE;
    // The answer may have replaced the cookies of the newer session.
    if (sid !== pageSession) doubt();
    if (!held.session || sid !== pageSession || leaving) throw error;
    if (gone) {
      // The user may have signed in again, where no tab could tell. No answer is no news here.
      failures ||= 1;
      await relearn().catch(() => {});
      if (!unsure && held.session) return;
      if (!unsure && browserSession) throw error;
      unsure = fresh;
    }
    // If another tab has sent tokens meanwhile, only the end of the session is news.
    throw gone || before === expiresAt ? fail(error, true) : error;
  }
}

/**
 * Draws the conclusion from a request that failed: gone or later.
 * @param {LuciaError} error
 * @param {boolean} [refreshing]
 */
function fail(error, refreshing) {
  const gone = error.message === GONE;
  const news = gone || !failures;
  const backoff = 2 ** Math.min(failures++, 5) * (1 + Math.random());
  lookAt = now() + 1e3 * (backoff + Math.min(error.retryAfter, 300));
  if (refreshing || !held.session) refreshAt = quietUntil = lookAt;
  if (gone) end();
  // Once per outage. A watcher may end another's watch.
  if (news) for (const [onError] of [...watchers]) shield(() => onError?.(error));
  return error;
}

/**
 * Runs `work` while no other tab does, as far as that is possible without waiting long.
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

// ---- Silent refresh ----

/**
 * Does what is due, and comes back for the rest. Timers are late in hidden tabs and stop in sleep.
 * A page that is prerendered waits until it is shown.
 */
function check() {
  clearTimeout(timer);
  if (!watchers.size || look.busy || dom("prerendering")) return;
  const asking = unsure ? lookAt - now() : Infinity;
  const due = held.session && !renew.busy && !leaving ? refreshAt - now() : Infinity;
  const wait = Math.min(asking, due);
  if (asking <= 0) look().catch(() => {});
  else if (due <= 0) renew().catch(() => {});
  else if (wait < Infinity) timer = setTimeout(check, Math.min(wait, 1e9)); // a month is "at once"
}

/**
 * Sends the other tabs what this one knows, its times as dates. A channel heard by its own sender
 * does no harm.
 */
function tell() {
  const shift = Date.now() - now();
  attempt(() => {
    const channel = new BroadcastChannel(name);
    channel.postMessage({
      session: held.session,
      sid: pageSession,
      asked: askedAt + shift,
      expires: expiresAt + shift,
    });
    channel.close();
  });
}

/** @param {MessageEvent} message */
function hear({ data: { session, sid, asked, expires } }) {
  // Another session, or a page without one, which may be the work of an outage.
  if (sid !== pageSession) return sid !== browserSession && doubt();
  if (!held.session) return; // what is over does not come back
  if (!session) return end();
  const sent = asked + now() - Date.now();
  const life = expires - asked;
  // What lives longer is newer, and so is other data that the server was asked for later.
  const reloaded = sent > askedAt && JSON.stringify(session) !== held.json;
  if (sent + life > expiresAt + (reloaded ? -1e4 : 1e3)) put(session, sent, life);
}

/** The page is looked at. It may have missed what happened in other tabs. */
function glance() {
  const id = stored();
  // A hidden page is about to be looked into anyway.
  if (id === undefined || id === browserSession || unsure || hidden) check();
  else doubt();
}

/**
 * The page may come from a cache: the server is asked before it counts.
 * @param {boolean} [back] from the back/forward cache
 */
function suspect(back = false) {
  fresh = true;
  fromHistory = back;
  doubt();
}

/** The page begins, or is shown after it was prerendered. */
function arrive() {
  if (dom("prerendering") || !block) return check();
  const id = stored();
  const [entry] = /** @type {any[]} */ (performance.getEntriesByType("navigation"));
  // Browsers that say nothing leave "" and undefined apart.
  const how = entry?.deliveryType;
  const cached = how || entry?.activationStart || navigator.serviceWorker?.controller;
  if (cached && pageSession && id !== pageSession) veil(true);
  else publish();
  if (cached || (how === undefined && id !== pageSession)) suspect();
  else tell();
}

/**
 * A script has put another page in the place of this one (htmx, Turbo, Unpoly), an old one perhaps.
 * The server decides unless it has the session of this one.
 */
function follow() {
  const found = findBlock();
  if (!found || (found === block && contentOf(found) === content)) return;
  const page = read();
  // The page data of before says nothing new, unless the session that it shows is over since.
  const same =
    page.content === content
      ? held.session || !page.session
      : page.json + page.sid === held.json + pageSession;
  ({ block, content, method: pageMethod } = page);
  if (same) return fill();
  pageUser = page.owner;
  suspect();
}

/** Begins to watch clock, tabs and page. `halt` ends all of it. */
function start() {
  const control = new AbortController();
  const { signal } = control;
  /** @type {BroadcastChannel | undefined} */
  let channel;
  const listen = () =>
    attempt(() => {
      channel = new BroadcastChannel(name);
      channel.onmessage = hear;
    });
  // All events pass the window first, whether they bubble or not.
  /** @type {(type: string, run: (event: any) => void) => void} */
  const on = (type, run) => addEventListener(type, run, { signal, capture: true });
  on("focus", glance);
  on("visibilitychange", glance);
  on("prerenderingchange", arrive);
  on("online", () => {
    // What failed is tried again soon.
    if (failures) lookAt = refreshAt = now() + 1e3;
    check();
  });
  on("pagehide", () => {
    channel?.close(); // else the page could not be kept
    if (pageSession) veil(true, stale);
  });
  on("pageshow", ({ persisted }) => {
    if (!persisted) return;
    listen();
    // The session of the page that was loaded last, by any tab: by it this page, hidden until now,
    // knows at once that it may be shown.
    const same = stored() === (pageSession ?? "");
    if (same) veil();
    if (held.session || !same) suspect(true);
  });
  for (const type of [
    "turbo:before-cache",
    "htmx:beforeHistorySave",
    "htmx:history:cache:before:save",
  ]) {
    on(type, strip);
  }
  // A token goes where the form really goes, which the button that sends it may say.
  /** @type {any} */
  let sent;
  on("submit", (event) => (sent = event));
  on("formdata", ({ target, formData }) => {
    const submitter = sent?.target === target ? sent.submitter : null;
    sent = null;
    if (!leadsHere(target, submitter)) formData.delete("_lucia");
    else if (formData.has("_lucia")) formData.set("_lucia", proof());
  });
  const observer = new MutationObserver(follow);
  observer.observe(document, {
    subtree: true,
    childList: true,
    attributeFilter: ["data-session"],
  });
  halt = () => {
    control.abort();
    observer.disconnect();
    channel?.close();
    clearTimeout(timer);
    veil();
  };
  listen();
  arrive();
}

// A page may load this file under two URLs. The copy that runs first works for both.
const own = {
  LuciaError,
  getSession,
  loadSession,
  signOut,
  refreshTokens,
  handleSilentRefresh,
  luciaFetch,
};
/** @type {any} */
const shared = /** @type {any} */ (globalThis)[Symbol.for("lucia-go/2")] ??= own;
({
  // @ts-ignore: what is exported under the name of a class or function may be replaced
  LuciaError, getSession, loadSession, signOut, refreshTokens, handleSilentRefresh, luciaFetch,
} = shared);
