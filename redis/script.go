package redis

import (
	"context"
	"crypto/sha1"
	"encoding/hex"

	"github.com/redis/rueidis"
)

// A script is a Lua script of one key. It is called by its hash. A server does not know the hash
// if it was restarted, is a new primary or ran SCRIPT FLUSH. It has then done nothing, and run
// sends the source.
type script struct{ source, hash string }

func newScript(source string) *script {
	sum := sha1.Sum([]byte(source))
	return &script{source, hex.EncodeToString(sum[:])}
}

func (s *script) byHash(c rueidis.Client, key string, args []string) rueidis.Completed {
	return c.B().Evalsha().Sha1(s.hash).Numkeys(1).Key(key).Arg(args...).Build()
}

func (s *script) bySource(c rueidis.Client, key string, args []string) rueidis.Completed {
	return c.B().Eval().Script(s.source).Numkeys(1).Key(key).Arg(args...).Build()
}

// run runs s on key.
func (b *Backend) run(ctx context.Context, s *script, key string,
	args ...string) rueidis.RedisResult {
	c, err := b.connect(ctx)
	if err != nil {
		return rueidis.NewErrorResult(err)
	}
	result := b.do(ctx, c, s.byHash(c, key, args), writing)
	if isNoScript(result.Error()) {
		result = b.do(ctx, c, s.bySource(c, key, args), writing)
	}
	return result
}

func isNoScript(err error) bool {
	said, ok := rueidis.IsRedisErr(err)
	return ok && said.IsNoScript()
}

// compareScript changes an item if it is in the state of a token. Arguments: the header or the
// bare value of the token; and to swap, the new string and its time to live in milliseconds, or
// "" for an item that never expires. It returns 0 for an absent key, 1 for another state, and 2
// if it has changed the item. It reads no more of the item than the header.
var compareScript = newScript(`
local is
if #ARGV[1] == 15 and string.sub(ARGV[1], 1, 3) == '\248cr' then
	is = redis.call('GETRANGE', KEYS[1], 0, 14)
	if is == '' and redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
else
	is = redis.call('GET', KEYS[1])
	if not is then return 0 end
end
if is ~= ARGV[1] then return 1 end
if not ARGV[2] then
	redis.call('UNLINK', KEYS[1])
elseif ARGV[3] == '' then
	redis.call('SET', KEYS[1], ARGV[2])
else
	redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
end
return 2`)

const (
	compareAbsent  = 0
	compareChanged = 1
)

// persistScript removes the expiry of an item. It returns 0 for an absent key, and 1 otherwise.
var persistScript = newScript(`
if redis.call('PERSIST', KEYS[1]) == 1 then return 1 end
return redis.call('EXISTS', KEYS[1])`)

// counterScript changes a counter. Its arguments are, in this order: the delta in decimal
// digits; 1 to add it, or -1 to subtract it; the stamp of the new state; the part of a header
// before the stamp, for a counter without a header, or "" if it gets no header; the string to
// store if the counter is absent; and its time to live in milliseconds, or "". The last two are
// left out if an absent counter stays absent.
//
// It returns the new number, as an integer or in decimal digits. It returns nil if the key is
// absent, "" if it has stored the initial number, and "-" if the value is not a counter.
//
// Lua prints numbers of up to 14 digits exactly, so the script adds numbers of up to 13 digits
// directly. It splits larger numbers into two halves of 10 digits, because numbers are exact up
// to 2^53.
var counterScript = newScript(`
local value = redis.call('GET', KEYS[1])
if not value then
	if not ARGV[5] then return false end
	if ARGV[6] == '' then
		redis.call('SET', KEYS[1], ARGV[5])
	else
		redis.call('SET', KEYS[1], ARGV[5], 'PX', ARGV[6])
	end
	return ''
end
local head, digits = string.match(value, '^(\248cr....)........(%d+)$')
if digits then
	head = head .. ARGV[3]
else
	head = ''
	if #value >= 15 and string.sub(value, 1, 3) == '\248cr' then
		head = string.sub(value, 1, 7) .. ARGV[3]
		value = string.sub(value, 16)
	elseif ARGV[4] ~= '' then
		head = ARGV[4] .. ARGV[3]
	end
	digits = string.match(value, '^(%d+) *$')
	if not digits then return '-' end
end
if #digits <= 13 and #ARGV[1] <= 13 then
	local sum = math.max(0, digits + ARGV[1] * ARGV[2])
	redis.call('SET', KEYS[1], head .. sum, 'KEEPTTL')
	return sum
end
digits = string.match(digits, '^0*(%d+)$')
if #digits > 20 or #digits == 20 and digits > '18446744073709551615' then return '-' end
local function halves(text)
	text = string.rep('0', 20 - #text) .. text
	return tonumber(string.sub(text, 1, 10)), tonumber(string.sub(text, 11))
end
local high, low = halves(digits)
local deltaHigh, deltaLow = halves(ARGV[1])
if ARGV[2] == '1' then
	high, low = high + deltaHigh, low + deltaLow
	if low >= 1e10 then high, low = high + 1, low - 1e10 end
	if high > 1844674407 or high == 1844674407 and low >= 3709551616 then
		high, low = high - 1844674407, low - 3709551616
	end
elseif high > deltaHigh or high == deltaHigh and low >= deltaLow then
	high, low = high - deltaHigh, low - deltaLow
else
	high, low = 0, 0
end
if low < 0 then high, low = high - 1, low + 1e10 end
local sum = string.match(string.format('%.0f%010.0f', high, low), '^0*(%d+)$')
redis.call('SET', KEYS[1], head .. sum, 'KEEPTTL')
return sum`)
