-- Confirm: session.Confirm, in one step.
--
-- KEYS[1]  the user's hash
-- ARGV[1]  the session's id
-- ARGV[2]  generation 1-4 and the time it was handed out 5-10; settle 11-16
-- Reply:   empty; or 255, now (6 bytes) and the version of a record that cannot
--          be read.
--
-- A confirmation that succeeds is not sent again. If the session or the generation is missing,
-- the script makes a write that changes nothing, so that it fails on a server that does not
-- accept writes and may have missed them, as in refresh.lua.

local key, id, a = KEYS[1], ARGV[1], ARGV[2]
local v = redis.call('HGET', key, id)
if not v then
  redis.call('HDEL', key, '')
  return ''
end
if not readable(v) then
  return '\255' .. packed(now) .. v:sub(1, 1)
end

local n, g, handed = generation(v, 2), generation(a, 1), instant(a, 5)
if n < g then
  redis.call('HDEL', key, '')
end
local live = n ~= 0 and now < instant(v, 24)
local settled = handed ~= 0 and now >= math.max(handed, instant(v, 6)) + instant(a, 11)
if live and settled and n == g and instant(v, 12) == 0 then
  redis.call('HSET', key, id, v:sub(1, 11) .. packed(now) .. v:sub(18))
end
return ''
