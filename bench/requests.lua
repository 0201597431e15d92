-- Requests drawn at random from a file: for each a line with its length, then its bytes.
-- Arguments: the file, a seed.
-- All are read before the first is sent, so that a draw costs the client next to nothing.

local requests = {}
local random = math.random

function init(arguments)
  local file = assert(io.open(arguments[1], "rb"))
  math.randomseed(tonumber(arguments[2]))
  local length = file:read("*l")
  while length do
    requests[#requests + 1] = file:read(tonumber(length))
    length = file:read("*l")
  end
  file:close()
end

function request()
  return requests[random(#requests)]
end
