package api

import (
	"fmt"
	"net/http"
	"runtime/debug"

	"github.com/fieldgate/fieldgate/api/problem"
)

// recoverPanic answers a panic like any other fault of ours. The stack goes to the
// log. Where half an answer is out, breaking the connection is the only way to tell
// the caller that it is not whole; http.ErrAbortHandler does that, here and when a
// handler panics with it.
func recoverPanic(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			cause := recover()
			if cause == nil {
				return
			}
			if cause == http.ErrAbortHandler {
				panic(cause)
			}
			begun := problem.Begun(w)
			problem.Write(w, r, fmt.Errorf("panic: %v\n%s", cause, debug.Stack()))
			if begun {
				panic(http.ErrAbortHandler)
			}
		}()
		next.ServeHTTP(w, r)
	})
}
