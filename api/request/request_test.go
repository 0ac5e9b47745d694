package request_test

import (
	"context"
	"net/http"
	"net/netip"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/api/request"
)

func TestInfo_TravelsInContext(t *testing.T) {
	t.Parallel()
	r := &http.Request{}
	addr := netip.MustParseAddr("203.0.113.7")
	info := &request.Info{ID: "r-1", Addr: addr, Origin: "https://app.example.com", Operation: "claimCommands", HTTP: r}

	ctx := request.With(context.Background(), info)
	request.SetPrincipal(ctx, "ten_1", "device:dev_1")

	require.Equal(t, "r-1", request.ID(ctx))
	require.Equal(t, addr, request.Addr(ctx))
	require.Equal(t, "https://app.example.com", request.Origin(ctx))
	require.Equal(t, "claimCommands", request.Operation(ctx))
	require.Same(t, r, request.HTTP(ctx))
	require.Equal(t, "device:dev_1", info.Principal)
}

func TestInfo_EmptyOutsideOfRequest(t *testing.T) {
	t.Parallel()
	ctx := context.Background()

	request.SetPrincipal(ctx, "ten_1", "nobody")

	require.Equal(t, &request.Info{}, request.Of(ctx))
	require.False(t, request.Addr(ctx).IsValid())
}

func TestValidID_MatchesPattern(t *testing.T) {
	t.Parallel()
	pattern := regexp.MustCompile(`^[A-Za-z0-9._-]{1,128}$`)

	for c := range 256 {
		id := string([]byte{'a', byte(c), 'b'})
		require.Equal(t, pattern.MatchString(id), request.ValidID(id), "%q", id)
	}
	for _, id := range []string{"", "a", strings.Repeat("a", 128), strings.Repeat("a", 129), "é", "a\n"} {
		require.Equal(t, pattern.MatchString(id), request.ValidID(id), "%q", id)
	}
}

func TestNewID_IsValidAndUnique(t *testing.T) {
	t.Parallel()
	seen := make(map[string]bool)

	for range 1000 {
		id := request.NewID()
		require.True(t, request.ValidID(id))
		require.False(t, seen[id])
		seen[id] = true
	}
}
