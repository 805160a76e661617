package luciatest

import (
	"fmt"
	"net/http"
	"net/url"
)

// What browsers say of their requests: where they come from and what for.

// comesFrom makes a request say that the tab's page made it.
func (tab *Tab) comesFrom(req *http.Request) {
	req.Header.Set("Sec-Fetch-Site", siteOf(tab.at, req.URL))
	setReferer(req, tab.at)
}

func setReferer(req *http.Request, from *url.URL) {
	req.Header.Del("Referer")
	if referer := refererOf(from, req.URL); referer != "" {
		req.Header.Set("Referer", referer)
	}
}

// refererOf is what a browser says of the page that a request comes from, "" for
// nothing: strict-origin-when-cross-origin, the default of W3C Referrer Policy.
func refererOf(from, to *url.URL) string {
	switch {
	case from.Scheme == "https" && to.Scheme != "https":
		return ""
	case originOf(from) != originOf(to):
		return originOf(from) + "/"
	}
	page := *from
	page.User, page.Fragment, page.RawFragment = nil, "", ""
	return page.String()
}

// siteOf is what a browser says of a request from one address to another. Whether
// two hosts are of one site takes a list of public suffixes to tell; it says
// cross-site of all of them, which servers treat as worst.
func siteOf(from, to *url.URL) string {
	switch {
	case originOf(from) == originOf(to):
		return "same-origin"
	case from.Scheme == to.Scheme && from.Hostname() == to.Hostname():
		return "same-site"
	}
	return "cross-site"
}

// asNavigation makes a request ask for a page.
func asNavigation(req *http.Request) {
	req.Header.Set("Accept", "text/html,application/xhtml+xml,*/*;q=0.8")
	req.Header.Set("Sec-Fetch-Dest", "document")
	req.Header.Set("Sec-Fetch-Mode", "navigate")
}

// followed makes a request that follows a redirect say what a browser's would: a
// GET has no Origin, one that has left the origin on its way is no longer of it, and
// it comes from the page that the first one came from, if any, for a redirect is no
// page.
func followed(req *http.Request, via []*http.Request) error {
	if len(via) >= maxRedirects {
		return fmt.Errorf("luciatest: stopped after %d redirects", maxRedirects)
	}
	before := via[len(via)-1]
	if req.Method == http.MethodGet || req.Method == http.MethodHead {
		req.Header.Del("Origin")
	} else if originOf(before.URL) != originOf(req.URL) && req.Header.Get("Origin") != "" {
		req.Header.Set("Origin", "null")
	}
	if site := before.Header.Get("Sec-Fetch-Site"); site == "same-origin" || site == "same-site" && originOf(before.URL) != originOf(req.URL) {
		req.Header.Set("Sec-Fetch-Site", siteOf(before.URL, req.URL))
	} else if site != "" {
		req.Header.Set("Sec-Fetch-Site", site)
	}
	if page, err := url.Parse(before.Header.Get("Referer")); err == nil && page.Host != "" {
		setReferer(req, page)
	} else {
		req.Header.Del("Referer") // net/http names the address that redirects
	}
	return nil
}

// maxRedirects is where browsers give up.
const maxRedirects = 20

func originOf(u *url.URL) string { return u.Scheme + "://" + u.Host }
