package generated_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/generated"
)

func TestModels_FreeFormJSONKeepsItsBytes(t *testing.T) {
	t.Parallel()

	parameters := `{"serial":9007199254740993,"ratio":1.10}`
	var proposal generated.ProposeCommandRequest
	require.NoError(t, json.Unmarshal([]byte(`{"type":"x","parameters":`+parameters+`}`), &proposal))
	require.Equal(t, parameters, string(proposal.Parameters))

	text, err := json.Marshal(generated.ClaimedCommand{Parameters: proposal.Parameters})
	require.NoError(t, err)
	require.Contains(t, string(text), `"parameters":`+parameters)
}

func TestModels_OptionalFieldsAreOmittedWhenZero(t *testing.T) {
	t.Parallel()

	text, err := json.Marshal(generated.Device{Tags: generated.Tags{}})

	require.NoError(t, err)
	require.JSONEq(t, `{"id":"","name":"","tags":{},"status":"","presence":"","createdAt":"0001-01-01T00:00:00.000Z"}`, string(text))
}

func TestModels_MeaningfulZerosAreWritten(t *testing.T) {
	t.Parallel()

	none, no := 0, false
	for want, response := range map[string]any{
		`"pendingCommands":0`: generated.Device{PendingCommands: &none},
		`"metrics":{}`:        generated.Device{Metrics: generated.Metrics{}},
		`"commands":[]`:       generated.Session{Commands: []generated.Command{}},
		`"attempts":[]`:       generated.Command{Parameters: json.RawMessage(`{}`), Attempts: []generated.CommandAttempt{}},
		`"mayDecide":false`:   generated.Command{Parameters: json.RawMessage(`{}`), MayDecide: &no},
		`"result":{}`:         generated.Command{Parameters: json.RawMessage(`{}`), Result: &generated.CommandResult{}},
	} {
		text, err := json.Marshal(response)
		require.NoError(t, err, want)
		require.Contains(t, string(text), want)
	}
}

// TestModels_FieldsOfUpdatesMayBeAbsent requires a type that can be nil for each field of the
// request that changes a device. A field of another type would be erased by each request
// without it: overlay.yaml lists such fields.
func TestModels_FieldsOfUpdatesMayBeAbsent(t *testing.T) {
	t.Parallel()
	for field := range reflect.TypeFor[generated.UpdateDeviceRequest]().Fields() {
		require.Contains(t, []reflect.Kind{reflect.Pointer, reflect.Map, reflect.Slice}, field.Type.Kind(), field.Name)
	}
}

func TestModels_UpdateDistinguishesAbsentFromEmpty(t *testing.T) {
	t.Parallel()

	var absent, empty generated.UpdateDeviceRequest
	require.NoError(t, json.Unmarshal([]byte(`{}`), &absent))
	require.NoError(t, json.Unmarshal([]byte(`{"location":"","tags":{}}`), &empty))

	require.Nil(t, absent.Location)
	require.Nil(t, absent.Tags)
	require.Empty(t, *empty.Location)
	require.NotNil(t, empty.Tags)
}

func TestServer_ParametersArriveUnchanged(t *testing.T) {
	t.Parallel()

	server := &recordingServer{}
	handler := serve(server)

	status := get(handler, "/api/v1/customer/sessions/ses_x/events?since=2025-11-22T21:15:04.120%2B01:00&limit=7")
	require.Equal(t, 200, status)
	require.Equal(t, 7, *server.params.Limit)
	require.Nil(t, server.params.Cursor)
	require.True(t, server.params.Since.Equal(time.Date(2025, 11, 22, 20, 15, 4, 120e6, time.UTC)))

	require.Equal(t, 400, get(handler, "/api/v1/customer/sessions/ses_x/events?since=yesterday"))
}

func TestServer_AbsentOptionalBodyIsNil(t *testing.T) {
	t.Parallel()

	server := &recordingServer{}
	response := httptest.NewRecorder()
	serve(server).ServeHTTP(response, httptest.NewRequest(http.MethodPost, "/api/v1/device/commands/claim", strings.NewReader("")))

	require.Equal(t, 200, response.Code)
	require.JSONEq(t, `{"commands":[]}`, response.Body.String())
	require.Nil(t, server.body)
}

// recordingServer implements two operations and records their arguments.
type recordingServer struct {
	generated.StrictServerInterface
	params generated.ListSessionEventsParams
	body   *generated.ClaimRequest
}

func (e *recordingServer) ListSessionEvents(_ context.Context, request generated.ListSessionEventsRequestObject) (generated.ListSessionEventsResponseObject, error) {
	e.params = request.Params
	return generated.ListSessionEvents200JSONResponse{Items: []generated.Event{{Time: fieldgate.At(time.Now())}}}, nil
}

func (e *recordingServer) ClaimCommands(_ context.Context, request generated.ClaimCommandsRequestObject) (generated.ClaimCommandsResponseObject, error) {
	e.body = request.Body
	return generated.ClaimCommands200JSONResponse{Commands: []generated.ClaimedCommand{}}, nil
}

func serve(server generated.StrictServerInterface) http.Handler {
	return generated.Handler(generated.NewStrictHandler(server, nil))
}

func get(handler http.Handler, target string) int {
	response := httptest.NewRecorder()
	handler.ServeHTTP(response, httptest.NewRequest(http.MethodGet, target, nil))
	return response.Code
}
