// Package encoding compares the codecs with each other, and with the packages that they use.
package encoding
