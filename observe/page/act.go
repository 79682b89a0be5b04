package page

import (
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/cachewire/cachewire/core"
)

// maxForm is the length in bytes of the longest form: that of a key, escaped, and a bit more.
const maxForm = 3*core.MaxKeyLen + 4096

// maxShownValue is how many bytes of a value are shown.
const maxShownValue = 4096

// A result is what a form did.
type result struct {
	status int
	Title  string
	Failed bool
	Facts  []namedText
	Value  string
}

type namedText struct{ Name, Text string }

// act does what the form of r asks for. It returns nil if it has replied itself, because the
// form is not one of this page.
func (p *Page) act(w http.ResponseWriter, r *http.Request) *result {
	refuse := func(status int, why string) *result {
		http.Error(w, why, status)
		return nil
	}
	if err := p.origins.Check(r); err != nil {
		return refuse(http.StatusForbidden, err.Error())
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		return refuse(http.StatusBadRequest, "the form cannot be read: "+err.Error())
	}
	if subtle.ConstantTimeCompare([]byte(r.PostForm.Get("token")), []byte(p.token)) != 1 {
		return refuse(http.StatusForbidden,
			"the form is of another process, or was not made by this page; load the page again")
	}
	action := r.PostForm.Get("action")
	allowed, known := map[string]bool{
		"look up": p.opts.LookUp, "delete": p.opts.Change, "flush": p.opts.Change,
	}[action]
	switch {
	case !known:
		return refuse(http.StatusBadRequest, "unknown action; want look up, delete or flush")
	case !allowed:
		return refuse(http.StatusForbidden, "this page may not "+action)
	}
	c := p.cache(r.PostForm.Get("cache"))
	if c == nil {
		return refuse(http.StatusNotFound, "there is no such cache")
	}
	key := r.PostForm.Get("key")
	switch action {
	case "look up":
		return lookUp(r, c, key)
	case "delete":
		return newResult("Deleted "+show(key)+" from "+c.Name(), c.Delete(r.Context(), key))
	}
	if r.PostForm.Get("sure") == "" {
		return refuse(http.StatusBadRequest, "tick the box to flush a cache")
	}
	return newResult("Flushed "+c.Name(), c.Flush(r.Context()))
}

// cache returns the cache called name, or nil if none was added under it.
func (p *Page) cache(name string) *core.Cache {
	for _, e := range p.caches.All() {
		if e.Name == name {
			return e.Cache
		}
	}
	return nil
}

// newResult returns a result with title, or one that says that err happened.
func newResult(title string, err error) *result {
	switch {
	case err == nil:
		return &result{status: http.StatusOK, Title: title}
	case errors.Is(err, core.ErrMiss):
		return &result{status: http.StatusNotFound, Failed: true, Title: "No such key"}
	}
	status := http.StatusBadGateway
	if errors.Is(err, core.ErrInvalidKey) || errors.Is(err, errors.ErrUnsupported) {
		status = http.StatusBadRequest
	}
	return &result{status: status, Failed: true, Title: err.Error()}
}

// lookUp returns the item under key.
func lookUp(r *http.Request, c *core.Cache, key string) *result {
	item, err := c.GetItem(r.Context(), key)
	res := newResult(show(key)+" in "+c.Name(), err)
	if err != nil {
		return res
	}
	add := func(name, text string) { res.Facts = append(res.Facts, namedText{name, text}) }
	add("length", fmt.Sprintf("%d bytes", len(item.Value)))
	add("flags", fmt.Sprint(item.Flags))
	switch ttl, err := c.TTL(r.Context(), key); {
	case err == nil && ttl == core.Forever:
		add("time to live", "never expires")
	case err == nil:
		add("time to live", ttl.String())
	}
	shown := item.Value[:min(len(item.Value), maxShownValue)]
	if len(shown) < len(item.Value) {
		add("shown", fmt.Sprintf("the first %d bytes", len(shown)))
	}
	if res.Value = string(shown); !isText(res.Value) {
		res.Value = hex.Dump(shown)
	}
	return res
}

// isText reports whether s can be shown as it is. Its end may be a part of a character.
func isText(s string) bool {
	for i, r := range s {
		switch {
		case r == utf8.RuneError && i > len(s)-utf8.UTFMax && i > 0:
			return !utf8.FullRuneInString(s[i:])
		case r == utf8.RuneError, r < ' ' && !strings.ContainsRune("\n\r\t", r), r == 0x7f:
			return false
		}
	}
	return true
}

// show returns key for a title.
func show(key string) string {
	if len(key) > maxShownKey {
		return fmt.Sprintf("%q…", key[:maxShownKey])
	}
	return fmt.Sprintf("%q", key)
}
