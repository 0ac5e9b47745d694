package api

import (
	"fmt"
	"net/http"
	"runtime/debug"

	"github.com/fieldgate/fieldgate/api/problem"
)

// recoverPanic converts a panic into a 500. The stack is logged and not sent. If part of
// the response has been sent, it breaks the connection with http.ErrAbortHandler, because
// nothing else shows the client that the response is incomplete. A handler may panic with
// http.ErrAbortHandler itself.
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
