// @ts-check
/**
 * lucia for Go in the browser: the session, sign-out and silent refresh.
 *
 *     import { getSession, signOut, handleSilentRefresh } from "/api/auth/client.js";
 *
 * Code without modules listens for `lucia:session` on `document`. Its `detail` is `{ session,
 * expires_in, idle_in, stale }`. It is dispatched when silent refresh starts, when the session
 * changes, after each refresh and when the idle end is near. Hidden fields named `_lucia` hold the
 * current access token in forms that lead to this origin.
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
 * an invalid answer).
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
const UNAUTHORIZED = "AUTH_UNAUTHORIZED";

/**
 * What a store holds.
 * @typedef {object} StoreState
 * @property {any} session
 * @property {string} json the session in JSON, to detect a change
 * @property {Set<[(session: any) => void]>} subscribers
 */

/** @typedef {[session: any, sent: number, life: number, id: string]} Answer */

const isBrowser = typeof document === "object";

// ---- State ----

/** Reads the page data. */
function read() {
  const block = findPageData();
  const { base, session: id = "", expiresIn, method, idle } = block?.dataset ?? {};
  const url = base && parseURL(base + "/");
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
    expires: /** @type {any} */ (expiresIn) * 1e3 || 0,
    idle: /** @type {any} */ (idle),
  };
}

/**
 * Returns the page data element. If there are several, one may be injected, so none is used: the
 * server is asked, as on a page without page data.
 * @returns {HTMLElement | undefined}
 */
function findPageData() {
  const [block, another] = isBrowser ? dom("querySelectorAll", "script#lucia-page-data") : [];
  return another ? undefined : block;
}

function contentOf(/** @type {HTMLElement | undefined} */ block) {
  return block && block.textContent + block.dataset.session;
}

const initial = read();
const base = initial.base;

/** The name of the lock, the channel and the entries in storage. */
const name = "lucia:" + new URL(".", base).pathname;

/**
 * What the store holds. A session in hardened mode has no tokens.
 * @type {StoreState}
 */
const current = { session: initial.session, json: initial.json, subscribers: new Set() };

/** @type {Set<[((error: LuciaError) => void)?]>} */
const listeners = new Set();

// The page data that was read last: the element and its content, to detect a change.
let { block, content } = initial;

// The session that the page shows: its id ("" for none, null if unknown), its user ("" for signed
// out), and the method of the page's request if that must not be repeated.
let { sid: pageSession, owner: pageUser, method: pageMethod } = initial;

// The id of the browser's session that the server or the page has named last.
let browserSession = pageSession;

// Times are milliseconds of `now()`, which starts at zero with the navigation.
let { expires: expiresAt } = initial; // the access token
let refreshAt = expiresAt - lead(expiresAt);
let askedAt = 0; // when the server was asked for the store's session
let quietUntil = 0; // until then a refused request causes no refresh
let verifyAt = 0; // when to ask for the browser's session, if it is unsure

let unverified = isBrowser && !block; // the server has to be asked for the browser's session
// How long a session lasts without activity (Infinity for no limit), and when a person was last
// active: in any tab, as far as the server knows, and before the last warning.
let idleTimeout = initial.idle * 1e3 || Infinity;
let activeAt = 0;
let reportedAt = 0;
let warnedAt = -1;

let version = 0; // incremented by whatever makes pending answers obsolete
let failures = 0; // of requests since the last success
let signingOut = 0; // calls of signOut in progress

let maybeCached = false; // the page is new, may come from a cache and may show an ended session
let fromHistory = false; // the page comes from the back/forward cache
let hidden = false; // the page is hidden until the server answers
let stale = false; // the page shows another user's or an ended session and is inert

// How long the monotonic clock has stopped, and how far the date is ahead of it.
let slept = 0;
let dateOffset = Date.now() - performance.now();

/** @type {ReturnType<typeof setTimeout>} for the next check */
let timer;
/** Ends silent refresh. */
let stopWatching = () => {};

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
  const before = dateOffset;
  dateOffset = Date.now() - mono;
  slept += Math.max(0, dateOffset - before);
  return mono + slept;
}

// ---- What apps call ----

/**
 * Makes a store of the session in `box`.
 * @param {StoreState} box
 * @param {(session: any) => void} [set]
 * @returns {Writable<any>}
 */
function makeStore(box, set = (session) => void assign(box, session)) {
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

const store = makeStore(current, (session) => setSession(session));

/**
 * Returns the session store, in a browser always the same object. Its first value is `_lucia` of
 * the page data. Refreshes, sign-ins, sign-outs and messages of other tabs change it. Subscribers
 * are called only for changes. On a server each call returns a new, empty store.
 * @template {User} [U=User]
 * @returns {Writable<Session<U> | null>}
 */
export function getSession() {
  if (isBrowser) return store;
  return makeStore({ session: null, json: "null", subscribers: new Set() });
}

/**
 * Asks the server for the browser's session, makes it the session of this page and tells the other
 * tabs. Call it after a script has signed a user in or has changed the user's data. Resolves to the
 * session, or to null if there is none. Rejects with DATABASE_FETCH_FAILED or UNKNOWN.
 * @template {User} [U=User]
 * @returns {Promise<Session<U> | null>}
 */
export async function loadSession() {
  if (!isBrowser) throw new LuciaError("UNKNOWN");
  // The app itself has changed the session, so the page adopts it, whoever the user is.
  pageUser = "";
  maybeCached = false;
  await reverify();
  broadcast();
  return /** @type {any} */ (current.session);
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
  if (!isBrowser) throw new LuciaError("UNKNOWN");
  if (!current.session) await untilVerified();
  const { session } = current;
  const sid = pageSession;
  const over = "AUTH_NOT_AUTHENTICATED";
  let error;
  if (session) {
    // A refresh that fails because of the sign-out is not reported.
    signingOut++;
    error = await request(
      "logout",
      (body, sent, status) => status === 204,
      session.access_token,
      over,
      "DATABASE_UPDATE_FAILED",
    ).then(() => null, (error) => error);
    signingOut--;
  } else error = new LuciaError(over);
  const ended = !error || error.message === over;
  if (ended && session && sid === pageSession) {
    endSession();
    broadcast();
  } else schedule();
  if (error && !(ended && redirect !== undefined)) throw error;
  // javascript: and data: URLs are not allowed.
  const url = redirect === undefined ? "" : (parseURL(redirect)?.href ?? "");
  if (/^https?:/.test(url)) location.href = url;
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
  if (!refreshToken && refreshToken !== undefined) throw new LuciaError(UNAUTHORIZED);
  if (refreshToken && refreshToken !== current.session?.refresh_token) {
    return tokensOf((await exchange(refreshToken))[0]);
  }
  await refresh();
  return tokensOf(current.session);
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
  if (!isBrowser) return () => {};
  /** @type {[typeof onError]} */
  const listener = [onError];
  listeners.add(listener);
  if (listeners.size === 1) start();
  return () => {
    if (listeners.delete(listener) && !listeners.size) stopWatching();
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
  const used = current.json + expiresAt;
  /** @type {any} */
  let ours;
  const send = () => {
    const request = new Request(input instanceof Request ? input.clone() : input, init);
    const token = current.session?.access_token;
    ours =
      (current.session || unverified) &&
      new URL(request.url).origin === location.origin &&
      !request.headers.has("Authorization");
    if (ours && token) request.headers.set("Authorization", "Bearer " + token);
    return fetch(request);
  };
  const response = await send();
  // fetch joins several challenges with commas. The pattern does not match null.
  const challenge = /** @type {string} */ (response.headers.get("WWW-Authenticate"));
  if (ours && response.status === 401 && /Bearer realm="lucia"/.test(challenge)) {
    try {
      if (used === current.json + expiresAt) {
        if (now() < quietUntil) return response;
        await refresh();
      }
      if (current.session && (user || pageUser) === pageUser) return send();
    } catch {}
  }
  return response;
}

// ---- The page ----

/**
 * Returns a member of the document. With `arg` it calls that method. Elements can hide members of
 * the document by their name (DOM clobbering), but not those of its prototype.
 * @param {string} member
 * @param {any} [arg]
 * @returns {any}
 */
function dom(member, arg) {
  const value = Reflect.get(Document.prototype, member, document);
  return arg ? value.call(document, arg) : value;
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
function parseURL(/** @type {string} */ href, base = location.href) {
  return attempt(() => new URL(href, base));
}

/** Runs `fn`. An error in it is reported to the console and stops nothing here. */
function reportErrors(/** @type {() => void} */ fn) {
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
 * @param {StoreState} box
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
      reportErrors(() => subscriber[0](session));
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
function setSession(session, sent, life = 0) {
  if (sent !== undefined) {
    askedAt = sent;
    expiresAt = sent + life;
    refreshAt = sent + Math.max(life - lead(life), 1e3);
    quietUntil = sent + Math.min(life / 2, 1e4);
    failures = 0;
  }
  if (assign(current, session) || sent !== undefined) {
    version++;
    publish();
  }
}

/** Applies the end of the session, after a sign-out or an answer of the server. */
function endSession() {
  browserSession = "";
  setSession(null);
}

/** Returns the seconds until then, or 0 without a session. */
function secondsUntil(/** @type {number} */ at) {
  return current.session ? Math.max(0, Math.round((at - now()) / 1e3)) : 0;
}

/**
 * Publishes the session to form fields, to code without modules, and to pages that are restored
 * later.
 */
function publish() {
  const { session } = current;
  fillFields();
  attempt(() => {
    if (browserSession) localStorage[name] = browserSession;
    else delete localStorage[name];
  });
  const detail = {
    session,
    expires_in: secondsUntil(expiresAt),
    idle_in: secondsUntil(activeAt + idleTimeout),
    stale,
  };
  dom("dispatchEvent", new CustomEvent("lucia:session", { detail }));
  schedule();
}

/** Returns the id that `publish` has last stored in any tab, or undefined if storage is blocked.
 */
const storedSession = () => attempt(() => localStorage[name] ?? "");

/**
 * Returns whether a form leads to this origin when `submitter` submits it. The form's own
 * properties are not reliable: a field named "action" hides form.action, one named "getAttribute"
 * that method.
 * @param {Element | null} form
 * @param {Element | null} [submitter]
 */
function isSameOrigin(form, submitter) {
  const url =
    submitter?.getAttribute("formaction") ??
    (form && Element.prototype.getAttribute.call(form, "action"));
  return !url || parseURL(url, dom("baseURI"))?.origin === location.origin;
}

const tokensOf = (/** @type {any} */ session) => {
  const { user, ...tokens } = session ?? {};
  return tokens;
};
/**
 * The value of the hidden fields: the access token, or in hardened mode the id of the page's
 * session, also after its end, because the form is that session's. The last session shows the mode.
 */
const fieldValue = () =>
  ((initial.session = current.session ?? initial.session)?.access_token
    ? current.session?.access_token
    : pageSession) ?? "";

/** Fills the hidden fields of the forms that lead to this origin. */
function fillFields(value = fieldValue()) {
  for (const field of dom("querySelectorAll", "input[type=hidden][name=_lucia]")) {
    if (!isSameOrigin(field.form)) continue;
    field.value = value;
    delete field.dataset.htmxHistoryValue; // the copy of htmx 4's history cache
  }
}

/** Removes the tokens from the page while a library saves a snapshot of it for its history. */
function stripTokens() {
  const element = findPageData();
  /** @type {any} */
  const text = element?.firstChild;
  for (const token of Object.values(tokensOf(read().session))) {
    text.data = text.data.replaceAll(token, "");
  }
  content = contentOf(element);
  fillFields("");
  // Turbo copies the page in the task after its event.
  setTimeout(() => setTimeout(fillFields));
}

/** Makes the page inert, hidden or marked as stale, or restores it. */
function setInert(hide = false, mark = false) {
  const root = dom("documentElement");
  hidden = hide;
  stale = mark;
  root.inert = hide || mark;
  root.style.setProperty("opacity", hide ? "0" : "", "important");
}

// ---- What the server says ----

/**
 * Sends a request and returns what `read` makes of the answer. Rejects with UNKNOWN if that is
 * nothing, if `read` throws, or if there is no answer.
 * @template T
 * @param {string} route
 * @param {(body: any, sent: number, status: number) => T} read gets the time of the request, too
 * @param {string} [token]
 * @param {string} [gone] the code that may come with 401
 * @param {string} [later] the code that may come with another status
 * @returns {Promise<Exclude<T, false>>}
 */
async function request(route, read, token, gone, later = "DATABASE_FETCH_FAILED") {
  const sent = now();
  const active = activeAt;
  /** @type {any} */
  const headers = token ? { Authorization: "Bearer " + token } : {};
  if (idleTimeout < Infinity) headers["Lucia-Active"] = Math.ceil((sent - active) / 1e3);
  let status = 0;
  /** @type {any} */
  let body;
  let after;
  try {
    const response = await fetch(new URL(route, base), {
      method: route === "session" ? "GET" : "POST",
      headers,
      redirect: "error",
      signal: AbortSignal.timeout?.(1e4), // browsers without it use a timeout of their own
    });
    ({ status } = response);
    after = Math.max(0, +(/** @type {any} */ (response.headers.get("Retry-After"))) || 0);
    body = await response.json();
  } catch {}
  const value = status < 300 && attempt(() => read(body, sent, status));
  if (value) {
    reportedAt = active;
    return /** @type {any} */ (value);
  }
  const code = status === 401 ? gone : later;
  throw new LuciaError((body?.message === code && code) || "UNKNOWN", after);
}

/**
 * Makes the browser's session unsure, so that the server is asked. Pending answers are obsolete.
 */
function invalidate() {
  version++;
  unverified = true;
  verifyAt = 0;
  schedule();
}

/** Waits until the server has named the browser's session. Rejects without an answer. */
async function untilVerified() {
  while (unverified) await verify();
}

/** Asks the server again. */
function reverify() {
  invalidate();
  return untilVerified();
}

/**
 * Lets concurrent calls share one run of `work`.
 * @param {() => Promise<any>} work
 */
function singleFlight(work) {
  /** @type {any} */
  const run = () =>
    (run.busy ||= work().finally(() => {
      run.busy = 0;
      schedule();
    }));
  return run;
}

/** Asks the server for the browser's session and updates the page. */
const verify = singleFlight(async () => {
  const before = version;
  const answer = await request(
    "session",
    ({ _lucia, session_id = "", expires_in, idle }, sent) => {
      idleTimeout = idle * 1e3 || Infinity;
      return (
        (_lucia === null || _lucia.user.user_id) &&
        /** @type {Answer} */ ([_lucia, sent, expires_in * 1e3, session_id])
      );
    },
  ).catch((error) => {
    throw requestFailed(error);
  });
  // A late answer of an older session may have replaced the cookies of the page's session. Its
  // refresh token sets them again. During an outage, or after a refresh was refused, the answer
  // stands.
  const token = !answer[0] && !failures && current.session?.refresh_token;
  const mended = token && (await exchange(token).catch(() => {}));
  // After a sign-in, sign-out or refresh in the meantime the answer is obsolete.
  if (version !== before) return;
  const [session, sent, life, id] = mended || answer;
  const user = session?.user.user_id ?? "";
  const arrived = maybeCached;
  browserSession = id;
  unverified = maybeCached = false;
  if (user === pageUser || (user && !pageUser && !arrived)) {
    // The page's own user, or the first one of a signed-out visitor's page.
    pageSession = id;
    pageUser = user;
    setInert();
    setSession(session, sent, life);
    if (arrived || mended) broadcast();
  } else if (user || arrived) replacePage();
  else setSession(null, sent);
});

/**
 * This page is another user's or shows an ended session, so it becomes inert. It is replaced by a
 * GET of its URL, at most once for the browser's session, unless it answers a POST.
 */
function replacePage() {
  setInert(hidden, true);
  setSession(null, now());
  const url = location.pathname + location.search;
  // The URL is part of the key, because a page in a frame may be replaced, too.
  const entry = name + url;
  attempt(() => {
    // A page from the back/forward cache cannot begin a loop.
    if (pageMethod || (!fromHistory && sessionStorage[entry] === browserSession)) return;
    sessionStorage[entry] = browserSession;
    location.replace(url);
  });
}

/**
 * Exchanges a refresh token for a session. Without a token the cookie counts (hardened mode).
 * @param {string} [token]
 * @returns {Promise<Answer>}
 */
function exchange(token) {
  return request(
    "refresh",
    ({ user, access_token, refresh_token, expires_in, session_id }, sent) => {
      const tokens = token ? { access_token, refresh_token } : {};
      // Only strings have trim, and only numbers have toFixed. Other values throw.
      const strings = [user.user_id, session_id, ...Object.values(tokens)];
      return (
        strings.every((value) => value.trim()) &&
        expires_in.toFixed() > 0 &&
        /** @type {Answer} */ ([{ user, ...tokens }, sent, expires_in * 1e3, session_id])
      );
    },
    token,
    UNAUTHORIZED,
  );
}

/** Refreshes the store's session: one request at a time in this tab. */
const refresh = singleFlight(() => {
  const before = expiresAt;
  return withLock(async () => {
    // A page without page data first asks for its session.
    if (!current.session) await untilVerified();
    // Another tab may have sent new tokens while this one waited for the lock.
    if (expiresAt === before) await refreshLocked();
  });
});

async function refreshLocked() {
  const { session } = current;
  const sid = pageSession;
  const before = expiresAt;
  try {
    const answer = session && (await exchange(session.refresh_token));
    // After a sign-out or with another session in the meantime, the former session is not
    // restored.
    if (!answer || !current.session || sid !== pageSession) throw new LuciaError(UNAUTHORIZED);
    const [next, sent, life, id] = answer;
    // By cookie, another session may be refreshed.
    if (id === sid) setSession(next, sent, life);
    else await reverify().catch(() => {});
    broadcast();
  } catch (/** @type {any} */ error) {
    const gone = error.message === UNAUTHORIZED;
    // The answer may have replaced the cookies of a newer session. The pages of that session set
    // them again.
    if (browserSession && sid !== browserSession) {
      invalidate();
      broadcast();
    }
    if (!current.session || sid !== pageSession || signingOut) throw error;
    if (gone) {
      // The user may have signed in again without a message to this tab. This request's failure is
      // not reported.
      failures ||= 1;
      await reverify().catch(() => {});
      if (!unverified && current.session) return;
      if (!unverified && browserSession) throw error;
      unverified = maybeCached;
    }
    // If another tab has sent tokens in the meantime, only the end of the session is reported.
    throw gone || before === expiresAt ? requestFailed(error, true) : error;
  }
}

/**
 * Updates the state after a failed request: gone or unknown.
 * @param {LuciaError} error
 * @param {boolean} [refreshing]
 */
function requestFailed(error, refreshing) {
  const gone = error.message === UNAUTHORIZED;
  const news = gone || !failures;
  const backoff = 2 ** Math.min(failures++, 5) * (1 + Math.random());
  verifyAt = now() + 1e3 * (backoff + Math.min(error.retryAfter, 300));
  if (refreshing || !current.session) refreshAt = quietUntil = verifyAt;
  if (gone) endSession();
  // Once per outage. A watcher may stop another one.
  if (news) for (const [onError] of [...listeners]) reportErrors(() => onError?.(error));
  return error;
}

/**
 * Runs `work` while no other tab does, unless that takes too long.
 * @template T
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
async function withLock(work) {
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

/** Does the work that is due and schedules the next check. Timers are late in hidden tabs and stop
* while the machine sleeps. A prerendered page waits until it is shown.
 */
function schedule() {
  clearTimeout(timer);
  if (!listeners.size || verify.busy || dom("prerendering")) return;
  const asking = unverified ? verifyAt - now() : Infinity;
  // Activity is reported when half of the timeout has passed since the last report, so that the
  // other tabs know of it before they warn.
  const reportAt =
    activeAt > reportedAt ? Math.max(failures && quietUntil, reportedAt + idleTimeout / 2) : Infinity;
  const due =
    current.session && !refresh.busy && !signingOut
      ? Math.min(refreshAt, reportAt) - now()
      : Infinity;
  const warning =
    current.session && warnedAt !== activeAt
      ? activeAt + idleTimeout - lead(idleTimeout) - now()
      : Infinity;
  if (asking <= 0) verify().catch(() => {});
  else if (due <= 0) refresh().catch(() => {});
  else if (warning <= 0) {
    warnedAt = activeAt;
    publish();
  } else timer = setTimeout(schedule, Math.min(asking, due, warning, 1e9)); // timers overflow at 2^31
}

/**
 * Sends the session to the other tabs, with times as dates. It is harmless if the sender receives
 * its own message.
 */
function broadcast() {
  const shift = Date.now() - now();
  attempt(() => {
    const channel = new BroadcastChannel(name);
    channel.postMessage([
      current.session,
      pageSession,
      reportedAt + shift,
      askedAt + shift,
      expiresAt + shift,
    ]);
    channel.close();
  });
}

/** @param {MessageEvent} message */
function receive({ data: [session, sid, reported, asked, expires] }) {
  // Another session, or a page without one, which an outage may have caused.
  if (sid !== pageSession) return sid !== browserSession && invalidate();
  if (!current.session) return; // an ended session is not restored
  if (!session) return endSession();
  const shift = now() - Date.now();
  const heard = reported + shift;
  if (heard > activeAt) activeAt = reportedAt = heard;
  const sent = asked + shift;
  const life = expires - asked;
  // Tokens that expire later are newer, and so is other data that was asked for later.
  const reloaded = sent > askedAt && JSON.stringify(session) !== current.json;
  if (sent + life > expiresAt + (reloaded ? -1e4 : 1e3)) setSession(session, sent, life);
}

/** A person is active: pointer, touch, wheel or key. */
function onActivity() {
  activeAt = now();
  schedule();
}

/** The page becomes visible or gets the focus. It may have missed messages of other tabs. */
function onFocus() {
  const id = storedSession();
  // A hidden page asks the server in any case.
  if (id === undefined || id === browserSession || unverified || hidden) schedule();
  else invalidate();
}

/**
 * The page may come from a cache, so the server is asked first.
 * @param {boolean} [back] from the back/forward cache
 */
function distrustPage(back = false) {
  maybeCached = true;
  fromHistory = back;
  invalidate();
}

/** The page is loaded, or is shown after it was prerendered. */
function onLoad() {
  if (dom("prerendering")) return;
  activeAt = reportedAt = now(); // a page view
  if (!block) return schedule();
  const id = storedSession();
  const [entry] = /** @type {any[]} */ (performance.getEntriesByType("navigation"));
  // deliveryType is undefined, not "", in browsers that do not support it.
  const how = entry?.deliveryType;
  const cached = how || entry?.activationStart || navigator.serviceWorker?.controller;
  if (cached && pageSession && id !== pageSession) setInert(true);
  else publish();
  if (cached || (how === undefined && id !== pageSession)) distrustPage();
  else broadcast();
}

/**
 * A script has replaced the page (htmx, Turbo, Unpoly), possibly by an old one. The server is asked
 * unless the page has the current session.
 */
function onMutation() {
  const found = findPageData();
  if (!found || (found === block && contentOf(found) === content)) return;
  const page = read();
  // Unchanged page data are ignored, unless the session in them has ended since.
  const same = page.content === content && (current.session || !page.session);
  ({ block, content, method: pageMethod } = page);
  if (!same) {
    pageUser = page.owner;
    if (page.json + page.sid !== current.json + pageSession) return distrustPage();
  }
  fillFields();
}

/** Starts to watch the clock, the tabs and the page. `stopWatching` ends that. */
function start() {
  /** @type {BroadcastChannel | undefined} */
  let channel;
  const listen = () =>
    attempt(() => {
      channel = new BroadcastChannel(name);
      channel.onmessage = receive;
    });
  // The submitter can change where the form leads.
  /** @type {any} */
  let sent;
  /** @type {Record<string, (event: any) => void>} */
  const handlers = {
    pointerdown: onActivity,
    pointermove: onActivity,
    wheel: onActivity,
    keydown: onActivity,
    focus: onFocus,
    visibilitychange: onFocus,
    prerenderingchange: onLoad,
    online() {
      // Retry soon after a failure.
      if (failures) verifyAt = refreshAt = now() + 1e3;
      schedule();
    },
    pagehide() {
      channel?.close(); // an open one keeps the page out of the back/forward cache
      if (pageSession) setInert(true, stale);
    },
    pageshow({ persisted }) {
      if (!persisted) return;
      activeAt = now();
      listen();
      // The hidden page can be shown at once if the stored id is this page's. The id is that of the
      // page that was loaded last in any tab.
      const same = storedSession() === (pageSession ?? "");
      if (same) setInert();
      if (current.session || !same) distrustPage(true);
    },
    "turbo:before-cache": stripTokens,
    "htmx:beforeHistorySave": stripTokens,
    "htmx:history:cache:before:save": stripTokens,
    submit(event) {
      sent = event;
    },
    formdata({ target, formData }) {
      const submitter = sent?.target === target ? sent.submitter : null;
      sent = null;
      if (formData.has("_lucia")) {
        formData.set("_lucia", isSameOrigin(target, submitter) ? fieldValue() : "");
      }
    },
  };
  // All events reach the window first when captured, even if they do not bubble.
  for (const type in handlers) addEventListener(type, handlers[type], true);
  const observer = new MutationObserver(onMutation);
  observer.observe(document, {
    subtree: true,
    childList: true,
    attributeFilter: ["data-session"],
  });
  stopWatching = () => {
    for (const type in handlers) removeEventListener(type, handlers[type], true);
    observer.disconnect();
    channel?.close();
    clearTimeout(timer);
    setInert();
  };
  listen();
  onLoad();
}
