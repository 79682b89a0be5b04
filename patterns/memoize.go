package patterns

import "context"

// An Arg is an argument of a memoized function. KeyBuilder says how it is written in a key.
type Arg interface {
	~string | ~bool | ~float32 | ~float64 |
		~int | ~int8 | ~int16 | ~int32 | ~int64 |
		~uint | ~uint8 | ~uint16 | ~uint32 | ~uint64
}

// Memoize0 returns a function like f whose result is cached, by GetOrCreate.
// Options.KeyPrefix makes the key from name, which must identify f, because a program cannot
// get the name of a function value. Names are the master keys or tags of the stored results;
// see Options. Memoize0 returns core.ErrConfig if c or f is nil, if name is empty, or if
// there are names although the Options of c have neither Dependency nor Tags.
func Memoize0[T any](
	c *Cached[T], name string, f func(ctx context.Context) (T, error), names ...string,
) (func(ctx context.Context) (T, error), error) {
	if err := checkMemoize(c, name, f == nil, names); err != nil {
		return nil, err
	}
	return func(ctx context.Context) (T, error) {
		return callMemoized(ctx, c, name, nil, f, names)
	}, nil
}

// Memoize1 is Memoize0 for functions of one argument.
//
//	user, err := patterns.Memoize1(cached, "user", repo.User)
//	…
//	u, err := user(ctx, 7)
func Memoize1[A Arg, T any](
	c *Cached[T], name string, f func(ctx context.Context, a A) (T, error), names ...string,
) (func(ctx context.Context, a A) (T, error), error) {
	if err := checkMemoize(c, name, f == nil, names); err != nil {
		return nil, err
	}
	return func(ctx context.Context, a A) (T, error) {
		load := func(ctx context.Context) (T, error) { return f(ctx, a) }
		return callMemoized(ctx, c, name, []any{a}, load, names)
	}, nil
}

// Memoize2 is Memoize0 for functions of two arguments.
func Memoize2[A, B Arg, T any](
	c *Cached[T], name string, f func(ctx context.Context, a A, b B) (T, error), names ...string,
) (func(ctx context.Context, a A, b B) (T, error), error) {
	if err := checkMemoize(c, name, f == nil, names); err != nil {
		return nil, err
	}
	return func(ctx context.Context, a A, b B) (T, error) {
		load := func(ctx context.Context) (T, error) { return f(ctx, a, b) }
		return callMemoized(ctx, c, name, []any{a, b}, load, names)
	}, nil
}

// Memoize3 is Memoize0 for functions of three arguments.
func Memoize3[A, B, C Arg, T any](
	c *Cached[T], name string,
	f func(ctx context.Context, a A, b B, c C) (T, error), names ...string,
) (func(ctx context.Context, a A, b B, c C) (T, error), error) {
	if err := checkMemoize(c, name, f == nil, names); err != nil {
		return nil, err
	}
	return func(ctx context.Context, a A, b B, d C) (T, error) {
		load := func(ctx context.Context) (T, error) { return f(ctx, a, b, d) }
		return callMemoized(ctx, c, name, []any{a, b, d}, load, names)
	}, nil
}

// checkMemoize returns an error if an argument of a Memoize function is wrong.
func checkMemoize[T any](c *Cached[T], name string, nilFunc bool, names []string) error {
	switch {
	case c == nil:
		return configErrorf("Memoize: the Cached is nil; New returns one")
	case name == "":
		return configErrorf(
			"Memoize: the name is empty, want one that no other function of the cache has")
	case nilFunc:
		return configErrorf("Memoize: the function %q is nil", name)
	case len(names) > 0 && c.opts.Dependency == nil && c.opts.Tags == nil:
		return errNoNames
	}
	return nil
}

func callMemoized[T any](
	ctx context.Context, c *Cached[T], name string, args []any,
	load func(ctx context.Context) (T, error), names []string,
) (T, error) {
	key, err := c.opts.KeyPrefix.Key(name, args...)
	if err != nil {
		var zero T
		return zero, err
	}
	return c.GetOrCreate(ctx, key, load, names...)
}

// MemoizeMulti is Memoize1 for functions that load many results at once. It uses
// GetOrSetMulti, so that f is called only with the arguments whose results are not cached.
// It has the keys and errors of Memoize1.
func MemoizeMulti[A Arg, T any](
	c *Cached[T], name string,
	f func(ctx context.Context, args []A) (map[A]T, error), names ...string,
) (func(ctx context.Context, args []A) (map[A]T, error), error) {
	if err := checkMemoize(c, name, f == nil, names); err != nil {
		return nil, err
	}
	return func(ctx context.Context, args []A) (map[A]T, error) {
		for _, arg := range args {
			if _, err := c.opts.KeyPrefix.Key(name, arg); err != nil {
				return map[A]T{}, err
			}
		}
		key := func(arg A) string {
			key, _ := c.opts.KeyPrefix.Key(name, arg) // checked above
			return key
		}
		return GetOrSetMulti(ctx, c, args, key, f, names...)
	}, nil
}
