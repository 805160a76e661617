// A page that uses the module without silent refresh.
import * as lucia from "/api/auth/client.js";

window.lucia = lucia;
lucia.getSession().subscribe((session) => (window.session = session));
window.ready = true;
