-- Create: begins a session of the user, as session.Begin does. It removes expired sessions. If the
-- user would then have more than max, it also removes those that were issued a token least
-- recently, as session.MakeRoom does. It neither counts nor removes records of another version,
-- because only the code that wrote them knows whether they have expired.
--
-- KEYS[1]  the user's hash
-- ARGV[1]  the new session's id
-- ARGV[2]  idle 1-6, lifetime 7-12, max 13-16; byte 17 is 1 if the session is to be refused when
--          there are max already
-- ARGV[3]  the details, or empty
-- ARGV[4]  ids of sessions that are neither counted nor removed, 16 bytes each
-- Reply:   now (6 bytes), the record without the details, the ids of the live sessions that were
--          removed; or now alone if the session is refused.

local key, id, a, details = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
local max = generation(a, 13)
local former = {}
for i = 1, #ARGV[4], 16 do
  former[ARGV[4]:sub(i, i + 15)] = true
end

-- acting reports whether the details at i name someone who acts as the user.
local function acting(s, i)
  return #s >= i and s:byte(i) >= 128
end
local ends = now + math.min(instant(a, 1), instant(a, 7))
local at = packed(now)
local record = '\1\0\0\0\1' .. at .. '\0\0\0\0\0\0' .. at .. packed(ends)

local all = redis.call('HGETALL', key)
local gone, live = {}, {}
for i = 1, #all, 2 do
  local field, v = all[i], all[i + 1]
  if field ~= id and readable(v) then
    if generation(v, 2) == 0 or now >= instant(v, 24) then
      gone[#gone + 1] = field
    elseif not former[field] and not acting(v, 30) then
      live[#live + 1] = { id = field, issued = instant(v, 6) }
    end
  end
end

local ended = {}
if #live >= max and not acting(details, 1) then
  if a:byte(17) == 1 then
    redis.call('HDEL', key, '') -- fails on a server that does not accept writes, as in refresh.lua
    return at
  end
  -- Ids are compared byte by byte, because < on strings depends on the server's locale.
  table.sort(live, function(x, y)
    if x.issued ~= y.issued then
      return x.issued < y.issued
    end
    for i = 1, 16 do
      local p, q = x.id:byte(i) or -1, y.id:byte(i) or -1
      if p ~= q then
        return p < q
      end
    end
    return false
  end)
  for i = 1, #live - max + 1 do
    gone[#gone + 1] = live[i].id
    ended[i] = live[i].id
  end
end

-- HSET comes first, because a server without free memory refuses it and accepts HDEL. So a refusal
-- changes nothing.
redis.call('HSET', key, id, record .. details)
for _, field in ipairs(gone) do
  redis.call('HDEL', key, field)
end
extend(key, now, day(ends), #all == 0)
return at .. record .. table.concat(ended)
