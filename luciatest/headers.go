package luciatest

import (
	"fmt"
	"net/http"
	"net/url"
)

// The headers with which browsers describe the source and the purpose of a request.

// setSource sets the headers of a request that the tab's page makes.
func (tab *Tab) setSource(req *http.Request) {
	req.Header.Set("Sec-Fetch-Site", siteOf(tab.at, req.URL))
	setReferer(req, tab.at)
}

func setReferer(req *http.Request, from *url.URL) {
	req.Header.Del("Referer")
	if referer := refererOf(from, req.URL); referer != "" {
		req.Header.Set("Referer", referer)
	}
}

// refererOf returns the Referer that a browser sends, or "" for none. It follows
// strict-origin-when-cross-origin, the default of the W3C Referrer Policy.
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

// siteOf returns the Sec-Fetch-Site of a request from one URL to another. It takes a list of
// public suffixes to know whether two hosts are same-site, so siteOf returns cross-site for
// different hosts, which servers trust least.
func siteOf(from, to *url.URL) string {
	switch {
	case originOf(from) == originOf(to):
		return "same-origin"
	case from.Scheme == to.Scheme && from.Hostname() == to.Hostname():
		return "same-site"
	}
	return "cross-site"
}

// setNavigationHeaders sets the headers of a request for a page.
func setNavigationHeaders(req *http.Request) {
	req.Header.Set("Accept", "text/html,application/xhtml+xml,*/*;q=0.8")
	req.Header.Set("Sec-Fetch-Dest", "document")
	req.Header.Set("Sec-Fetch-Mode", "navigate")
}

// setRedirectHeaders sets the headers of a request that follows a redirect, as a browser does. A
// GET has no Origin. A request that has left the origin is no longer same-origin. The Referer stays
// that of the first request, because a redirect is not a page.
func setRedirectHeaders(req *http.Request, via []*http.Request) error {
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
		req.Header.Del("Referer") // net/http set it to the URL that redirects
	}
	return nil
}

// maxRedirects is the limit of browsers.
const maxRedirects = 20

func originOf(u *url.URL) string { return u.Scheme + "://" + u.Host }
