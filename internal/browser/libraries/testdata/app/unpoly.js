// An app on Unpoly that handles all links and forms.
up.link.config.followSelectors.push("a[href]");
up.form.config.submitSelectors.push("form");
up.motion.config.enabled = false;

// The cache keeps answers with tokens, so it ends with the session.
document.addEventListener("lucia:session", ({ detail }) => detail.session || up.cache.evict());
