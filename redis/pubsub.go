package redis

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"sync"
	"time"

	"github.com/redis/rueidis"

	"github.com/cachewire/cachewire/core"
)

// defaultChannel is the channel of a bus without one.
const defaultChannel = "cachewire"

// A pubSub is a bus by PUBLISH and SUBSCRIBE. Redis may lose a message, so each sender numbers its
// messages, and sends one each beat.
type pubSub struct {
	backend *Backend
	channel string
	id      senderID

	sending chan struct{} // holds a value while a message is sent, so that numbers are in order
	number  uint64        // of the last message; guarded by sending

	mu    sync.Mutex
	beats map[uint64]time.Time // guarded by mu; when own beats were sent, by their numbers
}

// A senderID identifies a pubSub. It is random.
type senderID [16]byte

func newPubSub(b *Backend, channel string) *pubSub {
	p := &pubSub{
		backend: b,
		channel: channel,
		sending: make(chan struct{}, 1),
		beats:   map[uint64]time.Time{},
	}
	if channel == "" {
		p.channel = defaultChannel
	}
	_, _ = rand.Read(p.id[:]) // never fails
	return p
}

// A message begins with the ID of its sender, its number, 64 bits, and its kind. For messageKeys,
// the keys follow, each after its length as a uvarint.
const (
	messageBeat = 0
	messageAll  = 1
	messageKeys = 2

	messageHeader = len(senderID{}) + 8 + 1

	// maxMessage is the length after which no more keys are added to a message. The server
	// cuts a subscriber for which too much is waiting.
	maxMessage = 64 << 10
)

// Publish sends the keys.
func (p *pubSub) Publish(ctx context.Context, keys []string) error {
	if keys == nil {
		return p.send(ctx, messageAll, nil)
	}
	var body []byte
	for i, key := range keys {
		body = binary.AppendUvarint(body, uint64(len(key)))
		body = append(body, key...)
		if len(body) >= maxMessage || i == len(keys)-1 {
			if err := p.send(ctx, messageKeys, body); err != nil {
				return err
			}
			body = body[:0]
		}
	}
	return nil
}

// send sends a message.
func (p *pubSub) send(ctx context.Context, kind byte, body []byte) error {
	select {
	case p.sending <- struct{}{}:
		defer func() { <-p.sending }()
	case <-ctx.Done():
		return ctx.Err()
	}
	c, err := p.backend.connect(ctx)
	if err != nil {
		return failure(ctx, err)
	}
	// The number is taken even if the message is lost: the next one shows that.
	p.number++
	message := binary.BigEndian.AppendUint64(p.id[:len(p.id):len(p.id)], p.number)
	message = append(append(message, kind), body...)
	if kind == messageBeat {
		p.mu.Lock()
		p.beats[p.number] = time.Now()
		p.mu.Unlock()
	}
	publish := c.B().Publish().Channel(p.channel).Message(rueidis.BinaryString(message)).Build()
	if err := p.backend.do(ctx, c, publish, writing).Error(); err != nil {
		return failure(ctx, err)
	}
	return nil
}

// beatOf returns when the own beat with this number was sent, and forgets it and earlier ones.
func (p *pubSub) beatOf(number uint64) time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	sent := p.beats[number]
	for n := range p.beats {
		if n <= number {
			delete(p.beats, n)
		}
	}
	return sent
}

// Close does nothing, because Subscribe has ended its session.
func (p *pubSub) Close() error { return nil }

// Subscribe subscribes to the channel.
func (p *pubSub) Subscribe(ctx context.Context, f func(core.Notice)) {
	subscribe(ctx, f, p.listen)
}

func (p *pubSub) listen(ctx context.Context, f func(core.Notice)) (worked bool, err error) {
	s, err := p.backend.openSession(ctx, func(*rueidis.ClientOption) {})
	if err != nil {
		return false, err
	}
	defer s.close()
	subscribed := make(chan struct{}, 1)
	var beating sync.WaitGroup
	beating.Go(func() {
		select {
		case <-subscribed:
		case <-s.ctx.Done():
			return
		}
		for {
			limited, cancel := context.WithTimeout(s.ctx, p.backend.option.ConnWriteTimeout)
			_ = p.send(limited, messageBeat, nil) // without a beat the bus is silent
			cancel()
			if !wait(s.ctx, beat) {
				return
			}
		}
	})
	defer beating.Wait()
	defer s.end(errClosed)
	received := rueidis.WithOnSubscriptionHook(s.ctx, func(rueidis.PubSubSubscription) {
		select {
		case subscribed <- struct{}{}:
		default:
		}
	})
	numbers := map[senderID]uint64{}
	command := s.client.B().Subscribe().Channel(p.channel).Build()
	err = s.client.Receive(received, command, func(m rueidis.PubSubMessage) {
		n, ok := p.noticeOf([]byte(m.Message), numbers)
		if !ok {
			return
		}
		worked = worked || !n.Synced.IsZero()
		f(n)
	})
	return worked, s.cause(err)
}

var (
	errUnreadable = errors.New("redis: the bus has received what is no message of a bus")
	errHole       = errors.New("redis: the bus has lost a message")
)

// noticeOf returns the notice of a message, and reports whether there is one. Numbers are those
// of the last message of each sender.
func (p *pubSub) noticeOf(message []byte, numbers map[senderID]uint64) (n core.Notice, ok bool) {
	if len(message) < messageHeader {
		return core.Notice{Lost: errUnreadable}, true
	}
	id := senderID(message)
	number := binary.BigEndian.Uint64(message[len(id):])
	kind, body := message[messageHeader-1], message[messageHeader:]
	if id == p.id {
		sent := p.beatOf(number)
		return core.Notice{Synced: sent}, !sent.IsZero()
	}
	last, known := numbers[id]
	numbers[id] = number
	if known && number != last+1 {
		n.Lost = errHole
	}
	switch kind {
	case messageBeat:
		return n, n.Lost != nil
	case messageAll:
		n.All = true
		return n, true
	case messageKeys:
		if n.Keys, ok = keysOf(body); ok {
			return n, true
		}
	}
	return core.Notice{Lost: errUnreadable}, true
}

// keysOf returns the keys in the body of a message, and reports whether it is one.
func keysOf(body []byte) (keys []string, ok bool) {
	for len(body) > 0 {
		size, n := binary.Uvarint(body)
		if n <= 0 || size > uint64(len(body)-n) {
			return nil, false
		}
		keys = append(keys, string(body[n:n+int(size)]))
		body = body[n+int(size):]
	}
	return keys, true
}
