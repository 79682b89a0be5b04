module github.com/cachewire/cachewire/core

go 1.25.0
