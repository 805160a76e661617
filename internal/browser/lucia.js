// @ts-check
/**
 * lucia for Go in the browser: the session, sign-out and silent refresh.
 *
 *     import { getSession, signOut, handleSilentRefresh } from "/api/auth/client.js";
 *
 * Code without modules listens for `lucia:session` on `document`. Its `detail` is `{ session,
 * expires_in, stale }`. It is dispatched when silent refresh starts, when the session changes and
 * after each refresh. Hidden fields named `_lucia` hold the current access token in forms that lead
 * to this origin.
 *
 * Three rules hold throughout:
 *
 * 1. A request ends in one of three ways: success, gone (401 with the library's code), or unknown
 *    (anything else). Only gone and a sign-out end a session.
 * 2. Messages of tabs, storage and caches only cause a request to the server. The server alone
 *    decides whose session the browser has. Without an answer nothing changes.
 * 3. A page belongs to one user. It adopts another session of that user. If the browser's session
 *    is another user's, the page is replaced by a GET of its URL, once, or marked as stale. No
 *    request is repeated for another user.
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
 * The store contract of Svelte. It does not require Svelte.
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
  const session = attempt(() => JSON.parse(/** @type {any} */ (block?.textContent))._lucia) ?? null;
  return {
    block,
    content: contentOf(block),
    session,
    json: JSON.stringify(session),
    sid: block && id,
    owner: session?.user?.user_id ?? "",
    method,
    // Injected markup must not redirect tokens and sign-outs.
    base: url && url.origin === location.origin ? url.href : import.meta.url,
    expires: (+(/** @type {any} */ (expiresIn)) || 0) * 1e3,
  };
}

/**
 * Returns the page data element. If there are several, one may be injected, so none is used: the
 * server is asked, as on a page without page data.
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

/** The name of the lock, the channel and the entries in storage. */
const name = "lucia:" + new URL(".", base).pathname;

/**
 * What the store holds. A session in hardened mode has no tokens.
 * @type {Box}
 */
const held = { session: first.session, json: first.json, subscribers: new Set() };

/** @type {Set<[((error: LuciaError) => void)?]>} */
const watchers = new Set();

// The page data that was read last: the element and its content, to detect a change.
let { block, content } = first;

// The session that the page shows: its id ("" for none, null if unknown), its user ("" for signed
// out), and the method of the page's request if that must not be repeated.
let { sid: pageSession, owner: pageUser, method: pageMethod } = first;

// The id of the browser's session that the server or the page has named last.
let browserSession = pageSession;

// Times are milliseconds of `now()`, which starts at zero with the navigation.
let { expires: expiresAt } = first; // the access token
let refreshAt = expiresAt - lead(expiresAt);
let askedAt = 0; // when the server was asked for what the store holds
let quietUntil = 0; // until then a refused request causes no refresh
let lookAt = 0; // when to ask for the browser's session, if it is unsure

let unsure = browser && !block; // whether the server has to be asked for the browser's session
let turn = 0; // incremented by whatever makes pending answers obsolete
let failures = 0; // of requests since the last success
let leaving = 0; // calls of signOut in progress

let fresh = false; // the page is new, may come from a cache and may show an ended session
let fromHistory = false; // the page comes from the back/forward cache
let hidden = false; // the page is hidden until the server answers
let stale = false; // the page shows another user's or an ended session and is inert

// How long the monotonic clock has stopped, and how far the date is ahead of it.
let slept = 0;
let ahead = Date.now() - performance.now();

/** @type {ReturnType<typeof setTimeout>} for the next check */
let timer;
/** Ends silent refresh. */
let halt = () => {};

/**
 * Returns how long before its expiry a token with this remaining life is replaced.
 * @param {number} life
 */
function lead(life) {
  return life > 60e3 ? 60e3 : life / 3;
}

/**
 * Returns the monotonic clock, corrected by the date because it stops while some machines sleep. A
 * date that is set back has no effect. A date that is set forward causes one early refresh.
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
 * Returns the session store, in a browser always the same object. Its first value is `_lucia` of
 * the page data. Refreshes, sign-ins, sign-outs and messages of other tabs change it. Subscribers
 * are called only for changes. On a server each call returns a new, empty store.
 * @template {User} [U=User]
 * @returns {Writable<Session<U> | null>}
 */
export function getSession() {
  if (browser) return store;
  const box = { session: null, json: "null", subscribers: new Set() };
  return storeOf(box, (session) => void assign(box, session));
}

/**
 * Asks the server for the browser's session, makes it the session of this page and tells the other
 * tabs. Call it after a script has signed a user in or has changed the user's data. Resolves to the
 * session, or to null if there is none. Rejects with DATABASE_FETCH_FAILED or UNKNOWN.
 * @template {User} [U=User]
 * @returns {Promise<Session<U> | null>}
 */
export async function loadSession() {
  if (!browser) throw new LuciaError("UNKNOWN");
  // The app itself has changed the session, so the page adopts it, whoever the user is.
  pageUser = "";
  fresh = false;
  await relearn();
  tell();
  return /** @type {any} */ (held.session);
}

/**
 * Ends the session here and in the other tabs, then goes to `redirect` if that is a path or an
 * http(s) URL. Without a session it only goes there; without a redirect either, it rejects with
 * AUTH_NOT_AUTHENTICATED. It also rejects outside of a browser (UNKNOWN), and with
 * DATABASE_UPDATE_FAILED or UNKNOWN, which leave the session unchanged.
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
    // A refresh that fails because of the sign-out is not reported.
    leaving++;
    ({ status, error } = await ask(
      "logout",
      session.access_token,
      message,
      "DATABASE_UPDATE_FAILED",
    ));
    leaving--;
  }
  const over = status === 204 || error.message === message;
  if (over && session && sid === pageSession) {
    end();
    tell();
  } else check();
  if (status !== 204 && !(over && redirect !== undefined)) throw error;
  // javascript: and data: URLs are not allowed.
  const url = redirect !== undefined && resolve(redirect);
  if (url && /^https?:/.test(url.href)) location.href = url.href;
}

/**
 * Exchanges the refresh token for new tokens. Without an argument, or with the store's own token,
 * it updates the store, and concurrent calls share one request. Rejects with AUTH_UNAUTHORIZED,
 * DATABASE_FETCH_FAILED or UNKNOWN.
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
    return tokensOf((await exchange(refreshToken))[0]);
  }
  await renew();
  return tokensOf(held.session);
}

/**
 * Refreshes the access token one minute before it expires, until the returned function is called. A
 * token that is valid for a minute or less is refreshed when a third of its life is left.
 *
 * `onError` gets AUTH_UNAUTHORIZED when a refresh finds that the session has ended; the store is
 * then empty. A sign-out here or in another tab also empties the store and is not an error.
 * DATABASE_FETCH_FAILED and UNKNOWN are reported once per outage; the session is kept, and the
 * refresh is tried again. A second call is harmless. On a server it does nothing. A request in
 * progress when silent refresh is stopped ends by itself within ten seconds.
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
 * `fetch` with the access token, for this origin only. If the server refuses the token, luciaFetch
 * refreshes and repeats the request once, provided that the body can be sent again (a stream
 * cannot). A refused request has had no effect.
 * @param {RequestInfo | URL} input
 * @param {RequestInit} [init]
 * @returns {Promise<Response>}
 */
export async function luciaFetch(input, init) {
  // A request of one user is not repeated as another user.
  const user = pageUser;
  // Not the token: hardened mode has none, and otherwise an app may have set one.
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
  // fetch joins several challenges with commas. The pattern does not match null.
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
 * Returns a member of the document, or calls it if it is a method. Elements can hide members of the
 * document by their name (DOM clobbering), but not those of its prototype.
 * @param {string} member
 * @param {...any} args
 * @returns {any}
 */
function dom(member, ...args) {
  const value = Reflect.get(Document.prototype, member, document);
  return value?.apply ? value.apply(document, args) : value;
}

/**
 * Returns the result of `fn`, or undefined if it throws: storage and channels are blocked on some
 * pages.
 * @template T
 * @param {() => T} fn
 */
function attempt(fn) {
  try {
    return fn();
  } catch {}
}

/** Returns the URL of `href`, or undefined if it is invalid. */
function resolve(/** @type {string} */ href, base = location.href) {
  return attempt(() => new URL(href, base));
}

/** Runs `fn`. An error in it is reported to the console and stops nothing here. */
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
 * Sets the value of a store and calls its subscribers. Returns whether the value has changed.
 * @param {Box} box
 * @param {any} session
 */
function assign(box, session) {
  const json = JSON.stringify(session);
  const changed = json !== box.json;
  box.session = session;
  box.json = json;
  for (const subscriber of [...box.subscribers]) {
    // A subscriber may set the store or unsubscribe another one.
    if (changed && box.json === json && box.subscribers.has(subscriber)) {
      shield(() => subscriber[0](session));
    }
  }
  return changed;
}

/**
 * Sets the session of the page, and schedules the next refresh if tokens came with it.
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

/** The session has ended, by a sign-out or by an answer of the server. */
function end() {
  browserSession = "";
  put(null);
}

/**
 * Publishes the session to form fields, to code without modules, and to pages that are restored
 * later.
 */
function publish() {
  const { session } = held;
  fill();
  attempt(() => {
    if (browserSession) localStorage[name] = browserSession;
    else delete localStorage[name];
  });
  const detail = {
    session,
    expires_in: session ? Math.max(0, Math.round((expiresAt - now()) / 1e3)) : 0,
    stale,
  };
  dom("dispatchEvent", new CustomEvent("lucia:session", { detail }));
  check();
}

/**
 * Returns the id that `publish` has stored last, in any tab, or undefined if storage is blocked.
 */
const stored = () => attempt(() => localStorage[name] ?? "");

/**
 * Returns whether a form leads to this origin when `submitter` submits it. The form's own
 * properties are not reliable: a field named "action" hides form.action, one named "getAttribute"
 * that method.
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
 * session, also after its end, because the form is that session's. The last session shows the mode.
 */
const proof = () =>
  (first.session = held.session ?? first.session)?.access_token
    ? (held.session?.access_token ?? "")
    : (pageSession ?? "");

/** Fills the hidden fields of the forms that lead to this origin. */
function fill(value = proof()) {
  for (const field of dom("querySelectorAll", "input[type=hidden][name=_lucia]")) {
    if (!leadsHere(field.form)) continue;
    field.value = value;
    delete field.dataset?.htmxHistoryValue; // the copy of htmx 4's history cache
  }
}

/** Removes the tokens from the page while a library saves a snapshot of it for its history. */
function strip() {
  const { session, block: element } = read();
  /** @type {any} */
  const text = element?.firstChild;
  for (const token of Object.values(tokensOf(session))) {
    text.data = text.data.replaceAll(token, "");
  }
  content = contentOf(element);
  fill("");
  // Turbo copies the page in the task after its event.
  setTimeout(() => setTimeout(fill));
}

/** Makes the page inert, hidden or marked as stale, or restores it. */
function veil(hide = false, mark = false) {
  const root = dom("documentElement");
  hidden = hide;
  stale = mark;
  root.inert = hide || mark;
  root.style.setProperty("opacity", hide ? "0" : "", "important");
}

// ---- What the server says ----

/**
 * Sends a request. Never rejects: if there is no valid answer, status or body is missing. `error`
 * applies if the answer is not the expected one.
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
    after = Math.max(0, +(/** @type {any} */ (response.headers.get("Retry-After"))) || 0);
    body = await response.json();
  } catch {}
  const code = status === 401 ? gone : later;
  const error = new LuciaError(code && body?.message === code ? code : "UNKNOWN", after);
  return { sent, status, body, error };
}

/**
 * Makes the browser's session unsure, so that the server is asked. Pending answers are obsolete.
 */
function doubt() {
  turn++;
  unsure = true;
  lookAt = 0;
  check();
}

/** Waits until the server has named the browser's session. Rejects without an answer. */
async function learn() {
  while (unsure) await look();
}

/** Asks the server again. */
function relearn() {
  doubt();
  return learn();
}

/**
 * Lets concurrent calls share one run of `work`.
 * @param {() => Promise<any>} work
 */
function single(work) {
  /** @type {any} */
  const run = () =>
    (run.busy ||= work().finally(() => {
      run.busy = 0;
      check();
    }));
  return run;
}

/** Asks the server for the browser's session and updates the page. */
const look = single(async () => {
  const before = turn;
  const { sent, status, body, error } = await ask("session", "", "", "DATABASE_FETCH_FAILED");
  const session = status === 200 ? body?._lucia : 0;
  const user = session === null ? "" : session?.user?.user_id;
  if (user === undefined) throw fail(error);
  // A late answer of an older session may have replaced the cookies of the page's session. Its
  // refresh token sets them again. During an outage, or after a refresh was refused, the answer
  // stands.
  const token = !user && !failures && held.session?.refresh_token;
  const mended = token && (await exchange(token).catch(() => {}));
  // An answer that was overtaken by a sign-in, sign-out or refresh is worth nothing.
  if (turn !== before) return;
  const arrived = fresh;
  browserSession = mended ? pageSession : (body.session_id ?? "");
  unsure = fresh = false;
  if (mended) {
    veil();
    put(.../** @type {[any, number, number]} */ (mended));
    tell();
  } else if (user === pageUser || (user && !pageUser && !arrived)) {
    // The page's own user, or the first one of a signed-out visitor's page.
    pageSession = browserSession;
    pageUser = user;
    veil();
    put(session, sent, body.expires_in * 1e3);
    if (arrived) tell();
  } else if (user || arrived) leave();
  else put(null, sent);
});

/**
 * This page is another user's or shows an ended session, so it becomes inert. It is replaced by a
 * GET of its URL, at most once for the browser's session, unless it answers a POST.
 */
function leave() {
  veil(hidden, true);
  put(null, now());
  const url = location.pathname + location.search;
  // Of its own, since the page in a frame may be replaced, too.
  const entry = name + url;
  attempt(() => {
    // From the back/forward cache no loop begins.
    if (pageMethod || (!fromHistory && sessionStorage[entry] === browserSession)) return;
    sessionStorage[entry] = browserSession;
    location.replace(url);
  });
}

/**
 * Exchanges a refresh token. Without one the cookie counts (hardened mode), and the session is 0.
 * @param {string} [token]
 * @returns {Promise<[session: any, sent: number, life: number]>} as `put` takes them
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
      if (!token) return [0, sent, life];
      // The signature of the access token is the server's business.
      const bytes = atob(access_token.split(".")[1].replace(/-/g, "+").replace(/_/g, "/"));
      const { user } = JSON.parse(decodeURIComponent(escape(bytes))); // UTF-8
      // Only strings have trim; other values throw.
      if (user.user_id.trim() && refresh_token.trim()) {
        return [{ user, access_token, refresh_token }, sent, life];
      }
    }
  } catch {}
  throw error;
}

/** Refreshes the store's session: one request at a time in this tab. */
const renew = single(() => {
  const before = expiresAt;
  return alone(async () => {
    // A page without page data first asks for its session.
    if (!held.session) await learn();
    // Another tab may have sent new tokens while this one waited for the lock.
    if (expiresAt === before) await refresh();
  });
});

async function refresh() {
  const { session } = held;
  const sid = pageSession;
  const before = expiresAt;
  try {
    const answer = session && (await exchange(session.refresh_token));
    // After a sign-out or with another session in the meantime, the former session is not
    // restored.
    if (!answer || !held.session || sid !== pageSession) throw new LuciaError(GONE);
    const [next, sent, life] = answer;
    put(next || held.session, sent, life);
    if (!next) {
      // Only the server knows the user's data.
      await relearn().catch(() => {});
    }
    tell();
  } catch (/** @type {any} */ error) {
    const gone = error.message === GONE;
    // The answer may have replaced the cookies of a newer session, whose pages set them again.
    if (browserSession && sid !== browserSession) {
      doubt();
      tell();
    }
    if (!held.session || sid !== pageSession || leaving) throw error;
    if (gone) {
      // The user may have signed in again without a message to this tab. A failed request is not
      // reported here.
      failures ||= 1;
      await relearn().catch(() => {});
      if (!unsure && held.session) return;
      if (!unsure && browserSession) throw error;
      unsure = fresh;
    }
    // If another tab has sent tokens in the meantime, only the end of the session is reported.
    throw gone || before === expiresAt ? fail(error, true) : error;
  }
}

/**
 * Updates the state after a failed request: gone or unknown.
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
  // Once per outage. A watcher may stop another one.
  if (news) for (const [onError] of [...watchers]) shield(() => onError?.(error));
  return error;
}

/**
 * Runs `work` while no other tab does, unless that takes too long.
 * @template T
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
async function alone(work) {
  /** @type {Promise<T> | undefined} */
  let begun;
  try {
    return await navigator.locks.request(
      name,
      { signal: AbortSignal.timeout(2e3) },
      () => (begun = work()),
    );
  } catch {
    return begun ?? work();
  }
}

// ---- Silent refresh ----

/**
 * Does what is due and schedules the next check. Timers are late in hidden tabs and stop in sleep.
 * A prerendered page waits until it is shown.
 */
function check() {
  clearTimeout(timer);
  if (!watchers.size || look.busy || dom("prerendering")) return;
  const asking = unsure ? lookAt - now() : Infinity;
  const due = held.session && !renew.busy && !leaving ? refreshAt - now() : Infinity;
  if (asking <= 0) look().catch(() => {});
  else if (due <= 0) renew().catch(() => {});
  else timer = setTimeout(check, Math.min(asking, due, 1e9)); // a month is "at once"
}

/**
 * Sends the session to the other tabs, with times as dates. It is harmless if the sender receives
 * its own message.
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
  // Another session, or a page without one, which an outage may have caused.
  if (sid !== pageSession) return sid !== browserSession && doubt();
  if (!held.session) return; // an ended session is not restored
  if (!session) return end();
  const sent = asked + now() - Date.now();
  const life = expires - asked;
  // Tokens that expire later are newer, and so is other data that was asked for later.
  const reloaded = sent > askedAt && JSON.stringify(session) !== held.json;
  if (sent + life > expiresAt + (reloaded ? -1e4 : 1e3)) put(session, sent, life);
}

/** The page becomes visible or gets the focus. It may have missed messages of other tabs. */
function glance() {
  const id = stored();
  // A hidden page is about to ask anyway.
  if (id === undefined || id === browserSession || unsure || hidden) check();
  else doubt();
}

/**
 * The page may come from a cache, so the server is asked first.
 * @param {boolean} [back] from the back/forward cache
 */
function suspect(back = false) {
  fresh = true;
  fromHistory = back;
  doubt();
}

/** The page is loaded, or is shown after it was prerendered. */
function arrive() {
  if (dom("prerendering") || !block) return check();
  const id = stored();
  const [entry] = /** @type {any[]} */ (performance.getEntriesByType("navigation"));
  // deliveryType is undefined, not "", in browsers that do not support it.
  const how = entry?.deliveryType;
  const cached = how || entry?.activationStart || navigator.serviceWorker?.controller;
  if (cached && pageSession && id !== pageSession) veil(true);
  else publish();
  if (cached || (how === undefined && id !== pageSession)) suspect();
  else tell();
}

/**
 * A script has replaced the page (htmx, Turbo, Unpoly), possibly by an old one. The server is asked
 * unless the page has the current session.
 */
function follow() {
  const found = findBlock();
  if (!found || (found === block && contentOf(found) === content)) return;
  const page = read();
  // Unchanged page data are ignored, unless the session in them has ended since.
  const same =
    page.content === content
      ? held.session || !page.session
      : page.json + page.sid === held.json + pageSession;
  ({ block, content, method: pageMethod } = page);
  if (same) return fill();
  pageUser = page.owner;
  suspect();
}

/** Starts to watch the clock, the tabs and the page. `halt` stops that. */
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
  // All events reach the window first when captured, even if they do not bubble.
  /** @type {(type: string, run: (event: any) => void) => void} */
  const on = (type, run) => addEventListener(type, run, { signal, capture: true });
  on("focus", glance);
  on("visibilitychange", glance);
  on("prerenderingchange", arrive);
  on("online", () => {
    // Retry soon after a failure.
    if (failures) lookAt = refreshAt = now() + 1e3;
    check();
  });
  on("pagehide", () => {
    channel?.close(); // an open one keeps the page out of the back/forward cache
    if (pageSession) veil(true, stale);
  });
  on("pageshow", ({ persisted }) => {
    if (!persisted) return;
    listen();
    // If the stored id, of the page that any tab loaded last, is this page's, the hidden page can
    // be shown at once.
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
  // The submitter can change where the form leads.
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

// A page may load this file under two URLs. All copies use the one that runs first.
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
