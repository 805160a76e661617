// The live part of the example pages: the user, how long the access token is valid, and a log of
// the session's changes. The pages also work without it.
import { handleSilentRefresh, luciaFetch, refreshTokens, signOut } from "/api/auth/client.js";

const one = (selector) => document.querySelector(selector);
const live = one("[data-live]");
const known = { token: "", expires: 0, life: Number(live?.dataset.lifetime) || 0 };

/** Adds a line to the log, newest first. */
function note(text) {
  const log = one("[data-log]");
  if (!log) return;
  const line = document.createElement("li");
  const time = document.createElement("time");
  time.textContent = new Date().toLocaleTimeString();
  line.append(time, " ", text);
  log.prepend(line);
  while (log.children.length > 20) log.lastChild.remove();
}

function duration(seconds) {
  if (seconds < 60) return `${seconds} s`;
  return `${Math.floor(seconds / 60)} min ${String(seconds % 60).padStart(2, "0")} s`;
}

/** The generation stands in the token. In hardened mode a page has none, and cannot tell. */
function showGeneration(token) {
  one("[data-generation-row]").hidden = !token;
  if (!token) return;
  const payload = atob(token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/"));
  const { gen } = JSON.parse(payload);
  const bound = gen >= 2 ** 31;
  one("[data-generation]").textContent = bound ? gen % 2 ** 20 : gen;
  const row = one("[data-bound]");
  if (row && bound) row.textContent = "yes: copied cookies end with the access token";
}

function tick() {
  if (!live || !known.expires) return;
  const left = Math.max(0, Math.round((known.expires - performance.now()) / 1000));
  one("[data-left]").textContent = duration(left);
  one("[data-bar]").value = left;
}

/** After how long without a person the session ends, and when, if no one does anything. */
const idle = { after: 0, ends: 0 };

/**
 * Warns people before the session ends because no one was there: two minutes before, or after half
 * of the time if that is shorter. Whatever they do keeps the session; the button is something to
 * aim at.
 */
function warn() {
  const left = Math.max(0, Math.round((idle.ends - performance.now()) / 1000));
  const warning = one("#idle");
  warning.hidden = !idle.ends || left > Math.min(120, idle.after / 2);
  if (!warning.hidden) one("[data-idle-left]").textContent = left ? `in ${duration(left)}` : "now";
}

/**
 * While the session is over, nothing on the page looks as if it still worked. What is typed stays:
 * the person may sign in again in another tab and save it here.
 */
function showEnded(ended) {
  document.body.classList.toggle("ended", ended);
  one("#gone").hidden = !ended;
  one("[data-sign-out]").hidden = ended;
  for (const control of document.querySelectorAll("main button")) control.disabled = ended;
  one("[data-outcome]").textContent = ended ? "ended" : "signed in again";
  one("[data-meaning]").hidden = true;
  note(ended ? "The session has ended." : "You have signed in again.");
  if (!ended) return;
  one("[data-left]").textContent = duration(0);
  one("[data-bar]").value = 0;
  known.expires = 0;
}

/**
 * The browser's session is another person's, and this page could not be replaced. The module has
 * made the page inert; a modal dialog is not.
 */
function showStale(stale) {
  const dialog = one("#stale");
  if (stale && !dialog.open) dialog.showModal();
  else if (!stale) dialog.close();
}

/**
 * A browser that blocks cookies does not keep a sign-in. The page tries a cookie of its own, since
 * browsers that block them may still say that cookies are enabled. A sign-in that was not kept
 * also leads back to the login page by way of the page that comes after it: two redirects.
 */
function showCookies(session) {
  const notice = one("#cookies");
  if (!notice) return;
  document.cookie = "probe=1; SameSite=Lax; Max-Age=9";
  const kept = document.cookie.includes("probe=1");
  const [{ redirectCount }] = performance.getEntriesByType("navigation");
  notice.hidden = Boolean(session) || (kept && redirectCount < 2);
}

// This event reports every change of the session, in this tab or another one.
document.addEventListener("lucia:session", ({ detail: { session, expires_in, idle_in, stale } }) => {
  showStale(stale);
  idle.ends = session && idle_in !== undefined ? performance.now() + idle_in * 1000 : 0;
  idle.after = Math.max(idle.after, idle_in ?? 0);
  warn();
  showCookies(session);
  if (!live) return;
  if (!session) {
    if (known.expires && !stale) showEnded(true);
    return;
  }
  const { token, expires } = known;
  known.token = session.access_token ?? "";
  known.expires = performance.now() + expires_in * 1000;
  one("[data-who]").textContent = session.user.username;
  showGeneration(known.token);
  // In hardened mode there is no token, so a new expiry shows a refresh.
  const replaced = known.token !== token || known.expires > expires + 1000;
  if (document.body.classList.contains("ended")) showEnded(false);
  else if (!expires) note("This page was opened.");
  else if (replaced) note(`New tokens, valid for ${duration(expires_in)}.`);
  if (expires_in > known.life) one("[data-bar]").max = known.life = expires_in;
  tick();
});

setInterval(warn, 1000);

if (live) {
  handleSilentRefresh(({ message }) => {
    if (message !== "AUTH_UNAUTHORIZED") note("The server does not answer right now. You are still signed in.");
  });
  setInterval(tick, 1000);
  for (const part of document.querySelectorAll("[data-script]")) part.hidden = false;
  one("[data-refresh]").addEventListener("click", async () => {
    try {
      await refreshTokens();
      note("Refreshed at your request.");
    } catch ({ message }) {
      if (known.expires) note(`Not refreshed: ${message}.`);
    }
  });
}

// The stream of events ends with the session, on whichever server it ends. It is open only while a
// person looks at it, because browsers open few connections to one host.
const events = one("[data-events]");
let stream;

function showEvent(text) {
  one("[data-event]").textContent = text;
}

function follow() {
  stream?.close();
  stream = undefined;
  if (!events.open) return showEvent("Not connected.");
  stream = new EventSource(events.dataset.events);
  stream.onmessage = ({ data }) => showEvent(data);
  stream.onerror = () => showEvent("Connecting.");
  stream.addEventListener("ended", ({ data }) => {
    stream.close();
    showEvent(data);
    refreshTokens().catch(() => {}); // the refusal updates the page
  });
}

events?.addEventListener("toggle", follow);

/** Why the server has refused: in its own words, where they are for people. */
function reason(xhr) {
  if (xhr.getResponseHeader("Content-Type")?.startsWith("text/plain")) return xhr.responseText;
  switch (xhr.status) {
    case 0: return "The server cannot be reached right now.";
    case 403: return "The server has refused this. Nothing was changed.";
    case 404: return "What you are looking for is not here any more.";
    case 503: return "You are still signed in, but this has to wait. Please try again in a moment.";
  }
  return "Something went wrong. Nothing was changed.";
}

// With htmx, an added note empties the field, and a refused one shows the reason.
document.addEventListener("htmx:afterRequest", ({ target, detail: { successful, xhr } }) => {
  const trouble = one("#trouble");
  if (successful && target.matches("[data-reset]")) target.reset();
  if (trouble) {
    trouble.hidden = successful || xhr.status === 401;
    trouble.textContent = trouble.hidden ? "" : reason(xhr);
  }
});

// A deleted note loses the focus: move it to the next note, the last one or the field.
document.addEventListener("htmx:beforeSwap", ({ detail: { requestConfig, target, shouldSwap } }) => {
  if (requestConfig.verb !== "delete" || !shouldSwap) return;
  const neighbour = target.nextElementSibling ?? target.previousElementSibling;
  (neighbour?.querySelector("a") ?? one("#text"))?.focus();
});

one("[data-sign-out]")?.addEventListener("submit", async (event) => {
  event.preventDefault();
  try {
    await signOut("/");
  } catch {
    note("You are not signed out yet: the server does not answer right now.");
  }
});

one("[data-ask]")?.addEventListener("click", async ({ currentTarget }) => {
  const answer = one("[data-answer]");
  answer.hidden = false;
  try {
    const response = await luciaFetch(currentTarget.dataset.ask);
    answer.textContent = `${response.status} ${JSON.stringify(await response.json(), null, 2)}`;
  } catch {
    answer.textContent = "No answer.";
  }
});
