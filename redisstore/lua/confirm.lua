-- Confirm: session.Confirm, in one step.
--
-- KEYS[1]  the user's hash
-- ARGV[1]  the session's id
-- ARGV[2]  generation 1-4 and the time it was handed out 5-10; settle 11-16
-- Reply:   empty; or 255, now (6 bytes) and the version of a record that cannot
--          be read.

local key, id, a = KEYS[1], ARGV[1], ARGV[2]
local v = redis.call('HGET', key, id)
if not v then
  return ''
end
if not readable(v) then
  return '\255' .. packed(now) .. v:sub(1, 1)
end

local n, handed = generation(v, 2), instant(a, 5)
local live = n ~= 0 and now < instant(v, 24)
local settled = handed ~= 0 and now >= math.max(handed, instant(v, 6)) + instant(a, 11)
if live and settled and n == generation(a, 1) and instant(v, 12) == 0 then
  redis.call('HSET', key, id, v:sub(1, 11) .. packed(now) .. v:sub(18))
end
return ''
