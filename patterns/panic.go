package patterns

import (
	"errors"
	"fmt"
	"runtime/debug"
)

// A PanicError is the error of a load that panicked, in the loader, or in a codec or hook.
// It is returned to all callers that wait for the load.
type PanicError struct {
	Value any    // the value of the panic
	Stack []byte // the stack of the goroutine that panicked
}

// Error returns one line, without the stack.
func (e *PanicError) Error() string {
	return fmt.Sprintf("patterns: the load panicked: %v", e.Value)
}

// Format formats the error for package fmt. The verb %+v adds the stack.
func (e *PanicError) Format(s fmt.State, verb rune) {
	switch {
	case verb == 'v' && s.Flag('+'):
		fmt.Fprintf(s, "%s\n\n%s", e.Error(), e.Stack)
	case verb == 'v' && s.Flag('#'):
		fmt.Fprintf(s, "&patterns.PanicError{Value:%#v}", e.Value)
	default:
		fmt.Fprintf(s, fmt.FormatString(s, verb), e.Error())
	}
}

// Unwrap returns Value if it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

var errGoexit = errors.New("patterns: the loader ended its goroutine")

// callLoader calls load, and turns a panic into a *PanicError.
func callLoader[T any](load func() (T, error)) (v T, err error) {
	defer func() {
		// After runtime.Goexit, recover returns nil and the goroutine goes on ending.
		if r := recover(); r != nil {
			err = &PanicError{Value: r, Stack: debug.Stack()}
		}
	}()
	return load()
}
