package observe

// A Verb is the number of a verb of core.Cache.
type Verb uint8

// verbNames are the names of the verbs by their number. The first stands for all others.
var verbNames = [...]string{
	"other",
	"Get", "GetItem", "Set", "Store", "Add", "Replace", "CompareAndSwap", "CompareAndDelete",
	"Delete", "Exists", "Count", "Incr", "Decr", "IncrFrom", "DecrFrom", "Touch", "TTL",
	"GetMulti", "GetItems", "SetMulti", "AddMulti", "ReplaceMulti", "StoreMulti", "DeleteMulti",
	"Flush", "Ping", "Stats",
}

// NumVerbs is one more than the largest Verb.
const NumVerbs = len(verbNames)

// VerbOf returns the Verb with this name, or 0 if core.Cache has none.
func VerbOf(name string) Verb {
	for i := 1; i < len(verbNames); i++ { // short, and the first are the most frequent
		if verbNames[i] == name {
			return Verb(i)
		}
	}
	return 0
}

// String returns the name of the verb. It is "other" for 0, and for what is no Verb.
func (v Verb) String() string {
	if int(v) < NumVerbs {
		return verbNames[v]
	}
	return verbNames[0]
}
