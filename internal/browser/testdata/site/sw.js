// A typical service worker: it gets pages from the network, or from its cache if there is no
// network. Like a faulty worker, it gets URLs with "fixed" from the cache first. An entry in the
// cache makes the worker behave as if it were offline, except for scripts.
addEventListener("install", () => skipWaiting());
addEventListener("activate", (event) => event.waitUntil(clients.claim()));

const offline = () => caches.match("/offline");

async function answer(request) {
  const kept = request.mode === "navigate" && (await caches.match(request));
  if (kept && (request.url.includes("fixed") || (await offline()))) return kept;
  if (!request.url.includes(".js") && (await offline())) return Response.error();
  const response = await fetch(request);
  if (request.mode === "navigate" && response.ok && !response.redirected) {
    await (await caches.open("pages")).put(request, response.clone());
  }
  return response;
}

addEventListener("fetch", (event) => event.respondWith(answer(event.request)));
