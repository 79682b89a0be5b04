// Package lockout compares package lockout with other packages that limit requests.
package lockout
