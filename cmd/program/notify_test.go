package program_test

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/cmd/program"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
)

func TestNotifyReady_TellsServiceManagerOfStartAndStop(t *testing.T) {
	for name, socket := range map[string]string{
		"a path":             filepath.Join(t.TempDir(), "notify"),
		"the abstract space": "@fieldgate-test-" + filepath.Base(t.TempDir()) + t.Name(),
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("NOTIFY_SOCKET", socket)
			manager := gatewaytest.NewServiceManagerAt(t, socket)
			ctx, stop := context.WithCancel(t.Context())
			require.NoError(t, program.NotifyReady(ctx))
			require.Equal(t, "READY=1", manager.Next(t))
			stop()
			require.Equal(t, "STOPPING=1", manager.Next(t))
		})
	}
}

func TestNotifyReady_DoesNothingWithoutServiceManager(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	require.NoError(t, program.NotifyReady(t.Context()))
}

func TestNotifyReady_ReportsUnreachableServiceManager(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", filepath.Join(t.TempDir(), "absent"))
	require.ErrorContains(t, program.NotifyReady(t.Context()), "connecting to the service manager")
}
