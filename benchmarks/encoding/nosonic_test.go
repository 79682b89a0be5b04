//go:build !(amd64 || arm64) || plan9

package encoding_test

var sonicRivals []rival
