module github.com/cachewire/cachewire/benchmarks

go 1.25.0

require (
	github.com/Yiling-J/theine-go v0.6.3
	github.com/allegro/bigcache/v3 v3.1.0
	github.com/bradfitz/gomemcache v0.0.0-20260422231931-4d751bb6e37c
	github.com/cachewire/cachewire/core v0.1.0
	github.com/cachewire/cachewire/encoding/cbor v0.1.0
	github.com/cachewire/cachewire/encoding/msgpack v0.1.0
	github.com/cachewire/cachewire/encoding/protobuf v0.1.0
	github.com/cachewire/cachewire/encoding/seal v0.1.0
	github.com/cachewire/cachewire/memcache v0.1.0
	github.com/cachewire/cachewire/memcache-meta v0.1.0
	github.com/cachewire/cachewire/memcache-pooled v0.1.0
	github.com/cachewire/cachewire/memcache-pure v0.1.0
	github.com/cachewire/cachewire/memory v0.1.0
	github.com/cachewire/cachewire/patterns v0.1.0
	github.com/cachewire/cachewire/redis v0.1.0
	github.com/cachewire/cachewire/tiered v0.1.0
	github.com/coocood/freecache v1.2.7
	github.com/dgraph-io/ristretto/v2 v2.4.2
	github.com/eko/gocache/lib/v4 v4.2.0
	github.com/eko/gocache/store/redis/v4 v4.2.2
	github.com/go-redis/cache/v9 v9.0.0
	github.com/hashicorp/golang-lru/v2 v2.0.7
	github.com/jellydator/ttlcache/v3 v3.4.1
	github.com/maypok86/otter/v2 v2.4.0
	github.com/patrickmn/go-cache v2.1.0+incompatible
	github.com/puzpuzpuz/xsync/v4 v4.5.0
	github.com/rainycape/memcache v0.0.0-20150622160815-1031fa0ce2f2
	github.com/viccon/sturdyc v1.1.5
	golang.org/x/sync v0.20.0
	golang.org/x/sys v0.47.0
)

require github.com/jackc/puddle/v2 v2.2.3 // indirect

require (
	github.com/beorn7/perks v1.0.1 // indirect
	github.com/bytedance/gopkg v0.1.3 // indirect
	github.com/bytedance/sonic/loader v0.5.3 // indirect
	github.com/cloudwego/base64x v0.1.6 // indirect
	github.com/dustin/go-humanize v1.0.1 // indirect
	github.com/fxamacker/cbor/v2 v2.10.0 // indirect
	github.com/golang/mock v1.6.0 // indirect
	github.com/klauspost/compress v1.16.3 // indirect
	github.com/klauspost/cpuid/v2 v2.2.10 // indirect
	github.com/prometheus/client_golang v1.19.0 // indirect
	github.com/prometheus/client_model v0.6.1 // indirect
	github.com/prometheus/common v0.52.3 // indirect
	github.com/prometheus/procfs v0.13.0 // indirect
	github.com/twitchyliquid64/golang-asm v0.15.1 // indirect
	github.com/vmihailenco/go-tinylfu v0.2.2 // indirect
	github.com/vmihailenco/msgpack/v5 v5.4.1
	github.com/vmihailenco/tagparser/v2 v2.0.0 // indirect
	github.com/x448/float16 v0.8.4 // indirect
	github.com/zeebo/xxh3 v1.1.0 // indirect
	go.uber.org/atomic v1.11.0 // indirect
	go.uber.org/mock v0.4.0 // indirect
	golang.org/x/arch v0.0.0-20210923205945-b76863e36670 // indirect
	golang.org/x/crypto v0.55.0 // indirect
	golang.org/x/exp v0.0.0-20240416160154-fe59bbe5cc7f // indirect
	google.golang.org/protobuf v1.36.12
)

require (
	github.com/bytedance/sonic v1.15.5
	github.com/cachewire/cachewire/dependency v0.1.0 // indirect
	github.com/cachewire/cachewire/encoding v0.1.0
	github.com/cachewire/cachewire/lockout v0.1.0
	github.com/cespare/xxhash/v2 v2.3.0 // indirect
	github.com/pkg/errors v0.9.1 // indirect
	github.com/redis/go-redis/v9 v9.22.0
	github.com/redis/rueidis v1.0.79
	github.com/sethvargo/go-limiter v0.7.1
	github.com/ulule/limiter/v3 v3.11.2
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
