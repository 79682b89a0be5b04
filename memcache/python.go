package memcache

import (
	"hash/crc32"
	"slices"
	"strconv"
	"unsafe"
)

// pythonTries is the number of buckets in which python-memcached looks for a server that is
// not dead.
const pythonTries = 10

// buckets are the buckets of python-memcached, in which each server has as many as its
// weight. The element of a server is the number of buckets up to and including its own.
type buckets []uint64

func newBuckets(servers []Server) buckets {
	ends := make(buckets, len(servers))
	var end uint64
	for i, server := range servers {
		end += uint64(server.Weight)
		ends[i] = end
	}
	return ends
}

// serverOf returns the server in the bucket of hash.
func (b buckets) serverOf(hash uint32) int {
	bucket := uint64(hash) % b[len(b)-1]
	server, _ := slices.BinarySearch(b, bucket+1)
	return server
}

// pick returns the server of key. If it is dead, pick hashes again as python-memcached does,
// and returns the first server it finds that is not dead. If it finds none in pythonTries, it
// returns the server of the last try, which is dead.
func (b buckets) pick(key string, dead func(server int) bool) int {
	hash := pythonHash(key)
	server := b.serverOf(hash)
	if dead == nil {
		return server
	}
	for try := 0; try < pythonTries-1 && dead(server); try++ {
		hash = pythonRehash(hash, try)
		server = b.serverOf(hash)
	}
	return server
}

func pythonHash(text string) uint32 { return to15Bits(crc32IEEE(text)) }

// pythonRehash returns the hash of the digits of hash followed by the digits of try.
func pythonRehash(hash uint32, try int) uint32 {
	var buf [16]byte
	text := strconv.AppendUint(buf[:0], uint64(hash), 10)
	text = strconv.AppendInt(text, int64(try), 10)
	// Not crc32.ChecksumIEEE, because its argument escapes to the heap.
	crc := ^uint32(0)
	for _, c := range text {
		crc = crc32.IEEETable[byte(crc)^c] ^ crc>>8
	}
	return to15Bits(^crc)
}

func to15Bits(crc uint32) uint32 { return max(crc>>16&0x7fff, 1) }

// crc32IEEE is crc32.ChecksumIEEE of a string. It does not convert the string to a slice,
// which would copy it to the heap. ChecksumIEEE only reads its argument.
func crc32IEEE(text string) uint32 {
	return crc32.ChecksumIEEE(unsafe.Slice(unsafe.StringData(text), len(text)))
}
