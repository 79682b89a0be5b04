package memory

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
)

// removals call Options.OnRemove. Items that were removed wait in a queue. A goroutine takes
// them from there; it runs only while there are some.
type removals struct {
	onRemove func(Item, Reason) // nil if there is nothing to call

	mu       sync.Mutex // guards the fields below; taken while the lock of a shard is held
	queue    []removal
	bytes    int64  // of the items that wait, without those that a Flush may add at will
	flushed  int    // how many tables wait that a Flush has added at will
	lost     uint64 // items for which there was no room
	running  bool   // whether the goroutine runs
	closed   bool
	finished sync.Cond // the goroutine has ended

	// The goroutine alone uses these fields.
	batch    []removal // taken from the queue
	next     int       // the index in batch of the next removal
	panicked bool      // a panic was logged
}

// A removal is an entry that was removed, or the table of a shard that was flushed.
type removal struct {
	entry  *entry // nil if table is set
	table  *table
	items  int // how many
	bytes  int64
	atWill bool // counted in removals.flushed, not in removals.bytes
	reason Reason
}

func (r *removals) init(onRemove func(Item, Reason)) {
	r.onRemove = onRemove
	r.finished.L = &r.mu
}

// maxWaiting is how many bytes of items may wait for OnRemove.
const maxWaiting = 16 << 20

// add adds rm. The caller holds the lock of the shard, so that the removals of a key are in
// order.
func (r *removals) add(rm removal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.closed:
		r.lost += uint64(rm.items)
		return
	case rm.atWill:
		r.flushed++
	case r.bytes > 0 && rm.bytes > maxWaiting-r.bytes:
		r.lost += uint64(rm.items)
		return
	default:
		r.bytes += rm.bytes
	}
	r.queue = append(r.queue, rm)
	if !r.running {
		r.running = true
		go r.run()
	}
}

// size returns about how many bytes e keeps in memory.
func (e *entry) size() int64 {
	size := int64(boxedEntrySize + e.keyLen() + e.valueSize())
	switch e.kind() {
	case large:
		size += int64(len(e.boxed().value))
	case shared:
		size += e.boxed().weight
	}
	return size
}

// size returns about how many bytes the entries keep in memory.
func (t *table) size() (bytes int64) {
	for e := range t.all {
		bytes += e.size()
	}
	return bytes
}

// mayFlush reports whether a Flush may add all of its tables, however large they are. That keeps
// the memory in bounds if it is allowed to one Flush at a time.
func (r *removals) mayFlush() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.flushed == 0
}

// run calls onRemove with what is in the queue, until the queue is empty.
func (r *removals) run() {
	ended := false
	defer func() {
		if !ended { // onRemove called runtime.Goexit
			go r.run()
		}
	}()
	for r.fetch() {
		for r.next < len(r.batch) {
			rm := r.batch[r.next]
			r.batch[r.next] = removal{}
			r.next++
			r.deliver(rm)
		}
	}
	ended = true
}

// fetch makes the queue the next batch. If it is empty, fetch returns false, and the goroutine
// must end.
func (r *removals) fetch() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.next < len(r.batch) {
		return true
	}
	r.batch, r.queue, r.next = r.queue, r.batch[:0], 0
	if len(r.batch) > 0 {
		return true
	}
	r.batch, r.queue = nil, nil
	r.running = false
	r.finished.Broadcast()
	return false
}

// deliver calls onRemove with the items of rm, which wait no longer then.
func (r *removals) deliver(rm removal) {
	left := rm.items
	defer func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.lost += uint64(left) // not 0 only if onRemove called runtime.Goexit
		if rm.atWill {
			r.flushed--
		} else {
			r.bytes -= rm.bytes
		}
	}()
	if rm.table == nil {
		left = 0
		r.call(rm.entry, rm.reason)
		return
	}
	for e := range rm.table.all {
		left--
		r.call(e, rm.reason)
	}
}

// call calls onRemove. It logs the first panic.
func (r *removals) call(e *entry, reason Reason) {
	defer func() {
		p := recover()
		if p == nil || r.panicked {
			return
		}
		r.panicked = true
		defer func() { _ = recover() }() // slog's handler may panic, too
		slog.LogAttrs(context.Background(), slog.LevelError,
			"cachewire: memory: OnRemove panicked; its later panics are not logged",
			slog.String("panic", fmt.Sprint(p)), slog.String("stack", string(debug.Stack())))
	}()
	item := e.describe()
	item.Token = nil
	r.onRemove(item, reason)
}

// close waits until onRemove was called with all that is in the queue. It is not called
// afterwards.
func (r *removals) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	for r.running {
		r.finished.Wait()
	}
}

// lostCount returns how many items were lost.
func (r *removals) lostCount() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lost
}
