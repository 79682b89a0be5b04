package encoding

import (
	"bytes"
	"compress/zlib"
	"errors"
	"io"
	"sync"

	"github.com/cachewire/cachewire/core"
)

// zlibCompression is zlib (RFC 1950), as Python's module zlib writes it.
type zlibCompression struct{}

func (zlibCompression) Flag() uint32 { return core.FlagZlib }

// A deflater is a zlib.Writer that can be reused, with its output.
type deflater struct {
	out appender
	zip *zlib.Writer
}

var deflaters = sync.Pool{New: func() any {
	d := new(deflater)
	// BestSpeed is twice as fast as the default level, and typical values of caches become
	// hardly longer. NewWriterLevel fails only for an invalid level.
	d.zip, _ = zlib.NewWriterLevel(&d.out, zlib.BestSpeed)
	return d
}}

func (zlibCompression) Append(dst, src []byte) ([]byte, error) {
	d := deflaters.Get().(*deflater)
	defer deflaters.Put(d)
	d.out = dst
	d.zip.Reset(&d.out)
	_, err := d.zip.Write(src)
	if closeErr := d.zip.Close(); err == nil {
		err = closeErr
	}
	dst, d.out = d.out, nil
	return dst, err
}

// An inflater is a reader of package zlib that can be reused, with its input.
type inflater struct {
	src bytes.Reader
	zip io.ReadCloser
}

var inflaters = sync.Pool{New: func() any { return new(inflater) }}

func (zlibCompression) Reader(src []byte) (io.ReadCloser, error) {
	i := inflaters.Get().(*inflater)
	i.src.Reset(src)
	var err error
	if i.zip == nil {
		i.zip, err = zlib.NewReader(&i.src)
	} else {
		err = i.zip.(zlib.Resetter).Reset(&i.src, nil)
	}
	if err != nil {
		i.Close()
		return nil, err
	}
	return i, nil
}

var errTrailing = errors.New("bytes after the end of the value")

func (i *inflater) Read(p []byte) (int, error) {
	n, err := i.zip.Read(p)
	if err == io.EOF && i.src.Len() != 0 {
		err = errTrailing
	}
	return n, err
}

func (i *inflater) Close() error {
	i.src.Reset(nil)
	inflaters.Put(i)
	return nil
}

// An appender is a slice to which an io.Writer appends.
type appender []byte

func (a *appender) Write(p []byte) (int, error) {
	*a = append(*a, p...)
	return len(p), nil
}
