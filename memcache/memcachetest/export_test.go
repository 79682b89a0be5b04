package memcachetest

// UsualDirs returns the variable with the folders outside of PATH in which Start looks for
// memcached.
func UsualDirs() *[]string { return &usualDirs }
