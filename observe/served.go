package observe

// A Served is the number of an outcome with which package patterns calls Observer.Served.
type Served uint8

// servedNames are the outcomes of package patterns by their number, after one that stands for
// all others. Those from the cache come first.
var servedNames = [...]string{
	"other", "hit", "stale", "negative", "miss", "loaded", "waited", "load_error", "timed_out",
}

// NumServed is one more than the largest Served.
const NumServed = len(servedNames)

// ServedOf returns the Served of an outcome, or 0 if package patterns has none of this name.
func ServedOf(outcome string) Served {
	for i := 1; i < len(servedNames); i++ {
		if servedNames[i] == outcome {
			return Served(i)
		}
	}
	return 0
}

// String returns the outcome. It is "other" for 0, and for what is no Served.
func (s Served) String() string {
	if int(s) < NumServed {
		return servedNames[s]
	}
	return servedNames[0]
}

// FromCache reports whether a caller got what the cache had: a hit, a stale value, or an
// ErrNotFound.
func (s Served) FromCache() bool { return 1 <= s && s <= 3 }
