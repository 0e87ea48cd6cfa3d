package idgenredis

import "github.com/mainstay-go/mainstay/internal/redisscript"

// Both scripts are plain Lua for Redis 5 and later, and for Valkey. Numbers
// become text by string.format alone: Lua itself would write those of 16 digits
// as 1.7e+15. 100 years from now µs still fit into the 53 bits of a Lua number.
//
// KEYS[1] is the sorted set number -> end of its reservation, KEYS[2] the hash
// number -> token, with the largest token so far in the field "last".
const prelude = `
local function text(n) return string.format('%.0f', n) end
local t = redis.call('TIME')
local now = tonumber(t[1]) * 1000000 + tonumber(t[2])
local function reserve(node, ms)
  redis.call('ZADD', KEYS[1], text(now + ms * 1000), node)
end
local function expire()
  local last = redis.call('ZREVRANGE', KEYS[1], 0, 0, 'WITHSCORES')
  local at = text(math.ceil(tonumber(last[2]) / 1000) + 86400000)
  redis.call('PEXPIREAT', KEYS[1], at)
  redis.call('PEXPIREAT', KEYS[2], at)
end
`

// claimScript: ARGV is nodes and ttl in ms; the reply is {node, token} or
// {-1, 0}. The numbers that were ever used are those below the size of the set,
// since the lowest is used first. Ended reservations are looked through in
// pages, in case others use more numbers than this caller, which they should
// not.
var claimScript = redisscript.New(prelude + `
local function ended_first(nodes)
  local offset, page = 0, nil
  repeat
    page = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', text(now), 'LIMIT', offset, 100)
    for _, node in ipairs(page) do
      if tonumber(node) < nodes then return tonumber(node) end -- else it is of others
    end
    offset = offset + #page
  until #page == 0
end
local nodes, ms = tonumber(ARGV[1]), tonumber(ARGV[2])
local node = redis.call('ZCARD', KEYS[1])
if node >= nodes then node = ended_first(nodes) end
if not node then return {-1, 0} end
local last = tonumber(redis.call('HGET', KEYS[2], 'last') or '0')
local token = math.max(now, last + 1)
redis.call('HSET', KEYS[2], text(node), text(token))
redis.call('HSET', KEYS[2], 'last', text(token))
reserve(text(node), ms)
expire()
return {node, token}
`)

// extendScript: ARGV is node, token and ttl in ms; the reply is 1, or 0 if the
// number has another token.
var extendScript = redisscript.New(prelude + `
if redis.call('HGET', KEYS[2], ARGV[1]) ~= ARGV[2] then return 0 end
reserve(ARGV[1], tonumber(ARGV[3]))
expire()
return 1
`)
