-- http-request lua.verify URL: lets a request pass if Faregate at URL permits it, and passes its refusal on if not.

local function field(txn, name)
    return txn.sf:req_fhdr(name)
end

local function verify(txn, faregate)
    local asked = {
        ["host"] = { field(txn, "host") },
        ["x-original-method"] = { txn.sf:method() },
        ["x-original-uri"] = { txn.sf:pathq() },
    }
    -- Every value, so that two tokens are two tokens there too.
    for _, name in ipairs({ "authorization", "dpop", "accept" }) do
        local values = txn.http:req_get_headers()[name]
        if values then
            asked[name] = {}
            for index, value in pairs(values) do
                asked[name][index + 1] = value
            end
        end
    end
    local answer = core.httpclient():get({ url = faregate .. "/_faregate/verify", headers = asked, timeout = 2000 })

    if answer and answer.status == 200 then
        for name, values in pairs(answer.headers) do
            if name:find("^x%-auth%-") and values[0] ~= "" then
                txn.http:req_set_header(name, values[0])
            end
        end
        return
    end
    -- Nobody answered, or not with a decision: nobody gets through.
    local decided = answer and (answer.status == 401 or answer.status == 403)
    local reply = txn:reply({ status = decided and answer.status or 503 })
    if decided then
        for _, name in ipairs({ "www-authenticate", "dpop-nonce", "content-type", "x-request-id" }) do
            for _, value in pairs(answer.headers[name] or {}) do
                reply:add_header(name, value)
            end
        end
        reply:set_body(answer.body)
    end
    txn:done(reply)
end

core.register_action("verify", { "http-req" }, verify, 1)
