// Package config opens caches that a configuration file describes. A program gets a cache
// by its name, and the file says which backend the name stands for.
//
//	var c config.Config
//	err := json.Unmarshal(text, &c) // or by any package for YAML or TOML
//	…
//	caches, err := config.New(c, &config.Options{Hooks: map[string]core.Hook{"timing": timing}})
//	…
//	defer caches.Close()
//	users, err := caches.Get(ctx, "users")
//
// The program must import the drivers that the file may name.
//
// Use [Caches] if a configuration describes the caches. If the program makes its caches
// itself and only needs to find them by name, use core.Client instead. [Caches.Client]
// returns a core.Client with all caches of a configuration.
package config
