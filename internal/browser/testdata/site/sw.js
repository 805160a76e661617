// A service worker as many apps have one: pages come from the network, and from the cache where
// there is none. What has "fixed" in its URL comes from the cache first, as by mistake. The test
// puts the worker off the network by an entry in the cache; scripts are there nevertheless.
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
