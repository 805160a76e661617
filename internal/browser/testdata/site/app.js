// A page of a signed-in app. The tests read its state from window.
import * as lucia from "/api/auth/client.js";

window.lucia = lucia;
window.errors = [];
window.changes = 0;
// The life of the access token and the time, when silent refresh starts and after each refresh. A
// test may limit the number of refreshes.
window.refreshes = [];
window.refreshedAt = [];
// The refresh tokens that this page has had, one for each generation.
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
