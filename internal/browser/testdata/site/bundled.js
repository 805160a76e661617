// An app that serves the module from its own path.
document.querySelector("#lucia-page-data").dataset.base = "/api/auth";
window.lucia = await import("/bundled/lucia.js");
lucia.getSession().subscribe((session) => (window.session = session));
window.ready = true;
