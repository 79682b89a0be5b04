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

// A program in Python finds the locks of a lockout by EXISTS, sets one by SET and deletes one
// by DEL.
func TestAPythonProgramSharesLocksOfALockoutInPlainMode(t *testing.T) {
	python := redistest.NeedPython(t, "redis")
	server := redistest.Start(t, nil)
	signIn, err := lockout.New(openBoth(t, server.Addr())["plain"], "sign_in",
		[]lockout.Rule[string]{{
			Name: "by_ip", Key: func(ip string) string { return ip }, Lock: time.Hour,
			Rate: lockout.Rate{Count: 2, Period: 24 * 365 * 40 * time.Hour},
		}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	run := func(script, want string) {
		t.Helper()
		script = aiocache + `key = "lock:c:sign_in:by_ip:192.0.2.1"` + "\n" + script
		if got := python.Run(t, script, server.Addr()); strings.TrimSpace(got) != want {
			t.Errorf("%s prints %q, want %q", script, got, want)
		}
	}
	ctx := t.Context()
	if err := signIn.Add(ctx, "192.0.2.1", 1); err != nil {
		t.Error(err)
	}
	run(`print(r.exists(key))`, "0")
	if err := signIn.Add(ctx, "192.0.2.1", 1); err != nil {
		t.Error(err)
	}
	run(`print(r.exists(key), 0 < r.ttl(key) <= 3600, r.delete(key))`, "1 True 1")
	if err := signIn.Check(ctx, "192.0.2.1"); err != nil {
		t.Errorf("Check after Python has deleted the lock: %v", err)
	}
	run(`print(r.set(key, 1, nx=True, ex=60))`, "True")
	if err := signIn.Check(ctx, "192.0.2.1"); !errors.Is(err, lockout.ErrLocked) {
		t.Errorf("Check after Python has set a lock: %v, want ErrLocked", err)
	}
}
