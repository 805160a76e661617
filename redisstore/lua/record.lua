-- The shared beginning of the scripts. It describes how a session's record is stored. refresh.lua
-- does not use these functions and has their code in place.
--
--   byte  1      version, 1
--   bytes 2-5    generation
--   bytes 6-11   when that generation was made
--   bytes 12-17  when it was confirmed, or 0 if it was not
--   bytes 18-23  when the session began
--   bytes 24-29  when it ends unless it is refreshed
--   from 30 on   its details, if it has any; codec.go describes them
--
-- Numbers are big-endian; times are milliseconds since 1970. A Lua number is a double. It is
-- exact for these 48 bits but printed as 1e+15 if it is large, so numbers are packed and
-- unpacked, never printed.

local function generation(s, i)
  local a, b, c, d = s:byte(i, i + 3)
  return ((a * 256 + b) * 256 + c) * 256 + d
end

local function instant(s, i)
  local a, b, c, d, e, f = s:byte(i, i + 5)
  return ((((a * 256 + b) * 256 + c) * 256 + d) * 256 + e) * 256 + f
end

-- packed returns n as six bytes.
local function packed(n)
  local low = n % 16777216
  local high = (n - low) / 16777216
  local c, f = high % 256, low % 256
  high, low = (high - c) / 256, (low - f) / 256
  local b, e = high % 256, low % 256
  return string.char((high - b) / 256, b, c, (low - e) / 256, e, f)
end

local function readable(v)
  return #v >= 29 and v:byte() == 1
end

-- The key expires, so that users who do not come back leave nothing behind. It expires at or after
-- the end of the day (UTC) in which the last of the user's sessions ends. So only a rotation that
-- extends a session into another day moves the expiry. The expiry never becomes earlier, because
-- that would end other sessions early.
local function day(at)
  return at - at % 86400000 + 86400000
end

local function extend(key, now, at, is_new)
  local left = redis.call('PTTL', key)
  if is_new or (left >= 0 and now + left < at) then
    redis.call('PEXPIREAT', key, string.format('%.0f', at))
  end
end

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
