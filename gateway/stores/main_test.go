package stores_test

import (
	"flag"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) {
	flag.Parse()
	if testing.Short() {
		fmt.Fprintln(os.Stderr, "the tests of the kinds of stores are skipped in short mode")
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// eventually waits until a condition holds. If it does not hold within 30 seconds, the test
// fails.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	require.Eventually(t, condition, 30*time.Second, 10*time.Millisecond, what)
}
