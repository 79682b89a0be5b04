package strangers_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"iter"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/cachewire/cachewire/conformance"
	"github.com/cachewire/cachewire/core"
)

// A boltBackend keeps items in a file. A record is, in this order: a sequence number, which
// is the token, the second and the nanosecond at which the item expires, or 0, its flags,
// the length of its key, the key and the value. bbolt accepts keys of up to 32 KiB. The
// record of a longer key is stored under the hash of the key.
type boltBackend struct {
	db *bbolt.DB
}

const boltHeader = 8 + 8 + 4 + 4 + 4

// A boltToken is the sequence number of a record. The pointer tells backends apart.
type boltToken struct {
	backend *boltBackend
	seq     uint64
}

var bucketName = []byte("cache")

func newBolt(path string) (*boltBackend, error) {
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{NoSync: true, Timeout: time.Second})
	if err != nil {
		return nil, err
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucketIfNotExists(bucketName)
		return err
	})
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &boltBackend{db}, nil
}

func boltKey(key string) []byte {
	if len(key) < bbolt.MaxKeySize {
		return append([]byte{'k'}, key...)
	}
	sum := sha256.Sum256([]byte(key))
	return append([]byte{'h'}, sum[:]...)
}

func decode(b []byte) (key string, seq uint64, e *entry) {
	if b == nil {
		return "", 0, nil
	}
	u32, u64 := binary.BigEndian.Uint32, binary.BigEndian.Uint64
	value := boltHeader + int(u32(b[24:]))
	key = string(b[boltHeader:value])
	e = &entry{flags: u32(b[20:]), value: bytes.Clone(b[value:])}
	if at := int64(u64(b[8:])); at != 0 {
		e.expires = time.Unix(at, int64(u32(b[16:])))
	}
	if e.expired(time.Now()) {
		return "", 0, nil
	}
	return key, u64(b), e
}

func encode(key string, seq uint64, e *entry) []byte {
	b := make([]byte, 0, boltHeader+len(key)+len(e.value))
	b = binary.BigEndian.AppendUint64(b, seq)
	if e.expires.IsZero() {
		b = append(b, make([]byte, 12)...)
	} else {
		b = binary.BigEndian.AppendUint64(b, uint64(e.expires.Unix()))
		b = binary.BigEndian.AppendUint32(b, uint32(e.expires.Nanosecond()))
	}
	b = binary.BigEndian.AppendUint32(b, e.flags)
	b = binary.BigEndian.AppendUint32(b, uint32(len(key)))
	return append(append(b, key...), e.value...)
}

func (b *boltBackend) read(key string) (seq uint64, e *entry, err error) {
	err = b.db.View(func(tx *bbolt.Tx) error {
		_, seq, e = decode(tx.Bucket(bucketName).Get(boltKey(key)))
		return nil
	})
	if err == nil && e == nil {
		err = core.ErrMiss
	}
	return seq, e, err
}

func (b *boltBackend) GetItem(_ context.Context, key string) (core.Item, error) {
	seq, e, err := b.read(key)
	if err != nil {
		return core.Item{}, err
	}
	return core.Item{Value: e.value, Flags: e.flags, Token: &boltToken{b, seq}}, nil
}

// update changes the entry under key in one transaction. Change returns nil to delete it.
func (b *boltBackend) update(
	key string,
	change func(seq uint64, old *entry) (*entry, error),
) error {
	return b.db.Update(func(tx *bbolt.Tx) error { return updateIn(tx, key, change) })
}

func updateIn(tx *bbolt.Tx, key string, change func(seq uint64, old *entry) (*entry, error)) error {
	bucket := tx.Bucket(bucketName)
	k := boltKey(key)
	_, seq, old := decode(bucket.Get(k))
	e, err := change(seq, old)
	switch {
	case err != nil:
		return err
	case e == nil:
		return bucket.Delete(k)
	}
	next, err := bucket.NextSequence()
	if err != nil {
		return err
	}
	return bucket.Put(k, encode(key, next, e))
}

func (b *boltBackend) Store(_ context.Context, mode core.Mode, item core.Item) error {
	return b.update(item.Key, func(seq uint64, old *entry) (*entry, error) {
		return store(mode, item, old, b.made(item.Token, seq))
	})
}

func (b *boltBackend) made(token any, seq uint64) bool {
	t, ok := token.(*boltToken)
	return ok && t != nil && *t == boltToken{b, seq}
}

// StoreMulti stores all items in one transaction. Items that fail change nothing in it.
func (b *boltBackend) StoreMulti(_ context.Context, mode core.Mode, items []core.Item) error {
	var failed core.MultiError
	err := b.db.Update(func(tx *bbolt.Tx) error {
		for _, item := range items {
			failed.Add(
				item.Key,
				updateIn(tx, item.Key, func(seq uint64, old *entry) (*entry, error) {
					return store(mode, item, old, b.made(item.Token, seq))
				}),
			)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return failed.Err()
}

func (b *boltBackend) Delete(_ context.Context, key string) error {
	return b.update(key, func(_ uint64, old *entry) (*entry, error) {
		if old == nil {
			return nil, core.ErrMiss
		}
		return nil, nil
	})
}

func (b *boltBackend) count(key string, change func(n uint64) uint64) (n uint64, err error) {
	err = b.update(key, func(_ uint64, old *entry) (e *entry, err error) {
		e, n, err = count(old, change)
		return e, err
	})
	return n, err
}

func (b *boltBackend) Incr(_ context.Context, key string, delta uint64) (uint64, error) {
	return b.count(key, func(n uint64) uint64 { return n + delta })
}

func (b *boltBackend) Decr(_ context.Context, key string, delta uint64) (uint64, error) {
	return b.count(key, func(n uint64) uint64 { return n - min(n, delta) })
}

func (b *boltBackend) Touch(_ context.Context, key string, ttl time.Duration) error {
	return b.update(key, func(_ uint64, old *entry) (*entry, error) { return touch(old, ttl) })
}

func (b *boltBackend) TTL(_ context.Context, key string) (time.Duration, error) {
	_, e, err := b.read(key)
	if err != nil {
		return 0, err
	}
	return e.left(), nil
}

func (b *boltBackend) Flush(context.Context) error {
	return b.db.Update(func(tx *bbolt.Tx) error {
		bucket := tx.Bucket(bucketName)
		seq := bucket.Sequence() // tokens from before must not come back
		if err := tx.DeleteBucket(bucketName); err != nil {
			return err
		}
		bucket, err := tx.CreateBucket(bucketName)
		if err != nil {
			return err
		}
		return bucket.SetSequence(seq)
	})
}

// Keys reads pages of 1,000 records, each in its own transaction, so that the loop over
// Keys may write.
func (b *boltBackend) Keys(ctx context.Context, prefix string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for next := []byte{}; next != nil; {
			if err := ctx.Err(); err != nil {
				yield("", err)
				return
			}
			var keys []string
			err := b.db.View(func(tx *bbolt.Tx) error {
				c := tx.Bucket(bucketName).Cursor()
				k, v := c.Seek(next)
				for n := 0; k != nil && n < 1000; n++ {
					if key, _, e := decode(v); e != nil && strings.HasPrefix(key, prefix) {
						keys = append(keys, key)
					}
					k, v = c.Next()
				}
				next = bytes.Clone(k)
				return nil
			})
			if err != nil {
				yield("", err)
				return
			}
			for _, key := range keys {
				if !yield(key, nil) {
					return
				}
			}
		}
	}
}

func (b *boltBackend) Close() error { return b.db.Close() }

func TestBoltPasses(t *testing.T) {
	t.Parallel()
	conformance.Run(t, conformance.Config{
		New: func(t testing.TB) core.Backend {
			b, err := newBolt(filepath.Join(t.TempDir(), "cache.db"))
			if err != nil {
				t.Fatal(err)
			}
			return b
		},
		Parallel: true,
	})
}
