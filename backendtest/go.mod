module github.com/cachewire/cachewire/backendtest

go 1.25.0

require (
	github.com/cachewire/cachewire/core v0.1.0
	github.com/cachewire/cachewire/lockout v0.1.0
	github.com/cachewire/cachewire/memcache v0.1.0
	github.com/cachewire/cachewire/memcache-meta v0.1.0
	github.com/cachewire/cachewire/memcache-pure v0.1.0
	github.com/cachewire/cachewire/memory v0.1.0
	github.com/cachewire/cachewire/patterns v0.1.0
	github.com/cachewire/cachewire/redis v0.1.0
)

require (
	github.com/bradfitz/gomemcache v0.0.0-20260422231931-4d751bb6e37c // indirect
	github.com/cachewire/cachewire/dependency v0.1.0 // indirect
	github.com/cachewire/cachewire/encoding v0.1.0 // indirect
	github.com/jackc/puddle/v2 v2.2.3 // indirect
	github.com/redis/rueidis v1.0.79 // indirect
	golang.org/x/sync v0.1.0 // indirect
	golang.org/x/sys v0.47.0 // indirect
)

replace ( // written by scripts/modules.sh, the same in every module
	github.com/cachewire/cachewire/backendtest => ../backendtest
	github.com/cachewire/cachewire/benchmarks => ../benchmarks
	github.com/cachewire/cachewire/cmd/cachewire => ../cmd/cachewire
	github.com/cachewire/cachewire/conformance => ../conformance
	github.com/cachewire/cachewire/conformance/strangers => ../conformance/strangers
	github.com/cachewire/cachewire/core => ../core
	github.com/cachewire/cachewire/dependency => ../dependency
	github.com/cachewire/cachewire/docs => ../docs
	github.com/cachewire/cachewire/docs/from => ../docs/from
	github.com/cachewire/cachewire/encoding => ../encoding
	github.com/cachewire/cachewire/encoding/cbor => ../encoding/cbor
	github.com/cachewire/cachewire/encoding/msgpack => ../encoding/msgpack
	github.com/cachewire/cachewire/encoding/protobuf => ../encoding/protobuf
	github.com/cachewire/cachewire/encoding/seal => ../encoding/seal
	github.com/cachewire/cachewire/encoding/zstd => ../encoding/zstd
	github.com/cachewire/cachewire/lockout => ../lockout
	github.com/cachewire/cachewire/memcache => ../memcache
	github.com/cachewire/cachewire/memcache-meta => ../memcache-meta
	github.com/cachewire/cachewire/memcache-pooled => ../memcache-pooled
	github.com/cachewire/cachewire/memcache-pure => ../memcache-pure
	github.com/cachewire/cachewire/memory => ../memory
	github.com/cachewire/cachewire/null => ../null
	github.com/cachewire/cachewire/observe => ../observe
	github.com/cachewire/cachewire/observe/otel => ../observe/otel
	github.com/cachewire/cachewire/observe/page => ../observe/page
	github.com/cachewire/cachewire/observe/page/browser => ../observe/page/browser
	github.com/cachewire/cachewire/observe/prometheus => ../observe/prometheus
	github.com/cachewire/cachewire/patterns => ../patterns
	github.com/cachewire/cachewire/redis => ../redis
	github.com/cachewire/cachewire/tiered => ../tiered
)
