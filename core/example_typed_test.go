package core_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/cachewire/cachewire/core"
)

// A Point is a value that a program caches.
type Point struct{ X, Y int }

// pointCodec encodes a Point as JSON. Package encoding has such codecs.
type pointCodec struct{}

func (pointCodec) Append(dst []byte, p Point) ([]byte, uint32, error) {
	data, err := json.Marshal(p)
	return append(dst, data...), core.FlagText, err
}

func (pointCodec) Decode(data []byte, _ uint32) (p Point, err error) {
	err = json.Unmarshal(data, &p)
	return p, err
}

func ExampleTyped() {
	ctx := context.Background()
	cache, _ := core.New(newBackend(), nil)
	defer cache.Close()

	points, err := core.NewTyped(cache, pointCodec{})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := points.Set(ctx, "origin", Point{0, 0}, time.Hour); err != nil {
		fmt.Println(err)
	}
	if err := points.Set(ctx, "corner", Point{640, 480}, time.Hour); err != nil {
		fmt.Println(err)
	}

	found, err := points.GetMulti(ctx, []string{"origin", "corner", "nowhere"})
	fmt.Println(found, err)

	// Bytes that are not a Point are neither a hit nor a miss.
	_ = cache.Set(ctx, "line", []byte("0 0 640 480"), 0)
	_, err = points.Get(ctx, "line")
	fmt.Println(errors.Is(err, core.ErrCodec), errors.Is(err, core.ErrMiss))

	// Output:
	// map[corner:{640 480} origin:{0 0}] <nil>
	// true false
}
