package memcachemeta

// A queue is a first-in-first-out list of calls. The zero value is empty.
type queue struct {
	ring  []*call // a power of two of them
	first int     // the index of the first one
	n     int
}

func (q *queue) len() int { return q.n }

// at returns the call with i calls before it.
func (q *queue) at(i int) *call { return q.ring[(q.first+i)&(len(q.ring)-1)] }

func (q *queue) push(k *call) {
	if q.n == len(q.ring) {
		grown := make([]*call, max(16, 2*len(q.ring)))
		for i := range q.n {
			grown[i] = q.at(i)
		}
		q.ring, q.first = grown, 0
	}
	q.ring[(q.first+q.n)&(len(q.ring)-1)] = k
	q.n++
}

// pop removes the first call and returns it.
func (q *queue) pop() *call {
	k := q.ring[q.first]
	q.ring[q.first] = nil
	q.first = (q.first + 1) & (len(q.ring) - 1)
	q.n--
	return k
}
