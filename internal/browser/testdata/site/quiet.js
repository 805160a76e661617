// A page that uses the module and leaves silent refresh alone.
import * as lucia from "/api/auth/client.js";

window.lucia = lucia;
lucia.getSession().subscribe((session) => (window.session = session));
window.ready = true;
