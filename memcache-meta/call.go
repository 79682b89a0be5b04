package memcachemeta

import (
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memcache"
)

// A verb says which request a call sends.
type verb uint8

const (
	verbGet verb = iota // mg: the value
	verbGetItem
	verbGetItemTTL // mg: the item with the time that it has left to live
	verbTTL
	verbTouch
	verbStore
	verbDelete
	verbIncr
	verbDecr
	verbFlush
	verbPing
)

// replies says which codes may be the reply to a verb, and what the reply must have if it is HD
// or VA.
var replies = [...]struct {
	codes  code
	fields field
}{
	verbGet:        {codeVA | codeEN, fieldOpaque},
	verbGetItem:    {codeVA | codeEN, fieldOpaque | fieldFlags | fieldCAS},
	verbGetItemTTL: {codeVA | codeEN, fieldOpaque | fieldFlags | fieldCAS | fieldTTL},
	verbTTL:        {codeHD | codeEN, fieldOpaque | fieldTTL},
	verbTouch:      {codeHD | codeEN, fieldOpaque},
	verbStore:      {codeHD | codeNS | codeEX | codeNF, fieldOpaque},
	verbDelete:     {codeHD | codeEX | codeNF, fieldOpaque},
	verbIncr:       {codeVA | codeNF, fieldOpaque},
	verbDecr:       {codeVA | codeNF, fieldOpaque},
	verbFlush:      {codeOK, 0},
	verbPing:       {codeMN, 0},
}

// reads reports whether v changes nothing, so that it may be sent again.
func (v verb) reads() bool { return v <= verbTTL || v == verbPing }

// A request is one request of a call.
type request struct {
	key     string // encoded
	value   []byte // of verbStore; only read before the request is queued
	flags   uint32
	expiry  int32  // of verbStore and verbTouch
	cas     uint64 // of verbStore and verbDelete; 0 is no condition
	delta   uint64
	refused bool // whether it is not sent, because the server would refuse it
}

// A call is the requests of one verb, or of a part of a multi verb, and their replies. Its
// goroutine makes it, and owns it again once it is done; see conn for what is in between.
type call struct {
	verb     verb
	mode     core.Mode
	requests []request
	replies  []reply // of requests; those that have arrived are replies[:got]
	wake     chan struct{}

	// one and oneReply are the memory for a call with a single request.
	one      [1]request
	oneReply [1]reply

	// These fields are guarded by conn.mu while the call is queued.
	got       int
	gets      int    // while the reply to gets is read: the next key that it may have
	inGets    bool   // whether the reply to gets is being read
	opaque    uint32 // of the first request
	start     time.Time
	begin     uint64 // where its bytes begin among all that the connection sends
	size      int    // the number of its bytes
	done      bool   // whether all replies have arrived, or the connection has failed
	abandoned bool   // whether its goroutine has left, because its context was done
	unsent    bool   // with err: no byte of it was sent
	err       error  // why the connection has failed
}

var calls = sync.Pool{New: func() any { return &call{wake: make(chan struct{}, 1)} }}

// newCall returns a call with n requests. If n is 1, the request is there, and zero; else the
// caller sets requests.
func newCall(v verb, n int) *call {
	k := calls.Get().(*call)
	k.verb = v
	if n == 1 {
		k.requests, k.replies = k.one[:], k.oneReply[:]
	} else {
		k.replies = make([]reply, n)
	}
	return k
}

// free makes k available to newCall. Nothing may refer to it.
func (k *call) free() {
	*k = call{wake: k.wake}
	calls.Put(k)
}

// reset prepares k to be sent again.
func (k *call) reset() {
	clear(k.replies)
	k.got, k.done, k.unsent, k.err = 0, false, false, nil
}

// useGets reports whether all keys but the last are requested by gets, which costs the server
// half of as many mg.
func (k *call) useGets() bool { return k.verb == verbGetItem && len(k.requests) > 1 }

// accept takes a reply for k, and reports whether it was the last one. The error is that of a
// reply that cannot be one to k. If strict is false, the server does not return the opaque with
// EN, as memcached before 1.6.18.
func (k *call) accept(r *reply, strict bool) (last bool, err error) {
	if k.inGets {
		return false, k.acceptGets(r)
	}
	if r.code != codeError {
		want := replies[k.verb]
		if r.code&want.codes == 0 {
			return false, invalid("the code of the reply is one of another request")
		}
		switch {
		case r.has&fieldOpaque != 0:
			if r.opaque != k.opaque+uint32(k.got) {
				return false, invalid("the reply has the opaque of another request")
			}
		case want.fields&fieldOpaque != 0 && (r.code != codeEN || strict):
			return false, invalid("the reply has no opaque")
		}
		if r.code&(codeHD|codeVA) != 0 && r.has&want.fields != want.fields {
			return false, invalid("the reply lacks a flag that was requested")
		}
	}
	k.replies[k.got] = *r
	k.got++
	k.skip()
	return k.got == len(k.replies), nil
}

// skip moves got beyond requests that were refused.
func (k *call) skip() {
	for k.got < len(k.requests) && k.requests[k.got].refused {
		k.got++
	}
}

// fit gives the requests that the server would refuse as too large their replies. It returns
// false if no other is left.
func (k *call) fit(itemMax int) bool {
	if k.verb != verbStore {
		return true
	}
	left := false
	for i := range k.requests {
		r := &k.requests[i]
		if r.refused = !fits(r, itemMax); r.refused {
			k.replies[i] = reply{code: codeError, err: &memcache.ReplyError{
				Sentinel: core.ErrTooLarge,
				Text: fmt.Sprintf("a value of %d bytes under a key of %d does not fit in the "+
					"%d bytes of an item", len(r.value), len(r.key), itemMax),
			}}
		}
		left = left || !r.refused
	}
	return left
}

// acceptGets takes a part of the reply to gets. The server sends the items in the order of the
// keys. The mg of the last key, whose reply has an opaque, shows that the reply to gets was not
// one to an earlier request.
func (k *call) acceptGets(r *reply) error {
	last := len(k.requests) - 1
	switch r.code {
	case codeVALUE:
		for ; k.gets < last; k.gets++ {
			if k.requests[k.gets].key == string(r.key) {
				r.key = nil
				k.replies[k.gets] = *r
				k.gets++
				return nil
			}
			k.replies[k.gets].code = codeEN
		}
		return invalid("the reply has an item with another key than those requested")
	case codeEND, codeError:
		for ; k.gets < last; k.gets++ {
			k.replies[k.gets] = reply{code: codeEN}
			if r.code == codeError {
				k.replies[k.gets] = *r
			}
		}
		k.inGets, k.got = false, last
		return nil
	}
	return invalid("the reply to gets has another code")
}

// append appends the requests of k to b, in the form of protocol.txt. The caller has set opaque.
func (k *call) append(b []byte) []byte {
	requests, opaque := k.requests, k.opaque
	if k.inGets = k.useGets(); k.inGets {
		k.gets = 0
		last := len(requests) - 1
		b = append(b, "gets"...)
		for i := range requests[:last] {
			b = append(append(b, ' '), requests[i].key...)
		}
		b = append(b, "\r\n"...)
		requests, opaque = requests[last:], opaque+uint32(last)
	}
	for i := range requests {
		if !requests[i].refused {
			b = k.appendOne(b, &requests[i], opaque+uint32(i))
		}
	}
	k.skip()
	return b
}

func (k *call) appendOne(b []byte, r *request, opaque uint32) []byte {
	switch k.verb {
	case verbFlush:
		return append(b, "flush_all\r\n"...)
	case verbPing:
		return append(b, "mn\r\n"...)
	case verbGet:
		b = append(appendKey(b, "mg ", r.key), " v"...)
	case verbGetItem:
		b = append(appendKey(b, "mg ", r.key), " v f c"...)
	case verbGetItemTTL:
		b = append(appendKey(b, "mg ", r.key), " v f c t"...)
	case verbTTL:
		b = append(appendKey(b, "mg ", r.key), " t"...)
	case verbTouch:
		b = strconv.AppendInt(append(appendKey(b, "mg ", r.key), " T"...), int64(r.expiry), 10)
	case verbStore:
		b = k.appendStore(b, r)
	case verbDelete:
		b = appendCAS(appendKey(b, "md ", r.key), r.cas)
	case verbIncr:
		b = strconv.AppendUint(append(appendKey(b, "ma ", r.key), " v D"...), r.delta, 10)
	case verbDecr:
		b = strconv.AppendUint(append(appendKey(b, "ma ", r.key), " v MD D"...), r.delta, 10)
	}
	b = strconv.AppendUint(append(b, " O"...), uint64(opaque), 10)
	b = append(b, "\r\n"...)
	if k.verb == verbStore {
		b = append(append(b, r.value...), "\r\n"...)
	}
	return b
}

func (k *call) appendStore(b []byte, r *request) []byte {
	b = strconv.AppendInt(append(appendKey(b, "ms ", r.key), ' '), int64(len(r.value)), 10)
	if r.expiry != 0 {
		b = strconv.AppendInt(append(b, " T"...), int64(r.expiry), 10)
	}
	if r.flags != 0 {
		b = strconv.AppendUint(append(b, " F"...), uint64(r.flags), 10)
	}
	switch k.mode {
	case core.Add:
		b = append(b, " ME"...)
	case core.Replace:
		b = append(b, " MR"...)
	}
	return appendCAS(b, r.cas)
}

func appendKey(b []byte, command, key string) []byte {
	return append(append(b, command...), key...)
}

func appendCAS(b []byte, cas uint64) []byte {
	if cas == 0 {
		return b
	}
	return strconv.AppendUint(append(b, " C"...), cas, 10)
}
