package patterns

import "context"

// An Arg is an argument of a memoized function: its form in a key is that of
// KeyBuilder.
type Arg interface {
	~string | ~bool | ~float32 | ~float64 |
		~int | ~int8 | ~int16 | ~int32 | ~int64 |
		~uint | ~uint8 | ~uint16 | ~uint32 | ~uint64
}

// Memoize0 answers a function like f whose result is cached, by GetOrCreate. The key is
// that of Options.KeyPrefix for name; Go cannot ask f for its name. What is stored
// depends on what names name.
func Memoize0[T any](c *Cached[T], name string, f func(ctx context.Context) (T, error), names ...string) func(ctx context.Context) (T, error) {
	return func(ctx context.Context) (T, error) {
		return memoized(ctx, c, name, nil, f, names)
	}
}

// Memoize1 is Memoize0 for functions of one argument.
//
//	user := patterns.Memoize1(cached, "user", repo.User)
//	u, err := user(ctx, 7)
func Memoize1[A Arg, T any](c *Cached[T], name string, f func(ctx context.Context, a A) (T, error), names ...string) func(ctx context.Context, a A) (T, error) {
	return func(ctx context.Context, a A) (T, error) {
		return memoized(ctx, c, name, []any{a}, func(ctx context.Context) (T, error) { return f(ctx, a) }, names)
	}
}

// Memoize2 is Memoize0 for functions of two arguments.
func Memoize2[A, B Arg, T any](c *Cached[T], name string, f func(ctx context.Context, a A, b B) (T, error), names ...string) func(ctx context.Context, a A, b B) (T, error) {
	return func(ctx context.Context, a A, b B) (T, error) {
		return memoized(ctx, c, name, []any{a, b}, func(ctx context.Context) (T, error) { return f(ctx, a, b) }, names)
	}
}

// Memoize3 is Memoize0 for functions of three arguments.
func Memoize3[A, B, C Arg, T any](c *Cached[T], name string, f func(ctx context.Context, a A, b B, c C) (T, error), names ...string) func(ctx context.Context, a A, b B, c C) (T, error) {
	return func(ctx context.Context, a A, b B, d C) (T, error) {
		return memoized(ctx, c, name, []any{a, b, d}, func(ctx context.Context) (T, error) { return f(ctx, a, b, d) }, names)
	}
}

func memoized[T any](ctx context.Context, c *Cached[T], name string, args []any, f func(ctx context.Context) (T, error), names []string) (T, error) {
	key, err := c.opts.KeyPrefix.Key(name, args...)
	if err != nil {
		var none T
		return none, err
	}
	return c.getOr(ctx, byPass, key, f, names)
}

// MemoizeMulti answers a function like f, which loads many results at once, by
// GetOrSetMulti: f is asked only for what is not cached. The key of each result is that
// of Memoize1.
func MemoizeMulti[A Arg, T any](c *Cached[T], name string, f func(ctx context.Context, args []A) (map[A]T, error), names ...string) func(ctx context.Context, args []A) (map[A]T, error) {
	return func(ctx context.Context, args []A) (map[A]T, error) {
		for _, arg := range args {
			if _, err := c.opts.KeyPrefix.Key(name, arg); err != nil {
				return map[A]T{}, err
			}
		}
		key := func(arg A) string {
			key, _ := c.opts.KeyPrefix.Key(name, arg)
			return key
		}
		return GetOrSetMulti(ctx, c, args, key, f, names...)
	}
}
