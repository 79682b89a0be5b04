package memcache

import "time"

const (
	// verbCost is roughly the processor time of one verb, in this program and in the server.
	// It is worth sending several requests at once only if the server is so far away that the
	// processors would otherwise be idle.
	verbCost = 20 * time.Microsecond

	// readCost is roughly the time that each key of a read of many keys adds to it.
	readCost = time.Microsecond

	// window is how long a short time of a verb is remembered.
	window = time.Second
)

// A distance is an estimate of the time of a verb on a server that is not busy: the shortest
// time in the last one or two seconds. On a busy machine most verbs take longer.
type distance struct {
	since             time.Time // the beginning of the present window
	present, previous time.Duration
}

// note records that a verb took so long and has just ended.
func (d *distance) note(took time.Duration, now time.Time) {
	if now.Sub(d.since) > window {
		d.since, d.previous, d.present = now, d.present, took
	}
	d.present = min(d.present, took)
}

// shortest returns the estimate, or 0 if there is none.
func (d *distance) shortest() time.Duration {
	if d.previous == 0 {
		return d.present
	}
	return min(d.present, d.previous)
}

// requests returns how many requests it is worth sending at once. took is the time of the
// last verb. It counts if it is very long, because the server may just have moved.
func (d *distance) requests(took time.Duration) int {
	const veryLong = 25
	return int(max(d.shortest(), took/veryLong) / verbCost)
}
