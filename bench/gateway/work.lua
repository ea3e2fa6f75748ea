wrk.method = "POST"
wrk.body = '{"x": 1, "y": 2, "work": 20000}'
wrk.headers["Content-Type"] = "application/json"
