-- Each request has the next one of many credentials.
local all, at = {}, 0

function init()
  for line in io.lines(os.getenv("CREDENTIALS")) do
    local name, value = line:match("^(%S+): (.*)$")
    all[#all + 1] = wrk.format("GET", nil, { [name] = value })
  end
end

function request()
  at = at % #all + 1
  return all[at]
end
