package fieldgate_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	fieldgate "github.com/fieldgate/fieldgate/clients/go"
)

func TestIdempotencyKey_IsSent(t *testing.T) {
	t.Parallel()
	var keys []string
	gateway := serve(t, func(w http.ResponseWriter, r *http.Request) {
		keys = append(keys, r.Header.Get("Idempotency-Key"))
		writeJSON(w, http.StatusCreated, map[string]any{})
	})
	device, customer := gateway.DeviceWithToken(fieldgate.Bearer("token")), gateway.Customer(fieldgate.Bearer("JWT"))
	for _, call := range []func(context.Context, ...fieldgate.CallOption) error{
		func(ctx context.Context, o ...fieldgate.CallOption) error {
			_, err := gateway.Register(ctx, fieldgate.RegisterDeviceRequest{}, o...)
			return err
		},
		func(ctx context.Context, o ...fieldgate.CallOption) error {
			_, err := device.Claim(ctx, fieldgate.ClaimRequest{}, o...)
			return err
		},
		func(ctx context.Context, o ...fieldgate.CallOption) error {
			_, err := customer.Provision(ctx, fieldgate.ProvisionDeviceRequest{}, o...)
			return err
		},
		func(ctx context.Context, o ...fieldgate.CallOption) error {
			_, err := customer.IssueActivationCode(ctx, deviceID, o...)
			return err
		},
		func(ctx context.Context, o ...fieldgate.CallOption) error {
			_, err := customer.OpenSession(ctx, fieldgate.OpenSessionRequest{}, o...)
			return err
		},
		func(ctx context.Context, o ...fieldgate.CallOption) error {
			_, err := customer.Propose(ctx, sessionID, fieldgate.ProposeCommandRequest{}, o...)
			return err
		},
		func(ctx context.Context, o ...fieldgate.CallOption) error {
			_, err := customer.Retry(ctx, sessionID, commandID, "", o...)
			return err
		},
	} {
		keys = nil
		require.NoError(t, call(t.Context()))
		require.NoError(t, call(t.Context(), fieldgate.WithIdempotencyKey("key-1")))
		require.Equal(t, []string{"", "key-1"}, keys)
	}
}
