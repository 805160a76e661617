// An app on Unpoly that handles all links and forms.
up.link.config.followSelectors.push("a[href]");
up.form.config.submitSelectors.push("form");
up.motion.config.enabled = false;
