"""The server inside a pod: it imports one user function and answers calls to it over HTTP/1.1."""
