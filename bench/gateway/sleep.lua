wrk.method = "POST"
wrk.body = '{"x": 1, "y": 2, "sleep": 0.05}'
wrk.headers["Content-Type"] = "application/json"
