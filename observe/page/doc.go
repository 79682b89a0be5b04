// Package page has a live page of the caches of a process, as an http.Handler. It needs the
// standard library alone.
//
//	p, err := page.New(nil)
//	…
//	defer p.Close()
//	cache, err := core.Open(ctx, url, &core.Options{Name: "users", Hooks: []core.Hook{p}})
//	…
//	err = p.Add(cache)
//	mux.Handle("/debug/cache/", p) // any path does; links of the page are relative
//
// The page shows each cache by its name, with its driver and its URL without secrets: the hit
// ratio, verbs a second, quantiles of their duration, errors, items and bytes, the pool, the
// copies of a tiered cache and its bus, and what patterns served if the Page is their
// Observer. It updates itself each second by server-sent events, and each five seconds where
// there is no JavaScript. Rates and quantiles are those of the last minute or less, since the
// page was last looked at.
//
// # Security
//
// The page has no sign-in: put it behind one of your own, or on a listener that only
// operators reach. It registers itself nowhere. By default it changes nothing and shows neither
// keys nor values; see Options. Forms are sent by POST, and refused if they come from another
// site or lack the token of the page. On localhost, a program with forms should also check the
// Host of requests, as names of other sites can be made to lead there (DNS rebinding). The token
// is that of the process: behind a balancer, a form must reach the process that made it.
package page
