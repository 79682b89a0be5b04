package redis_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/redis"
	"github.com/cachewire/cachewire/redis/redistest"
)

// A listener records the notices of a bus.
type listener struct {
	bus  core.Bus
	stop func() // ends Subscribe and waits for it

	mu     sync.Mutex
	keys   map[string]int // guarded by mu
	all    int            // guarded by mu
	lost   []error        // guarded by mu
	synced time.Time      // guarded by mu
}

// listen subscribes to a new bus, until the test ends.
func listen(t testing.TB, b *redis.Backend, kind string) *listener {
	t.Helper()
	bus, err := b.OpenBus(kind)
	if err != nil {
		t.Fatal(err)
	}
	l := &listener{bus: bus, keys: map[string]int{}}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { bus.Subscribe(ctx, l.handle) })
	l.stop = sync.OnceFunc(func() {
		cancel()
		running.Wait()
		wantErr(t, "Close of the bus", bus.Close(), nil)
	})
	t.Cleanup(l.stop)
	return l
}

func (l *listener) handle(n core.Notice) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, key := range n.Keys {
		l.keys[key]++
	}
	if n.All {
		l.all++
	}
	if n.Lost != nil {
		l.lost = append(l.lost, n.Lost)
		l.synced = time.Time{}
	}
	if !n.Synced.IsZero() {
		l.synced = n.Synced
	}
}

// awaitSync waits until the bus has given the notices of everything before now.
func (l *listener) awaitSync(t testing.TB) {
	t.Helper()
	now := time.Now()
	eventually(t, "the bus is synced", func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.synced.After(now)
	})
}

// take returns the keys and whether everything was noticed, and forgets them.
func (l *listener) take() (keys []string, all bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for key := range l.keys {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	all = l.all > 0
	l.keys, l.all = map[string]int{}, 0
	return keys, all
}

func (l *listener) losses() []error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.lost)
}

// The server tells of changes that any program makes.
func TestTrackingNoticesEveryChange(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, nil)
	b := open(t, patient(server.Addr()))
	defer b.Close()
	l := listen(t, b, "tracking")
	defer l.stop()
	l.awaitSync(t)
	l.take()
	for _, c := range []struct {
		command string
		keys    []string
		all     bool
	}{
		{"SET k 1", []string{"k"}, false},
		{"SET k 1", []string{"k"}, false}, // the same value
		{"INCR k", []string{"k"}, false},
		{"EXPIRE k 100", []string{"k"}, false},
		{"APPEND k 1", []string{"k"}, false},
		{"MSET a 1 b 2", []string{"a", "b"}, false},
		{"GET a", nil, false},
		{"UNLINK none", nil, false},
		{"UNLINK a b", []string{"a", "b"}, false},
		{"FLUSHALL", nil, true},
	} {
		server.Do(strings.Fields(c.command)...)
		server.Do("SET", "marker", "1") // is noticed after what came before it
		var got []string
		var everything bool
		eventually(t, "the marker is noticed", func() bool {
			keys, all := l.take()
			got, everything = append(got, keys...), everything || all
			return slices.Contains(got, "marker")
		})
		slices.Sort(got)
		want := append(slices.Clone(c.keys), "marker")
		slices.Sort(want)
		if !slices.Equal(got, want) || everything != c.all {
			t.Errorf("%s: keys %q, all %v; want %q, %v", c.command, got, everything, want, c.all)
		}
	}
	server.Do("SET", "short", "1", "PX", "30")
	eventually(t, "the SET and the expiry are noticed", func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.keys["short"] == 2
	})
	if lost := l.losses(); len(lost) != 0 {
		t.Errorf("Lost: %v", lost)
	}
}

func TestTrackingWithAPrefixNoticesOnlyItsKeys(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, nil)
	b := open(t, patient(server.Addr()))
	defer b.Close()
	l := listen(t, b, "tracking:app:")
	defer l.stop()
	l.awaitSync(t)
	l.take()
	server.Do("MSET", "app:a", "1", "other", "1")
	l.awaitSync(t)
	if keys, all := l.take(); !slices.Equal(keys, []string{"app:a"}) || all {
		t.Errorf("keys %q, all %v; want app:a alone", keys, all)
	}
}

// A bus tells what others publish, and nothing that it has published itself.
func TestPubSubGivesWhatOthersPublish(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, nil)
	b := open(t, patient(server.Addr()))
	defer b.Close()
	one, two := listen(t, b, "pubsub"), listen(t, b, "pubsub")
	other := listen(t, b, "pubsub:other channel")
	all := []*listener{one, two, other}
	for _, l := range all {
		defer l.stop()
		l.awaitSync(t)
	}
	many := make([]string, 3000) // several messages
	for i := range many {
		many[i] = fmt.Sprintf("%s %d", strings.Repeat("k", 100), i)
	}
	slices.Sort(many)
	unusual := []string{"b", "\x00\r\n", strings.Repeat("long", 10_000)}
	for _, keys := range [][]string{{"a"}, unusual, many, nil} {
		for _, l := range all {
			l.take()
		}
		wantErr(t, "Publish", one.bus.Publish(t.Context(), keys), nil)
		for _, l := range all {
			l.awaitSync(t)
		}
		want := slices.Sorted(slices.Values(keys))
		if got, everything := two.take(); !slices.Equal(got, want) || everything != (keys == nil) {
			t.Errorf("published %d keys; the other bus got %d, all %v",
				len(keys), len(got), everything)
		}
		for _, l := range []*listener{one, other} {
			if got, everything := l.take(); len(got) != 0 || everything {
				t.Errorf("a bus got %d keys, all %v; want nothing", len(got), everything)
			}
		}
	}
	for i, l := range all {
		if lost := l.losses(); len(lost) != 0 {
			t.Errorf("bus %d: Lost: %v", i, lost)
		}
	}
}

// A message that is no message, and a hole in the numbers of a sender, are losses.
func TestPubSubNoticesALostMessage(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, nil)
	b := open(t, patient(server.Addr()))
	defer b.Close()
	l := listen(t, b, "pubsub")
	defer l.stop()
	l.awaitSync(t)
	message := func(number byte, kind byte, body string) string {
		return "sender of 16 byt" + "\x00\x00\x00\x00\x00\x00\x00" +
			string([]byte{number, kind}) + body
	}
	for _, c := range []struct {
		message string
		lost    bool
		keys    []string
	}{
		{message(7, 2, "\x01a\x01b"), false, []string{"a", "b"}}, // the first one of its sender
		{message(8, 0, ""), false, nil},
		{message(9, 2, ""), false, nil},
		{message(11, 2, "\x01c"), true, []string{"c"}},
		{message(12, 0, ""), false, nil},
		{message(20, 0, ""), true, nil}, // a beat shows a hole as well
		{message(21, 2, "\x02a"), true, nil},
		{message(22, 2, "\xff"), true, nil},
		{message(23, 9, ""), true, nil},
		{"PING", true, nil},
	} {
		before := len(l.losses())
		l.take()
		server.Do("PUBLISH", "cachewire", c.message)
		l.awaitSync(t)
		keys, all := l.take()
		if lost := len(l.losses()) > before; lost != c.lost || !slices.Equal(keys, c.keys) || all {
			t.Errorf("%q: lost %v, keys %q, all %v; want %v, %q",
				c.message, lost, keys, all, c.lost, c.keys)
		}
	}
}

// The connection is killed, and the server: the bus says so, and works again.
func TestABusNoticesThatItsConnectionIsLost(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"tracking", "pubsub"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t, nil)
			b := open(t, patient(server.Addr()))
			defer b.Close()
			l := listen(t, b, kind)
			defer l.stop()
			l.awaitSync(t)
			for name, interrupt := range map[string]func(){
				"CLIENT KILL":           func() { server.Do("CLIENT", "KILL", "TYPE", "normal") },
				"CLIENT KILL of pubsub": func() { server.Do("CLIENT", "KILL", "TYPE", "pubsub") },
				"Restart":               server.Restart,
			} {
				if kind == "tracking" && strings.Contains(name, "pubsub") ||
					kind == "pubsub" && name == "CLIENT KILL" {
					continue
				}
				before := len(l.losses())
				interrupt()
				eventually(t, name+" is noticed", func() bool { return len(l.losses()) > before })
				l.awaitSync(t)
			}
		})
	}
}

// A sentinel tells nothing of keys, so that its loss is none of the bus. A new primary is a loss.
func TestABusUnderASentinel(t *testing.T) {
	t.Parallel()
	if !longEnabled {
		t.Skip("a failover takes long")
	}
	for _, kind := range []string{"tracking", "pubsub"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			g := redistest.StartSentinel(t, nil)
			opts := patient(g.Sentinel.Addr())
			opts.Master = redistest.MasterName
			b := open(t, opts)
			defer b.Close()
			l := listen(t, b, kind)
			defer l.stop()
			l.awaitSync(t)
			g.Sentinel.Restart()
			l.awaitSync(t)
			l.awaitSync(t)
			if losses := l.losses(); len(losses) > 0 {
				t.Errorf("after the sentinel was started again: %v, want no loss", losses)
			}
			g.Primary.Kill()
			g.AwaitFailover()
			eventually(t, "the loss is noticed", func() bool { return len(l.losses()) > 0 })
			l.awaitSync(t)
			if kind == "tracking" {
				l.take()
				set(t, cacheOf(t, b), "k", "v")
				eventually(t, "the change is noticed", func() bool {
					keys, _ := l.take()
					return slices.Equal(keys, []string{"k"})
				})
			}
		})
	}
}

// A server that stalls makes the bus silent. Subscribe returns nevertheless when it should.
func TestABusOfAStalledServerIsSilentAndEnds(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"tracking", "pubsub"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t, nil)
			b := open(t, impatient(server.Addr()))
			defer b.Close()
			l, second := listen(t, b, kind), listen(t, b, kind)
			l.awaitSync(t)
			server.Pause()
			eventually(t, "the loss is noticed", func() bool { return len(l.losses()) > 0 })
			start := time.Now()
			l.stop()
			if took := time.Since(start); took > 5*time.Second {
				t.Errorf("Subscribe returned after %v", took)
			}
			server.Resume()
			second.awaitSync(t)
			second.stop()
		})
	}
}

// Without the permission, a bus is lost with an error that says what to do.
func TestABusWithoutPermissionSaysSo(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, nil)
	server.Do("ACL", "SETUSER", "app", "on", ">secret", "~*", "+@all",
		"-client|tracking", "-client", "+hello", "&cachewire")
	opts := patient(server.Addr())
	opts.Username, opts.Password = "app", "secret"
	b := open(t, opts)
	defer b.Close()
	l := listen(t, b, "tracking")
	defer l.stop()
	eventually(t, "a loss", func() bool { return len(l.losses()) > 0 })
	err := l.losses()[0]
	wantErr(t, "Lost", err, core.ErrUnavailable)
	wantErr(t, "Lost", err, rueidis.ErrNoCache)
	wantText(t, "Lost", err, "use the bus pubsub", "NOPERM")
	l = listen(t, b, "pubsub")
	defer l.stop()
	l.awaitSync(t)
}

// The least that a user must be permitted, as the documentation says.
func TestTheLeastPermissionsOfABus(t *testing.T) {
	t.Parallel()
	for kind, rules := range map[string][]string{
		"tracking": {"+hello", "+auth", "+ping", "+client|tracking"},
		"pubsub":   {"+hello", "+auth", "+ping", "+subscribe", "+publish", "&cachewire"},
	} {
		t.Run(kind, func(t *testing.T) {
			server := redistest.Start(t, nil)
			user := []string{"ACL", "SETUSER", "app", "on", ">secret", "resetchannels", "-@all"}
			if reply := server.Do(append(user, rules...)...); reply != "OK" {
				t.Skipf("this server has other rules: %s", reply)
			}
			opts := patient(server.Addr())
			opts.Username, opts.Password = "app", "secret"
			b := open(t, opts)
			defer b.Close()
			l := listen(t, b, kind)
			defer l.stop()
			l.awaitSync(t)
		})
	}
}

func TestOpenBusRefusesOtherKinds(t *testing.T) {
	b := open(t, patient("localhost"))
	defer b.Close()
	for _, kind := range []string{"", "poll", "track", "pubsub:"} {
		bus, err := b.OpenBus(kind)
		wantErr(t, kind, err, core.ErrConfig)
		wantText(t, kind, err, "tracking, tracking:PREFIX, pubsub or pubsub:CHANNEL")
		if bus != nil {
			t.Errorf("OpenBus of %q returned a bus", kind)
		}
	}
}

// In a cluster the servers of all slots are tracked, and a new primary is noticed.
func TestTrackingInACluster(t *testing.T) {
	t.Parallel()
	if !longEnabled {
		t.Skip("a cluster takes long to start")
	}
	servers := redistest.StartCluster(t, 3, nil)
	b := open(t, patient(redistest.Cluster(servers).Addrs()...))
	defer b.Close()
	c := cacheOf(t, b)
	for _, kind := range []string{"tracking", "pubsub"} {
		l, other := listen(t, b, kind), listen(t, b, kind)
		l.awaitSync(t)
		other.awaitSync(t)
		l.take()
		var want []string
		for i := range 100 {
			key := fmt.Sprintf("%s %02d", kind, i)
			set(t, c, key, "1")
			wantErr(t, "Publish", other.bus.Publish(t.Context(), []string{key}), nil)
			want = append(want, key)
		}
		var got []string
		eventually(t, "all keys are noticed", func() bool {
			keys, _ := l.take()
			got = append(got, keys...)
			slices.Sort(got)
			return slices.Equal(slices.Compact(got), want)
		})
		l.stop()
		other.stop()
	}
}
