// An app on Unpoly that has all links and forms taken over.
up.link.config.followSelectors.push("a[href]");
up.form.config.submitSelectors.push("form");
up.motion.config.enabled = false;
