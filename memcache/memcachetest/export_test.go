package memcachetest

// Usual answers the folders in which memcached is looked for outside of PATH.
func Usual() *[]string { return &usual }
