package memcachepooled

import (
	"errors"
	"fmt"
	"net"
	"reflect"
	"unsafe"

	rainycape "github.com/rainycape/memcache"
)

// The library dials by itself, and keeps the number for compare-and-swap of an item to itself.
// The driver needs both: a client of the library is given its one connection, and an Item its
// number, through fields that are not exported. The library has not changed since 2015;
// checkLibrary finds out if it does.
var (
	idleConns, hasIdleConns = reflect.TypeFor[rainycape.Client]().FieldByName("freeconn")
	casField, hasCAS        = reflect.TypeFor[rainycape.Item]().FieldByName("casid")
)

// A libraryConn has the fields of the library's type conn.
type libraryConn struct {
	nc   net.Conn
	addr *rainycape.Addr
}

// checkLibrary returns errors.ErrUnsupported if the library does not have the fields that the
// driver uses.
func checkLibrary() error {
	if !hasIdleConns || !hasCAS || casField.Type != reflect.TypeFor[uint64]() {
		return errLibrary
	}
	conns := idleConns.Type // map[string]chan *conn
	if conns.Kind() != reflect.Map || conns.Key() != reflect.TypeFor[string]() ||
		conns.Elem().Kind() != reflect.Chan || conns.Elem().Elem().Kind() != reflect.Pointer {
		return errLibrary
	}
	want, conn := reflect.TypeFor[libraryConn](), conns.Elem().Elem().Elem()
	if conn.Kind() != reflect.Struct || conn.NumField() != want.NumField() {
		return errLibrary
	}
	for i := range want.NumField() {
		if got := conn.Field(i); got.Name != want.Field(i).Name || got.Type != want.Field(i).Type {
			return errLibrary
		}
	}
	return nil
}

var errLibrary = fmt.Errorf("%w: memcachepooled: this version of github.com/rainycape/memcache",
	errors.ErrUnsupported)

// newLibraryClient returns a client of the library that uses conn alone. If conn is closed, the
// verbs of the client fail, because the network of theServer does not exist.
func newLibraryClient(conn net.Conn) *rainycape.Client {
	client := rainycape.NewFromServers(theServer{})
	client.SetMaxIdleConnsPerAddr(1)
	chanType := idleConns.Type.Elem()
	c := reflect.New(chanType.Elem().Elem())
	*(*libraryConn)(c.UnsafePointer()) = libraryConn{conn, theAddr}
	idle := reflect.MakeChan(chanType, 1)
	idle.Send(c)
	conns := reflect.NewAt(idleConns.Type, unsafe.Add(unsafe.Pointer(client), idleConns.Offset))
	conns.Elem().SetMapIndex(reflect.ValueOf(theAddr.String()), idle)
	return client
}

// theServer is the rainycape.Servers of a client with one connection, and its net.Addr.
type theServer struct{}

var theAddr = rainycape.NewAddr(theServer{})

func (theServer) PickServer(string) (*rainycape.Addr, error) { return theAddr, nil }
func (theServer) Servers() ([]*rainycape.Addr, error) {
	return []*rainycape.Addr{theAddr}, nil
}

func (theServer) Network() string { return "no network" }
func (theServer) String() string  { return "" }

// casOf returns the number for compare-and-swap of item.
func casOf(item *rainycape.Item) *uint64 {
	return (*uint64)(unsafe.Add(unsafe.Pointer(item), casField.Offset))
}
