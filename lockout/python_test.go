package lockout_test

import (
	"testing"

	"github.com/cachewire/cachewire/lockout"
	"github.com/cachewire/cachewire/memcache"
	memcachepure "github.com/cachewire/cachewire/memcache-pure"
	"github.com/cachewire/cachewire/memcache/memcachetest"
)

// wheezy uses the cache as the Lockout of wheezy.caching does. It uses pylibmc.
const wheezy = `
import sys, pylibmc
cache = pylibmc.Client(sys.argv[1:], binary=True)
key = 'c:sign_in:by_id:'

def incr(id, count, period, duration):
    cache.add(key + id, 0, time=period)
    if cache.incr(key + id) >= count:
        cache.add('lock:' + key + id, 1, time=duration)
        cache.delete(key + id)

def locked(id):
    return 'lock:' + key + id in cache.get_multi(['lock:' + key + id])

def reset(id):
    cache.delete_multi([key + id, 'lock:' + key + id])
`

func TestPythonAndGoShareLocks(t *testing.T) {
	python := memcachetest.NeedPython(t, "pylibmc")
	addr := memcachetest.Start(t, nil).Addr()
	b, err := memcachepure.New([]memcache.Server{{Addr: addr}}, nil)
	wantErr(t, err, nil)
	l := signIn(t, cacheOf(t, b), "by_id")
	run := func(program, want string) {
		t.Helper()
		if got := python.Run(t, wheezy+program, addr); got != want {
			t.Errorf("Python prints %q, want %q", got, want)
		}
	}

	// Four failures in Go set a lock, which Python finds and deletes.
	if !fail(t, l, ann, 4) {
		t.Error("four failures set no lock")
	}
	run("print(locked('ann')); reset('ann'); print(locked('ann'))", "True\nFalse\n")
	wantErr(t, l.Check(t.Context(), ann), nil)

	// Four failures in Python do the same.
	run("for _ in range(4): incr('bob', 4, 60, 600)\nprint(locked('bob'))", "True\n")
	wantErr(t, l.Check(t.Context(), bob), lockout.ErrLocked)
	wantErr(t, l.Reset(t.Context(), bob), nil)
	run("print(locked('bob'))", "False\n")
}
