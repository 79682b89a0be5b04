package memcache

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/cachewire/cachewire/core"
)

// Dial connects to server, with TLS and a login if o has them, within o.Timeout. If the
// server refuses the login, Dial returns a *ReplyError around core.ErrUnavailable. o must be
// a result of WithDefaults.
func (o *Options) Dial(ctx context.Context, server Server) (net.Conn, error) {
	return o.dialAt(ctx, server, server.String())
}

// dialAt is Dial to an address of server.
func (o *Options) dialAt(ctx context.Context, server Server, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, server.Network(), address)
	if err != nil || o.TLS == nil && o.Username == "" {
		return conn, err
	}
	if o.TLS != nil {
		config := o.TLS
		if config.ServerName == "" {
			config = config.Clone()
			config.ServerName, _, _ = net.SplitHostPort(server.String())
		}
		conn = tls.Client(conn, config)
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	if o.Username != "" {
		err = login(conn, o.Username, o.Password)
	} else {
		err = conn.(*tls.Conn).HandshakeContext(ctx)
	}
	if !stop() && ctx.Err() != nil {
		err = ctx.Err()
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// login sends user and password as the value of a set, as a memcached with -Y expects it
// (doc/protocol.txt, Authentication). The expiry is in the past: a memcached without -Y
// stores the item, but no client can read it.
func login(conn net.Conn, user, password string) error {
	secret := user + " " + password
	_, err := fmt.Fprintf(conn, "set cachewire:login 0 -1 %d\r\n%s\r\n", len(secret), secret)
	if err != nil {
		return err
	}
	var reply []byte
	for !bytes.HasSuffix(reply, []byte("\n")) && len(reply) < 1<<10 {
		buf := make([]byte, 1<<10)
		n, err := conn.Read(buf)
		if reply = append(reply, buf[:n]...); err != nil {
			return err
		}
	}
	if string(reply) == "STORED\r\n" {
		return nil
	}
	return &ReplyError{core.ErrUnavailable,
		fmt.Sprintf("the server replied %.100q to the login", reply)}
}

// lookup returns the addresses of host, sorted, each once.
func lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, err
	}
	for i, addr := range addrs {
		addrs[i] = addr.Unmap()
	}
	slices.SortFunc(addrs, netip.Addr.Compare)
	return slices.Compact(addrs), nil
}

// endOf returns the error of ctx after a dial with it has failed. A dial may notice that the
// deadline of ctx has passed a moment before ctx does.
func endOf(ctx context.Context) error {
	if deadline, ok := ctx.Deadline(); ok && !time.Now().Before(deadline) {
		<-ctx.Done()
	}
	return ctx.Err()
}
