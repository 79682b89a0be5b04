package memcache

import (
	"cmp"
	"crypto/md5"
	"encoding/binary"
	"math"
	"slices"
	"strconv"
)

const (
	ketamaPoints   = 100 // for each server, with one-at-a-time
	weightedPoints = 160 // for a server of mean weight, with MD5
	pointsPerMD5   = 4
)

// A ring is the continuum of libmemcached: points, sorted. A key belongs to the first point
// that is not below the hash of the key. If there is none, it belongs to the first point of
// the ring.
type ring []point

type point struct{ hash, server uint32 }

func newRing(servers []Server, addresses []address, weighted bool) ring {
	var total uint64
	for _, server := range servers {
		total += uint64(server.Weight)
	}
	var points ring
	for i := range servers {
		text := addresses[i].pointText()
		if !weighted {
			for n := range ketamaPoints {
				hash := oneAtATime(string(strconv.AppendInt(text, int64(n), 10)))
				points = append(points, point{hash, uint32(i)})
			}
			continue
		}
		for n := range digestCount(servers[i].Weight, total, len(servers)) {
			sum := md5.Sum(strconv.AppendInt(text, int64(n), 10))
			for word := range pointsPerMD5 {
				hash := binary.LittleEndian.Uint32(sum[4*word:])
				points = append(points, point{hash, uint32(i)})
			}
		}
	}
	slices.SortFunc(points, func(a, b point) int {
		return cmp.Or(cmp.Compare(a.hash, b.hash), cmp.Compare(a.server, b.server))
	})
	return points
}

// pointText returns the text that libmemcached hashes for a point of a server, without the
// number at its end.
func (a address) pointText() []byte {
	text := []byte(a.host)
	if a.port != defaultPort {
		text = append(text, ':')
		text = strconv.AppendUint(text, uint64(a.port), 10)
	}
	return append(text, '-')
}

// digestCount returns how many MD5 digests a server of this weight has on the ring. Each step
// is rounded to a float32, as in libmemcached: with more precision some servers would have
// one digest more or less.
func digestCount(weight int, total uint64, servers int) int {
	share := float32(weight) / float32(total)
	mean := float32(share*weightedPoints) / pointsPerMD5
	return int(math.Floor(float64(float32(mean*float32(servers)) + 1e-10)))
}

// pick returns the server that hash belongs to. If it is dead, pick returns the server of the
// next point whose server is not dead, or -1 if there is none.
func (r ring) pick(hash uint32, dead func(server int) bool) int {
	first, _ := slices.BinarySearchFunc(r, hash, func(p point, hash uint32) int {
		return cmp.Compare(p.hash, hash)
	})
	if first == len(r) {
		first = 0
	}
	if dead == nil {
		return int(r[first].server)
	}
	for i := range r {
		if server := int(r[(first+i)%len(r)].server); !dead(server) {
			return server
		}
	}
	return -1
}

// oneAtATime returns Jenkins's one-at-a-time hash as libmemcached computes it: bytes from
// 0x80 up count as negative.
func oneAtATime(text string) uint32 {
	var h uint32
	for i := range len(text) {
		h += uint32(int8(text[i]))
		h += h << 10
		h ^= h >> 6
	}
	h += h << 3
	h ^= h >> 11
	h += h << 15
	return h
}

// md5Hash returns the first four bytes of the MD5 digest of text, as a little-endian number.
func md5Hash(text string) uint32 {
	var buf [256]byte // a key of memcached has at most 250 bytes
	sum := md5.Sum(append(buf[:0], text...))
	return binary.LittleEndian.Uint32(sum[:])
}
