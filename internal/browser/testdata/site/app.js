// A page of a signed-in app, with what the tests want to look at on window.
import * as lucia from "/api/auth/client.js";

window.lucia = lucia;
window.errors = [];
window.changes = 0;
// When silent refresh starts and after each refresh: how long the access token lives, and when
// that was. A test that counts says how many of them are enough.
window.refreshes = [];
window.refreshedAt = [];
// The refresh tokens that this page has had, one a generation.
window.generations = new Set();
document.addEventListener("lucia:session", ({ detail }) => {
  refreshes.push(detail.expires_in);
  refreshedAt.push(performance.now());
  generations.add(detail.session?.refresh_token);
  if (refreshes.length === window.enough) setTimeout(stop);
});
window.stop = lucia.handleSilentRefresh((error) => errors.push(error.message));
lucia.getSession().subscribe((session) => {
  window.session = session;
  window.changes++;
});
// Resolves to the code that a promise rejects with, or to "".
window.code = (promise) =>
  promise.then(
    () => "",
    (error) => (error instanceof lucia.LuciaError ? error.message : "not ours: " + error),
  );
window.ready = true;
