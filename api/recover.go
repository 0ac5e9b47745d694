package api

import (
	"fmt"
	"net/http"
	"runtime/debug"

	"github.com/fieldgate/fieldgate/api/problem"
)

// recoverPanic converts a panic to a 500. The stack is logged but not sent. If part of the
// response was already sent, recoverPanic panics with http.ErrAbortHandler, which breaks the
// connection. Otherwise the client could not see that the response is incomplete. A handler may
// also panic with http.ErrAbortHandler itself.
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
			started := problem.ResponseStarted(w)
			problem.Write(w, r, fmt.Errorf("panic: %v\n%s", cause, debug.Stack()))
			if started {
				panic(http.ErrAbortHandler)
			}
		}()
		next.ServeHTTP(w, r)
	})
}
