package memcachepooled

import (
	"encoding/binary"
	"fmt"

	"github.com/cachewire/cachewire/memcache"
)

// The binary protocol of memcached, from its doc/protocol-binary.txt. A request and a reply
// have a header, and a body of extras, key and value.
const (
	headerLen = 24
	flagsLen  = 4 // the extras of a reply to a read
	countLen  = 8 // the value of a reply to a counter verb
)

const (
	opGet     = 0x00
	opReplace = 0x03
	opIncr    = 0x05
	opDecr    = 0x06
	opNoop    = 0x0a
	opGetKQ   = 0x0d // there is no reply if the key is absent
	opTouch   = 0x1c
)

const (
	statusOK        = 0x00
	statusNotFound  = 0x01
	statusExists    = 0x02
	statusTooLarge  = 0x03
	statusNotStored = 0x05
	statusNotNumber = 0x06
)

// longestText is the length in bytes of the longest body of a reply that is not a value.
const longestText = 1 << 10

// A header is the header of a request or a reply.
type header []byte

func (h header) isReply() bool   { return h[0] == 0x81 }
func (h header) opcode() byte    { return h[1] }
func (h header) keyLen() int     { return int(binary.BigEndian.Uint16(h[2:])) }
func (h header) extrasLen() int  { return int(h[4]) }
func (h header) status() int     { return int(binary.BigEndian.Uint16(h[6:])) }
func (h header) bodyLen() int64  { return int64(binary.BigEndian.Uint32(h[8:])) }
func (h header) number() uint32  { return binary.BigEndian.Uint32(h[12:]) } // the opaque field
func (h header) valueLen() int64 { return h.bodyLen() - int64(h.extrasLen()+h.keyLen()) }

// An invalidReply describes a reply that cannot belong to the request. After it, the connection
// must not be used: it is unknown which bytes may still arrive.
type invalidReply string

func (e invalidReply) Error() string { return string(e) }

// checkReply returns an invalidReply if h cannot be the header of a reply to a request with
// opcode.
func (h header) checkReply(opcode byte) error {
	var ok bool
	switch {
	case !h.isReply() || h.opcode() != opcode || h.valueLen() < 0:
	case h.status() != statusOK:
		ok = opcode != opGetKQ && h.bodyLen() <= longestText
	case opcode == opGet:
		ok = h.extrasLen() == flagsLen && h.keyLen() == 0 && h.valueLen() <= memcache.MaxValue
	case opcode == opGetKQ:
		ok = h.extrasLen() == flagsLen && h.valueLen() <= memcache.MaxValue
	case opcode == opIncr, opcode == opDecr:
		ok = h.bodyLen() == countLen && h.valueLen() == countLen
	default:
		ok = h.bodyLen() <= longestText
	}
	if !ok {
		return invalidReply(fmt.Sprintf("the reply to command %#02x begins with %q", opcode, h[:]))
	}
	return nil
}
