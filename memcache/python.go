package memcache

import (
	"hash/crc32"
	"slices"
	"strconv"
	"unsafe"
)

// pythonTries is how many buckets python-memcached looks at for a server that is
// not dead.
const pythonTries = 10

// buckets are those of python-memcached, in which a server stands as often as its
// weight: up to which bucket each server reaches.
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

func (b buckets) at(hash uint32) int {
	bucket := uint64(hash) % b[len(b)-1]
	server, _ := slices.BinarySearch(b, bucket+1)
	return server
}

// pick answers the server of key, or if it is dead the first living one that
// python-memcached finds by hashing the hash and the number of the try. Where that
// client gives up, pick answers the last one found, which is dead.
func (b buckets) pick(key string, dead func(server int) bool) int {
	hash := pythonHash(key)
	server := b.at(hash)
	if dead == nil {
		return server
	}
	for try := 0; try < pythonTries-1 && dead(server); try++ {
		hash = pythonRehash(hash, try)
		server = b.at(hash)
	}
	return server
}

func pythonHash(text string) uint32 { return to15Bits(crc32IEEE(text)) }

// pythonRehash hashes the text of hash with that of try behind it.
func pythonRehash(hash uint32, try int) uint32 {
	var onStack [16]byte
	text := strconv.AppendUint(onStack[:0], uint64(hash), 10)
	text = strconv.AppendInt(text, int64(try), 10)
	// Not crc32.ChecksumIEEE, whose argument goes to the heap.
	crc := ^uint32(0)
	for _, c := range text {
		crc = crc32.IEEETable[byte(crc)^c] ^ crc>>8
	}
	return to15Bits(^crc)
}

func to15Bits(crc uint32) uint32 { return max(crc>>16&0x7fff, 1) }

// crc32IEEE is crc32.ChecksumIEEE of a string, which would be copied to the heap
// for that if it were converted.
func crc32IEEE(text string) uint32 {
	return crc32.ChecksumIEEE(unsafe.Slice(unsafe.StringData(text), len(text))) // which only reads
}
