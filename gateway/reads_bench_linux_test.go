package gateway_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/gateway"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// BenchmarkHeaviestReads measures the processor time of one read by a viewer. The time
// includes the gateway and a client that discards the response. It does not include Redis,
// which runs in another process. The limit is 25 ms.
func BenchmarkHeaviestReads(b *testing.B) {
	still := func(c *gateway.Config) { c.ReconcileInterval = time.Hour }
	g := gatewaytest.Start(b, gatewaytest.WithRedis(storetest.Start(b).URL()), still)
	f := newFleet(b, g)
	f.finishCommands(b, 200)
	for range 2 {
		other := newFleetOf(b, g, f.tenantID)
		for range 100 {
			other.propose(b, review, parametersOf(31<<10))
		}
	}
	f.provisionDevices(b, 1101)
	session := "/api/v1/customer/sessions/" + f.session
	for name, path := range map[string]string{
		"session with 200 commands":   session,
		"commands of a session":       session + "/commands?limit=200",
		"approvals, large parameters": "/api/v1/customer/approvals?limit=200",
		"devices, one match":          "/api/v1/customer/devices?q=pump%2017&limit=200",
		"devices, no match":           "/api/v1/customer/devices?q=needle",
		"devices, all match":          "/api/v1/customer/devices?q=pump&limit=200",
	} {
		b.Run(name, func(b *testing.B) {
			token, start, size := g.Token(f.tenantID, "vera", "viewer"), processorTime(b), int64(0)
			for b.Loop() {
				size = responseSize(b, g.URL+path, token)
			}
			b.ReportMetric((processorTime(b)-start).Seconds()*1000/float64(b.N), "cpu-ms/op")
			b.ReportMetric(float64(size)/1024, "KiB/op")
		})
	}
}

// finishCommands finishes n commands with results of 256 KiB. The parameters of each
// command have 4 KiB, because lists omit larger parameters.
func (f *fleet) finishCommands(b *testing.B, n int) {
	b.Helper()
	for range n {
		f.propose(b, auto, parametersOf(4<<10))
		claimed := f.claim(b)
		result := succeeded(claimed)
		result.Output = strings.Repeat("x", 256<<10)
		_, err := f.device.SubmitResult(b.Context(), claimed.ID, result)
		require.NoError(b, err)
	}
}

func (f *fleet) provisionDevices(b *testing.B, n int) {
	b.Helper()
	tags := client.Tags{"site": "berlin", "line": "two", "owner": "operations"}
	for i := range n {
		_, err := f.alice.Provision(b.Context(), client.ProvisionDeviceRequest{Name: fmt.Sprint("Pump ", i), Tags: tags})
		require.NoError(b, err)
	}
}

// parametersOf returns a change that sets the parameters of a proposal. The parameters
// consist of many small values, and their total size is given in bytes.
func parametersOf(size int) func(*client.ProposeCommandRequest) {
	const value = `{"n":12345,"s":"abc"},`
	return func(r *client.ProposeCommandRequest) {
		r.Parameters = json.RawMessage(`{"a":[` + strings.Repeat(value, (size-16)/len(value)) + `0]}`)
	}
}

// processorTime returns the time that the process has spent on processors.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// responseSize sends a GET request and returns the size of the response, in bytes.
func responseSize(b *testing.B, url, token string) int64 {
	b.Helper()
	r, err := http.NewRequestWithContext(b.Context(), http.MethodGet, url, http.NoBody)
	require.NoError(b, err)
	r.Header.Set("Authorization", "Bearer "+token)
	response, err := http.DefaultClient.Do(r)
	require.NoError(b, err)
	defer response.Body.Close()
	require.Equal(b, http.StatusOK, response.StatusCode)
	size, err := io.Copy(io.Discard, response.Body)
	require.NoError(b, err)
	return size
}
