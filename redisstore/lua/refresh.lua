-- Refresh: session.Refresh, in one step. The comments of that function explain the rule.
--
-- KEYS[1]  the user's hash
-- ARGV[1]  the session's id
-- ARGV[2]  generation 1-4, issued 5-10, expires 11-16, handed 17-22 as
--          presented; grace 23-28, settle 29-34, idle 35-40, lifetime 41-46;
--          byte 47 is 1 if reuse ends all sessions of the user, plus 2 if idle
--          counts from the last activity; the generation after the one presented
--          48-51; how long ago a person was active, plus 1, or 0 if none is known
--          52-57
-- Reply:   outcome (1 byte: session.Outcome), now (6 bytes), and the record if
--          one remains; or 255, now and the version of a record that cannot be
--          read.
--
-- The outcome missing signs users out, so a server that does not accept writes must not return
-- it: a replica or a deposed master may have missed the session. Before it, the script makes a
-- write that changes nothing, to a field that no session has. Such a server refuses the write, and
-- the call fails instead. All other outcomes that end a session write in any case.
--
-- This script runs far more often than the others, and a script creates its functions anew in
-- every call. So it decodes numbers in place, and only those that it needs. With the functions of
-- record.lua it would be a fifth slower.

local key, id, a = KEYS[1], ARGV[1], ARGV[2]
local time = redis.call('TIME')
local millis = time[2] / 1000
local now = time[1] * 1000 + (millis - millis % 1)

-- at is now as six bytes.
local low = now % 16777216
local high = (now - low) / 16777216
local p, q, r, s = high % 65536, high % 256, low % 65536, low % 256
local at = string.char((high - p) / 65536, (p - q) / 256, q, (low - r) / 65536, (r - s) / 256, s)

local v = redis.call('HGET', key, id)
if not v then
  redis.call('HDEL', key, '')
  return '\0' .. at -- missing
end
local version, n1, n2, n3, n4, _, _, _, _, _, _, f1, f2, f3, f4, f5, f6, c1, c2, c3, c4, c5, c6, e1, e2, e3, e4, e5, e6 =
  v:byte(1, 29)
if #v < 29 or version ~= 1 then
  return '\255' .. at .. v:sub(1, 1)
end
local n = ((n1 * 256 + n2) * 256 + n3) * 256 + n4
local expires = ((((e1 * 256 + e2) * 256 + e3) * 256 + e4) * 256 + e5) * 256 + e6
if n == 0 or now >= expires then
  redis.call('HDEL', key, '')
  return '\0' .. at -- missing
end

local g1, g2, g3, g4 = a:byte(1, 4)
local g = ((g1 * 256 + g2) * 256 + g3) * 256 + g4
local confirmed = ((((f1 * 256 + f2) * 256 + f3) * 256 + f4) * 256 + f5) * 256 + f6
local grace = 0 -- counts from confirmed
if confirmed ~= 0 then
  local w1, w2, w3, w4, w5, w6 = a:byte(23, 28)
  grace = ((((w1 * 256 + w2) * 256 + w3) * 256 + w4) * 256 + w5) * 256 + w6
end
local rotates = g == n and (n == 1 or (confirmed ~= 0 and now > confirmed + 2 * grace))
local settled = false
if g >= n and not rotates then
  local h1, h2, h3, h4, h5, h6, _, _, _, _, _, _, s1, s2, s3, s4, s5, s6 = a:byte(17, 34)
  local handed = ((((h1 * 256 + h2) * 256 + h3) * 256 + h4) * 256 + h5) * 256 + h6
  local settle = ((((s1 * 256 + s2) * 256 + s3) * 256 + s4) * 256 + s5) * 256 + s6
  settled = handed ~= 0 and now >= handed + settle
end

local flags = a:byte(47)
local by_activity = flags >= 2
local ends, ends_packed = expires, nil
if rotates or by_activity then
  local i1, i2, i3, i4, i5, i6, l1, l2, l3, l4, l5, l6 = a:byte(35, 46)
  local idle = ((((i1 * 256 + i2) * 256 + i3) * 256 + i4) * 256 + i5) * 256 + i6
  local limit = ((((c1 * 256 + c2) * 256 + c3) * 256 + c4) * 256 + c5) * 256 + c6
    + ((((l1 * 256 + l2) * 256 + l3) * 256 + l4) * 256 + l5) * 256 + l6
  if limit > now + idle then
    limit = now + idle
  end
  if by_activity then
    local x1, x2, x3, x4, x5, x6 = a:byte(11, 16)
    local handed_out = ((((x1 * 256 + x2) * 256 + x3) * 256 + x4) * 256 + x5) * 256 + x6
    if g > n and handed_out > ends then
      ends = handed_out
    end
    local o1, o2, o3, o4, o5, o6 = a:byte(52, 57)
    local ago = ((((o1 * 256 + o2) * 256 + o3) * 256 + o4) * 256 + o5) * 256 + o6 - 1
    if ago >= 0 and now - ago + idle > ends then
      ends = now - ago + idle
    end
  end
  if ends > limit or not by_activity then
    ends = limit
  end
  low = ends % 16777216
  high = (ends - low) / 16777216
  p, q, r, s = high % 65536, high % 256, low % 65536, low % 256
  ends_packed = string.char((high - p) / 65536, (p - q) / 256, q, (low - r) / 65536, (r - s) / 256, s)
end

local outcome
if rotates then
  outcome = '\1' -- rotated
  v = '\1' .. a:sub(48, 51) .. at .. '\0\0\0\0\0\0' .. v:sub(18, 23) .. ends_packed .. v:sub(30)
elseif g > n then
  if not by_activity then
    local x1, x2, x3, x4, x5, x6 = a:byte(11, 16)
    ends = ((((x1 * 256 + x2) * 256 + x3) * 256 + x4) * 256 + x5) * 256 + x6
    if now >= ends then
      redis.call('HDEL', key, '')
      return '\0' .. at .. v -- missing
    end
  end
  outcome = '\4' -- adopted
  v = '\1' .. a:sub(1, 10) .. (settled and at or '\0\0\0\0\0\0')
    .. v:sub(18, 23) .. (ends_packed or a:sub(11, 16)) .. v:sub(30)
elseif g == n then
  outcome = '\2' -- current
  local confirms = confirmed == 0 and settled
  if not confirms and ends == expires then
    return outcome .. at .. v
  end
  v = v:sub(1, 11) .. (confirms and at or v:sub(12, 17)) .. v:sub(18, 23)
    .. (ends_packed or v:sub(24, 29)) .. v:sub(30)
elseif g == n - 1 and g ~= 0 and (confirmed == 0 or now <= confirmed + grace) then
  outcome = '\3' -- repeated
  if ends == expires then
    return outcome .. at .. v
  end
  v = v:sub(1, 23) .. ends_packed .. v:sub(30)
else
  if flags % 2 == 1 then
    redis.call('DEL', key)
  else
    redis.call('HDEL', key, id)
  end
  return '\5' .. at -- reused
end

redis.call('HSET', key, id, v)
local day = ends - ends % 86400000
if day > expires - expires % 86400000 then -- as extend in record.lua
  day = day + 86400000
  local left = redis.call('PTTL', key)
  if left >= 0 and now + left < day then
    redis.call('PEXPIREAT', key, string.format('%.0f', day))
  end
end
return outcome .. at .. v
