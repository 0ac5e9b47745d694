package storetest

import (
	"os/exec"
	"sync"
	"testing"
)

// hasRedis reports whether redis-server is installed.
var hasRedis = sync.OnceValue(func() bool {
	_, err := exec.LookPath(program())
	return err == nil
})

// skipWithoutRedis skips a test in short mode if redis-server is not installed. Without
// -short such a test fails instead, so that a complete run never leaves it out.
func skipWithoutRedis(t testing.TB) {
	t.Helper()
	if testing.Short() && !hasRedis() {
		t.Skip("redis-server is not installed")
	}
}
