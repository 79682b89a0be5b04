package redis_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/redis"
	"github.com/cachewire/cachewire/redis/redistest"
)

func TestAServerThatIsKilledOrSilentIsUnavailableAndThenEmpty(t *testing.T) {
	server := redistest.Start(t, nil)
	c := openCache(t, impatient(server.Addr()))
	set(t, c, "k", "1")
	server.Kill()
	wantAll(t, c, "of a killed server", core.ErrUnavailable)
	server.Restart()
	if _, err := c.Get(t.Context(), "k"); err != core.ErrMiss {
		t.Errorf("Get after the restart: %v", err)
	}
	set(t, c, "k", "1")
	server.Restart() // the connection that there is breaks
	eventually(t, "Get misses", func() bool {
		_, err := c.Get(t.Context(), "k")
		if err != core.ErrMiss && !errors.Is(err, core.ErrUnavailable) {
			t.Errorf("Get: %v", err)
		}
		return err == core.ErrMiss
	})
	set(t, c, "k", "1")
	server.Pause()
	takes(t, "all verbs at once", 3*300*time.Millisecond+3*time.Second, func() {
		var running sync.WaitGroup
		for _, v := range verbs {
			running.Go(func() {
				wantErr(t, v.name+" of a silent server", v.call(context.Background(), c, "k"),
					core.ErrUnavailable)
			})
		}
		running.Wait()
	})
	server.Resume()
	eventually(t, "verbs succeed", func() bool {
		return c.Set(t.Context(), "k", []byte("1"),
			0) == nil
	})
	wantValue(t, c, "k", "1")
}

// Nothing listens at first, so that even the client cannot be opened.
func TestServersThatComeLaterAreFound(t *testing.T) {
	for name, start := range map[string]func() ([]*redistest.Server, *redis.Options){
		"one server": func() ([]*redistest.Server, *redis.Options) {
			s := redistest.Start(t, nil)
			return []*redistest.Server{s}, impatient(s.Addr())
		},
		"cluster": func() ([]*redistest.Server, *redis.Options) {
			c := redistest.StartCluster(t, 3, nil)
			return c, impatient(c.Addrs()...)
		},
		"sentinel": func() ([]*redistest.Server, *redis.Options) {
			g := redistest.StartSentinel(t, nil)
			opts := impatient(g.Sentinel.Addr())
			opts.Master = redistest.MasterName
			return []*redistest.Server{g.Sentinel}, opts
		},
	} {
		t.Run(name, func(t *testing.T) {
			servers, opts := start()
			for _, s := range servers {
				s.Pause()
			}
			c := openCache(t, opts)
			ctx, cancel := cancelAfter(20 * time.Millisecond)
			defer cancel()
			takes(t, "Set", 20*time.Millisecond+slack, func() {
				wantErr(t, "Set of a silent server", c.Set(ctx, "k", nil, 0), context.Canceled)
			})
			takes(t, "Set", 10*time.Second, func() {
				wantErr(t, "Set of a silent server", c.Set(t.Context(), "k", nil, 0),
					core.ErrUnavailable)
			})
			for _, s := range servers {
				s.Resume()
			}
			eventually(t, "Set succeeds",
				func() bool { return c.Set(t.Context(), "k", []byte("v"), 0) == nil })
			wantValue(t, c, "k", "v")
		})
	}
}

func TestErrorsOfTheServerSayWhatIsWrong(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	t.Run("password", func(t *testing.T) {
		server := redistest.Start(t, &redistest.Options{Password: "right"})
		opts := patient(server.Addr())
		opts.Password = "wrong-secret"
		err := openCache(t, opts).Set(ctx, "k", nil, 0)
		wantErr(t, "Set", err, core.ErrUnavailable)
		if wantText(t, "Set", err, "WRONGPASS"); strings.Contains(err.Error(), "secret") {
			t.Errorf("the error shows the password: %v", err)
		}
		err = openCache(t, patient(server.Addr())).Set(ctx, "k", nil, 0)
		wantErr(t, "Set without a password", err, core.ErrUnavailable)
		wantText(t, "Set without a password", err, "NOAUTH")
	})
	t.Run("certificate", func(t *testing.T) {
		server := redistest.Start(t, &redistest.Options{TLS: true})
		opts := patient(server.Addr())
		opts.TLS = &tls.Config{}
		err := openCache(t, opts).Set(ctx, "k", nil, 0)
		wantErr(t, "Set", err, core.ErrUnavailable)
		wantText(t, "Set", err, "certificate")
	})
	t.Run("out of memory", func(t *testing.T) {
		server := redistest.Start(t, &redistest.Options{Args: []string{"--maxmemory", "4mb",
			"--maxmemory-policy", "noeviction"}})
		c := openCache(t, patient(server.Addr()))
		set(t, c, "n", "1")
		var err error
		for i := 0; err == nil && i < 100; i++ {
			err = c.Set(ctx, fmt.Sprint("k", i), make([]byte, 100<<10), 0)
		}
		wantErr(t, "Set", err, core.ErrUnavailable)
		wantText(t, "Set", err, "OOM")
		server.Do("CONFIG", "SET", "maxmemory", "1mb") // now even a little is too much
		_, err = c.Incr(ctx, "n", 1)
		wantErr(t, "Incr", err, core.ErrUnavailable)
		wantText(t, "Incr", err, "OOM")
		wantValue(t, c, "n", "1")
		wantErr(t, "Touch", c.Touch(ctx, "n", time.Hour), nil)
		wantErr(t, "Flush", c.Flush(ctx), nil)
		server.Do("CONFIG", "SET", "maxmemory", "4mb")
		eventually(t, "there is room again",
			func() bool { return c.Set(ctx, "k", []byte("v"), 0) == nil })
	})
	t.Run("replica", func(t *testing.T) {
		primary := redistest.Start(t, &redistest.Options{
			Args: []string{"--repl-diskless-sync-delay", "0"},
		})
		replica := redistest.Start(t, &redistest.Options{ReplicaOf: primary})
		c := openCache(t, patient(replica.Addr()))
		primary.Do("SET", "k", "1")
		eventually(t, "the replica has the key",
			func() bool { return replica.Do("GET", "k") == "1" })
		for _, v := range verbs {
			if err := v.call(ctx, c, "k"); v.writes {
				wantErr(t, v.name, err, core.ErrUnavailable)
				wantText(t, v.name, err, "replica", "READONLY")
			}
		}
		wantValue(t, c, "k", "1")
	})
	t.Run("busy", func(t *testing.T) {
		server := redistest.Start(t, &redistest.Options{Args: []string{"--lua-time-limit", "5"}})
		c := openCache(t, patient(server.Addr()))
		set(t, c, "k", "v")
		ended := make(chan string)
		go func() { ended <- server.Do("EVAL", "while true do end", "0") }()
		eventually(t, "Get returns that the server is busy", func() bool {
			_, err := c.Get(ctx, "k")
			if err != nil {
				wantErr(t, "Get", err, core.ErrUnavailable)
				wantText(t, "Get", err, "BUSY")
			}
			return err != nil
		})
		server.Do("SCRIPT", "KILL")
		<-ended
		wantValue(t, c, "k", "v")
	})
	t.Run("loading", func(t *testing.T) {
		server := redistest.Start(t, &redistest.Options{Args: []string{
			"--enable-debug-command", "yes", "--key-load-delay", "1000",
			"--loading-process-events-interval-bytes", "1024",
		}})
		c := openCache(t, patient(server.Addr()))
		values := map[string][]byte{}
		for i := range 1000 {
			values[fmt.Sprint("k", i)] = make([]byte, 100)
		}
		wantErr(t, "SetMulti", c.SetMulti(ctx, values, 0), nil)
		ended := make(chan string)
		go func() { ended <- server.Do("DEBUG", "RELOAD") }()
		eventually(t, "Get returns that the server is loading", func() bool {
			_, err := c.Get(ctx, "k1")
			if err != nil {
				wantErr(t, "Get", err, core.ErrUnavailable)
				wantText(t, "Get", err, "LOADING")
			}
			return err != nil
		})
		<-ended
		_, err := c.Get(ctx, "k1")
		wantErr(t, "Get", err, nil)
	})
	t.Run("cluster", func(t *testing.T) {
		cluster := redistest.StartCluster(t, 3, nil)
		c := openCache(t, patient(cluster[0].Addr()))
		err := c.Set(ctx, "foo", nil, 0) // in slot 12182
		wantErr(t, "Set", err, core.ErrUnavailable)
		wantText(t, "Set", err, "cluster=true", "MOVED")
		opts := patient(redistest.Start(t, nil).Addr())
		opts.Cluster = true
		err = openCache(t, opts).Set(ctx, "k", nil, 0)
		wantErr(t, "Set", err, core.ErrUnavailable)
		wantText(t, "Set", err, "without cluster=true")
	})
	t.Run("no FLUSHDB", func(t *testing.T) {
		server := redistest.Start(t, &redistest.Options{Args: []string{"--rename-command",
			"FLUSHDB", ""}})
		c := openCache(t, patient(server.Addr()))
		set(t, c, "a:k", "v")
		err := c.Flush(ctx)
		wantErr(t, "Flush", err, core.ErrUnavailable)
		wantText(t, "Flush", err, "FLUSHDB is refused", "prefix")
		wantErr(t, "Flush with a prefix", must(c.WithPrefix("a:")).Flush(ctx), nil)
		_, err = c.Get(ctx, "a:k")
		wantErr(t, "Get", err, core.ErrMiss)
	})
	t.Run("no scripts", func(t *testing.T) {
		server := redistest.Start(t, &redistest.Options{Args: []string{
			"--rename-command", "EVAL", "", "--rename-command", "EVALSHA", "",
		}})
		c := openCache(t, patient(server.Addr()))
		set(t, c, "n", "1")
		_, err := c.Incr(ctx, "n", 1)
		wantErr(t, "Incr", err, core.ErrUnavailable)
		wantText(t, "Incr", err, "no scripts")
	})
}

func TestAKeyOfAnotherTypeIsAnErrorThatNamesIt(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, nil)
	c := openCache(t, patient(server.Addr()))
	ctx := t.Context()
	set(t, c, "k", "1")
	item, _ := c.GetItem(ctx, "k")
	server.Do("SET", "k", "1")
	bare, _ := c.GetItem(ctx, "k")
	another := func() { server.Do("DEL", "k"); server.Do("LPUSH", "k", "x") }
	another()
	for what, err := range map[string]error{
		"Get":      second(c.Get(ctx, "k")),
		"GetItem":  second(c.GetItem(ctx, "k")),
		"GetMulti": keyError(second(c.GetMulti(ctx, []string{"absent", "k"})), "k"),
		"Count":    second(c.Count(ctx, "k")),
	} {
		wantErr(t, what, err, core.ErrCodec)
		wantText(t, what, err, "another type", "WRONGTYPE")
	}
	if there, err := c.Exists(ctx, "k"); !there || err != nil {
		t.Errorf("Exists: %v, %v", there, err)
	}
	for what, err := range map[string]error{
		"Incr": second(c.Incr(ctx, "k", 1)), "IncrFrom": second(c.IncrFrom(ctx, "k", 1, 1, 0)),
	} {
		wantErr(t, what, err, core.ErrNotNumber)
		wantText(t, what, err, "WRONGTYPE")
	}
	for _, item := range []core.Item{item, bare} {
		wantErr(t, "CompareAndSwap", c.CompareAndSwap(ctx, item), core.ErrConflict)
		wantErr(t, "CompareAndDelete", keyError(c.StoreMulti(ctx, core.CompareAndDelete,
			[]core.Item{item}), "k"), core.ErrConflict)
	}
	wantErr(t, "Add", c.Add(ctx, "k", nil, 0), core.ErrExists)
	wantErr(t, "Touch", c.Touch(ctx, "k", time.Hour), nil)
	_, err := c.TTL(ctx, "k")
	wantErr(t, "TTL", err, nil)
	wantErr(t, "Replace", c.Replace(ctx, "k", []byte("v"), 0), nil)
	wantValue(t, c, "k", "v")
	another()
	wantErr(t, "Delete", c.Delete(ctx, "k"), nil)
}

// The commands that the documentation of the package names are enough, and so are the
// categories.
func TestTheDocumentedPermissionsAreEnough(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, nil)
	for name, rule := range map[string]string{
		"commands": "+get +set +unlink +pexpire +pttl +persist +exists +getrange +eval +evalsha " +
			"+scan +flushdb +ping +info +dbsize +hello +auth +select",
		"categories": "+@read +@write +@scripting +@connection +info",
	} {
		t.Run(name, func(t *testing.T) {
			user := []string{"ACL", "SETUSER", name, "on", ">secret", "~app:*", "-@all"}
			if got := server.Do(append(user, strings.Fields(rule)...)...); got != "OK" {
				t.Fatal(got)
			}
			opts := patient(server.Addr())
			opts.Username, opts.Password = name, "secret"
			opts.DB = 1
			root := openCache(t, opts)
			c := must(root.WithPrefix("app:"))
			for _, v := range verbs {
				set(t, c, "k", "1")
				wantErr(t, v.name, v.call(t.Context(), c, "k"), nil)
			}
			set(t, c, "k", "1")
			item, err := c.GetItem(t.Context(), "k")
			wantErr(t, "GetItem", err, nil)
			wantErr(t, "CompareAndSwap", c.CompareAndSwap(t.Context(), item), nil)
			wantErr(t, "Flush of everything", root.Flush(t.Context()), nil)
			err = root.Set(t.Context(), "other", nil, 0)
			wantErr(t, "Set of another key", err, core.ErrUnavailable)
			wantText(t, "Set of another key", err, "NOPERM")
		})
	}
}
