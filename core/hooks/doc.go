// Package hooks has ready-made hooks for [core.Options]: [HitRatio] counts hits and misses,
// [Timing] measures how long verbs take, [Slow] reports verbs that take long, and [Log] logs
// each verb.
//
//	ratio := new(hooks.HitRatio)
//	cache, err := core.Open(ctx, "memory://?max_items=10000", &core.Options{
//		Name:  "users",
//		Hooks: []core.Hook{ratio},
//	})
//	…
//	fmt.Println(ratio) // {"users":{"lookups":{"hits":…
//
// HitRatio and Timing also implement expvar.Var: expvar.Publish("cache_hits", ratio) shows
// the figures at /debug/vars.
package hooks
