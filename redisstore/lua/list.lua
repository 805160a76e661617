-- List: the user's sessions, expired ones included. Records of another version
-- are left out.
--
-- KEYS[1]  the user's hash
-- Reply:   now (6 bytes), then of each session the id (16 bytes), the length of the value
--          (2 bytes), and the value: the record and the details.

local all = redis.call('HGETALL', KEYS[1])
local parts = { packed(now) }
for i = 1, #all, 2 do
  local field, v = all[i], all[i + 1]
  if #field == 16 and readable(v) then
    local low = #v % 256
    parts[#parts + 1] = field .. string.char((#v - low) / 256, low)
    parts[#parts + 1] = v
  end
end
return table.concat(parts)
