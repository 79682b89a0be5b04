package memcache

import "time"

const (
	// verbCost is about the time that one verb takes of a processor, in this program and in
	// the server. Requests that are sent while others are under way are worth their while only
	// if the server is so far away that the processors would otherwise have nothing to do.
	verbCost = 20 * time.Microsecond

	// readCost is about the time that each key of a read of many keys adds to it.
	readCost = time.Microsecond

	// window is how long a short time of a verb is remembered.
	window = time.Second
)

// A distance is an estimate of the time of a verb on a server that is not busy: the shortest
// of the last one or two seconds. On a busy machine most verbs take longer.
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

// requests returns how many requests at once are worth their while, if the last verb took so
// long. That counts if it is very long: the server may just have moved.
func (d *distance) requests(took time.Duration) int {
	const veryLong = 25
	return int(max(d.shortest(), took/veryLong) / verbCost)
}
