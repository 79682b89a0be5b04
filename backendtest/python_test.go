package backendtest_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/lockout"
	"github.com/cachewire/cachewire/patterns"
	"github.com/cachewire/cachewire/redis"
	"github.com/cachewire/cachewire/redis/redistest"
)

// Aiocache has the commands that the RedLock of aiocache and pycached sends: the key is that of
// the value and "-lock", the value is random, and a script releases only the own one.
const aiocache = `
import sys, redis, uuid
r = redis.Redis(host=sys.argv[1].split(":")[0], port=int(sys.argv[1].split(":")[1]))
def acquire(key, lease, value):
    return bool(r.set("main:" + key + "-lock", value, nx=True, px=int(lease * 1000)))
release = r.register_script("""
if redis.call("get", KEYS[1]) == ARGV[1] then return redis.call("del", KEYS[1]) else return 0 end
""")
def free(key, value): return release(keys=["main:" + key + "-lock"], args=[value])
`

func openBoth(t *testing.T, addr string) map[string]*core.Cache {
	t.Helper()
	caches := map[string]*core.Cache{}
	for name, plain := range map[string]bool{"default": false, "plain": true} {
		b, err := redis.New(&redis.Options{Addrs: []string{addr}, Timeout: 20 * time.Second,
			Plain: plain})
		if err != nil {
			t.Fatal(err)
		}
		c, err := core.New(b, nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		caches[name] = c
	}
	return caches
}

func TestOnePassAndTheRedLockOfPythonExcludeEachOther(t *testing.T) {
	python := redistest.NeedPython(t, "redis")
	server := redistest.Start(t, nil)
	for name, c := range openBoth(t, server.Addr()) {
		t.Run(name, func(t *testing.T) {
			pass, err := patterns.NewOnePass(c,
				&patterns.OnePassOptions{Prefix: "main:", LockTTL: time.Minute})
			if err != nil {
				t.Fatal(err)
			}
			run := func(script, want string) {
				t.Helper()
				if got := python.Run(t, aiocache+script,
					server.Addr()); strings.TrimSpace(got) != want {
					t.Errorf("%s prints %q, want %q", script, got, want)
				}
			}
			lease, err := pass.Try(t.Context(), "key-lock")
			if err != nil {
				t.Fatal(err)
			}
			run(`print(acquire("key", 60, "mine"), free("key", "mine"))`, "False 0")
			if err := lease.Renew(t.Context()); err != nil {
				t.Errorf("Renew: %v", err)
			}
			if err := lease.Release(t.Context()); err != nil {
				t.Errorf("Release: %v", err)
			}
			run(`print(acquire("key", 60, "theirs"))`, "True")
			if _, err := pass.Try(t.Context(), "key-lock"); !errors.Is(err, patterns.ErrHeld) {
				t.Errorf("Try of a lock of Python: %v, want ErrHeld", err)
			}
			run(`print(free("key", "theirs"))`, "1")
			lease, err = pass.Try(t.Context(), "key-lock")
			if err != nil {
				t.Fatal(err)
			}
			server.Do("DEL", "main:key-lock") // as if the lease had ended
			run(`print(acquire("key", 60, "theirs"))`, "True")
			if err := lease.Release(t.Context()); !errors.Is(err, patterns.ErrLost) {
				t.Errorf("Release of a lease that has ended: %v, want ErrLost", err)
			}
			run(`print(free("key", "theirs"))`, "1")
		})
	}
}

// A program in Python counts failures by INCR under the key of the counter.
func TestAPythonProgramSharesCountersOfALockoutInPlainMode(t *testing.T) {
	python := redistest.NeedPython(t, "redis")
	server := redistest.Start(t, nil)
	c := openBoth(t, server.Addr())["plain"]
	locker, err := lockout.New(c, lockout.Terms[string]{
		"by_ip": {Key: func(ip string) string { return "by_ip:" + ip }, Count: 4,
			Period: time.Minute, Duration: time.Hour},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	signIn, err := locker.Define("sign in", lockout.Terms[string]{"by_ip": {}})
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	if err := signIn.Incr(ctx, "192.0.2.1"); err != nil {
		t.Error(err)
	}
	python.Run(t, aiocache+`assert r.incr("c:sign_in:by_ip:192.0.2.1", 2) == 3`, server.Addr())
	if err := signIn.Forbid(ctx, "192.0.2.1"); err != nil {
		t.Errorf("Forbid after 3 of 4: %v", err)
	}
	if err := signIn.Incr(ctx, "192.0.2.1"); err != nil {
		t.Error(err)
	}
	if err := signIn.Forbid(ctx, "192.0.2.1"); !errors.Is(err, lockout.ErrLocked) {
		t.Errorf("Forbid after 4 of 4: %v, want ErrLocked", err)
	}
	got := python.Run(t, aiocache+`print(r.exists("lock:c:sign_in:by_ip:192.0.2.1"))`,
		server.Addr())
	if strings.TrimSpace(got) != "1" {
		t.Errorf("Python sees %s locks", got)
	}
}
