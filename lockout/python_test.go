package lockout_test

import (
	"testing"

	"github.com/cachewire/cachewire/lockout"
	"github.com/cachewire/cachewire/memcache"
	memcachepure "github.com/cachewire/cachewire/memcache-pure"
	"github.com/cachewire/cachewire/memcache/memcachetest"
)

// wheezy does with the cache what the Lockout of wheezy.caching does. It uses pylibmc.
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

func TestPythonAndGoShareCountersAndLocks(t *testing.T) {
	python := memcachetest.NeedPython(t, "pylibmc")
	addr := memcachetest.Start(t, nil).Addr()
	b, err := memcachepure.New([]memcache.Server{{Addr: addr}}, nil)
	wantErr(t, err, nil)
	lo := signIn(t, cacheOf(t, b), "by_id")
	run := func(program, want string) {
		t.Helper()
		if got := python.Run(t, wheezy+program, addr); got != want {
			t.Errorf("Python prints %q, want %q", got, want)
		}
	}
	ann, bob := visit{"ann", ""}, visit{"bob", ""}

	// Two failures in Go and two in Python set a lock.
	forbiddenAfterFailures(t, lo, ann, 2)
	run(`
incr('ann', 4, 60, 600)
print(locked('ann'))
incr('ann', 4, 60, 600)
print(locked('ann'))
`, "False\nTrue\n")
	wantErr(t, lo.Forbid(t.Context(), ann), lockout.ErrLocked)
	wantErr(t, lo.Reset(t.Context(), ann), nil)
	run("print(locked('ann'))", "False\n")

	// So do three in Python and one in Go.
	run("for _ in range(3): incr('bob', 4, 60, 600)", "")
	if !forbiddenAfterFailures(t, lo, bob, 1) {
		t.Error("a failure in Go after three in Python sets no lock")
	}
	run("print(locked('bob')); reset('bob'); print(locked('bob'))", "True\nFalse\n")
	wantErr(t, lo.Forbid(t.Context(), bob), nil)
}
