// Package lockout compares package lockout with other limiters of requests.
package lockout
