-- Create: session.Begin as a new session of the user. It removes expired sessions and, if the
-- user would have more than max, those that were least recently issued a token. Records of
-- another version are neither counted nor removed, because only the code that wrote them knows
-- whether they have expired.
--
-- KEYS[1]  the user's hash
-- ARGV[1]  the new session's id
-- ARGV[2]  idle 1-6, lifetime 7-12, max 13-16
-- Reply:   now (6 bytes), the record.

local key, id, a = KEYS[1], ARGV[1], ARGV[2]
local max = generation(a, 13)
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
    else
      live[#live + 1] = { id = field, issued = instant(v, 6) }
    end
  end
end

if #live >= max then
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
  end
end

-- The write that a server without free memory refuses comes first, so that a refusal changes
-- nothing.
redis.call('HSET', key, id, record)
for _, field in ipairs(gone) do
  redis.call('HDEL', key, field)
end
extend(key, now, day(ends), #all == 0)
return at .. record
