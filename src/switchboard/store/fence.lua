-- Put before every script.

-- Whether the answer of redis.pcall says that the key holds another type of value than ours.
local function is_wrong_type(answer)
  return type(answer) == 'table' and answer.err and string.find(answer.err, 'WRONGTYPE') ~= nil
end

-- The text that a key holds; false if there is none, or if the key holds another type of value: SET replaces that.
local function text_of(key)
  local answer = redis.pcall('GET', key)
  if is_wrong_type(answer) then
    return false
  elseif type(answer) == 'table' and answer.err then
    error(answer.err)
  end
  return answer
end

-- A whole number below 2^53, which Lua holds exactly; nil for anything else.
local function whole(value)
  local number = tonumber(value)
  if number and number >= 0 and number < 9007199254740992 and number % 1 == 0 then
    return number
  end
  return nil
end

-- The table that a JSON text holds; an empty one for anything else.
local function decoded(text)
  local readable, value = pcall(cjson.decode, text or '')
  if readable and type(value) == 'table' then
    return value
  end
  return {}
end

-- Whether the lease is held by owner:epoch, and the call was sent no earlier than one renewal ago: a call that was
-- delayed for longer could confirm what is not true any more.
local function is_held(lease, holder, n)
  local held, renewals = string.match(lease or '', '^(.*):(%d+)$')
  local delay = held == holder and tonumber(renewals) - tonumber(n)
  return delay == 0 or delay == 1
end
