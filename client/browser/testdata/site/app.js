// A page of a signed-in app, with what the tests want to look at on window.
import * as lucia from "/api/auth/client.js";

window.lucia = lucia;
window.errors = [];
window.changes = 0;
window.refreshes = [];
document.addEventListener("lucia:session", ({ detail }) => {
  refreshes.push(detail.expires_in);
  window.refreshedAt = performance.now();
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
