package config

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

const tierScheme = "tiered"

// isTier reports whether c names the halves of a tier.
func (c Cache) isTier() bool { return c.Near != "" || c.Far != "" || c.Bus != "" }

// withTier returns c with the URL of its tier, if it is one, and calls wrong with the mistakes and
// the fields in which they are.
func (cs *Caches) withTier(c Cache, wrong func(field string, err error)) Cache {
	if !c.isTier() {
		return c
	}
	if c.URL == "" {
		c.URL = tierScheme + "://"
	}
	u, err := url.Parse(c.URL)
	if err != nil || u.Scheme != tierScheme {
		wrong(".url", fmt.Errorf("want %s://, with or without parameters, beside near and far",
			tierScheme))
		return c
	}
	query := u.Query()
	set := func(field, value string) {
		if query.Has(field) {
			wrong(".url", fmt.Errorf("parameter %s: there is a field %s, too; want one of them",
				field, field))
		}
		query.Set(field, value)
	}
	for _, half := range []struct{ field, name string }{{"near", c.Near}, {"far", c.Far}} {
		described, ok := cs.config.Caches[half.name]
		switch {
		case half.name == "":
			wrong("."+half.field, errors.New("missing; want the name of a cache"))
		case !ok:
			wrong("."+half.field, fmt.Errorf("no cache %q; want one of %s", half.name,
				strings.Join(cs.Names(), ", ")))
		case described.isTier():
			wrong("."+half.field, fmt.Errorf("the cache %q is a tier itself; want one with a URL",
				half.name))
		default:
			set(half.field, described.URL)
			if half.field == "far" {
				c = c.inherit(described)
			}
		}
	}
	if c.Bus != "" {
		set("bus", c.Bus)
	}
	u.RawQuery = query.Encode()
	c.URL = u.String()
	return c
}

// inherit returns c with the prefix and the default time to live of far, if it has none, so that
// both names stand for the same items.
func (c Cache) inherit(far Cache) Cache {
	if c.Prefix == "" {
		c.Prefix = far.Prefix
	}
	if c.DefaultTTL == 0 {
		c.DefaultTTL = far.DefaultTTL
	}
	return c
}
