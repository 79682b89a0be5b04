// Package config makes caches by name from a configuration: a program asks for a cache
// by its name, and a file says what stands behind it.
//
//	var c config.Config
//	err := json.Unmarshal(text, &c) // or by any package for YAML or TOML
//	…
//	caches, err := config.New(c, &config.Options{Hooks: map[string]core.Hook{"timing": timing}})
//	…
//	defer caches.Close()
//	users, err := caches.Get(ctx, "users")
//
// The program imports the drivers that the file may name.
//
// Use [Caches] if the caches come from a configuration. A program that makes its caches
// itself, and only wants to find them by name, uses core.Client instead. [Caches.Client]
// makes a core.Client of all caches of a configuration.
package config
