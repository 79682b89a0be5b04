module github.com/cachewire/cachewire/docs

go 1.25.0

require (
	github.com/VictoriaMetrics/metricsql v0.87.3
	github.com/cachewire/cachewire/conformance v0.1.0
	github.com/cachewire/cachewire/core v0.1.0
	github.com/cachewire/cachewire/dependency v0.1.0
	github.com/cachewire/cachewire/encoding v0.1.0
	github.com/cachewire/cachewire/memcache-meta v0.1.0
	github.com/cachewire/cachewire/memcache-pooled v0.1.0
	github.com/cachewire/cachewire/memcache-pure v0.1.0
	github.com/cachewire/cachewire/memory v0.1.0
	github.com/cachewire/cachewire/null v0.1.0
	github.com/cachewire/cachewire/observe/otel v0.1.0
	github.com/cachewire/cachewire/observe/page v0.1.0
	github.com/cachewire/cachewire/observe/prometheus v0.1.0
	github.com/cachewire/cachewire/patterns v0.1.0
	github.com/cachewire/cachewire/redis v0.1.0
	github.com/prometheus/client_golang v1.24.1
	github.com/sony/gobreaker/v2 v2.4.0
	go.opentelemetry.io/otel/exporters/stdout/stdoutmetric v1.46.0
	go.opentelemetry.io/otel/exporters/stdout/stdouttrace v1.46.0
	go.opentelemetry.io/otel/sdk v1.46.0
	go.opentelemetry.io/otel/sdk/metric v1.46.0
	golang.org/x/term v0.45.0
)

require (
	github.com/VictoriaMetrics/metrics v1.35.3 // indirect
	github.com/beorn7/perks v1.0.1 // indirect
	github.com/cachewire/cachewire/observe v0.1.0 // indirect
	github.com/cespare/xxhash/v2 v2.3.0 // indirect
	github.com/go-logr/logr v1.4.4 // indirect
	github.com/go-logr/stdr v1.2.2 // indirect
	github.com/google/uuid v1.6.0 // indirect
	github.com/jackc/puddle/v2 v2.2.3 // indirect
	github.com/munnerz/goautoneg v0.0.0-20191010083416-a7dc8b61c822 // indirect
	github.com/prometheus/client_model v0.6.2 // indirect
	github.com/prometheus/common v0.70.1 // indirect
	github.com/prometheus/procfs v0.21.1 // indirect
	github.com/redis/rueidis v1.0.79 // indirect
	github.com/valyala/fastrand v1.1.0 // indirect
	github.com/valyala/histogram v1.2.0 // indirect
	go.opentelemetry.io/auto/sdk v1.2.1 // indirect
	go.opentelemetry.io/otel v1.46.0 // indirect
	go.opentelemetry.io/otel/metric v1.46.0 // indirect
	go.opentelemetry.io/otel/trace v1.46.0 // indirect
	golang.org/x/sync v0.21.0 // indirect
	google.golang.org/protobuf v1.36.11 // indirect
)

require (
	github.com/anishathalye/porcupine v1.3.1 // indirect
	github.com/bradfitz/gomemcache v0.0.0-20260422231931-4d751bb6e37c // indirect
	github.com/cachewire/cachewire/lockout v0.1.0
	github.com/cachewire/cachewire/memcache v0.1.0
	github.com/rainycape/memcache v0.0.0-20150622160815-1031fa0ce2f2 // indirect
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
