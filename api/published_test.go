package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/api/apitest"
	"github.com/fieldgate/fieldgate/generated"
)

// server implements the operations that a test sets. All others panic.
type server struct {
	generated.StrictServerInterface
	claim   func(context.Context, generated.ClaimCommandsRequestObject) (generated.ClaimCommandsResponseObject, error)
	propose func(context.Context, generated.ProposeCommandRequestObject) (generated.ProposeCommandResponseObject, error)
	list    func(context.Context, generated.ListDevicesRequestObject) (generated.ListDevicesResponseObject, error)
}

func (s server) ClaimCommands(ctx context.Context, r generated.ClaimCommandsRequestObject) (generated.ClaimCommandsResponseObject, error) {
	return s.claim(ctx, r)
}

func (s server) ProposeCommand(ctx context.Context, r generated.ProposeCommandRequestObject) (generated.ProposeCommandResponseObject, error) {
	return s.propose(ctx, r)
}

func (s server) ListDevices(ctx context.Context, r generated.ListDevicesRequestObject) (generated.ListDevicesResponseObject, error) {
	return s.list(ctx, r)
}

// publishedConfig returns the configuration of an edge with the published contract.
func publishedConfig(s generated.StrictServerInterface) Config {
	return Config{
		Server:         s,
		Authenticators: map[string]Authenticator{"deviceSession": authenticate, "customerJWT": authenticate},
		Authorize:      func(context.Context, string) error { return nil },
		Registerer:     prometheus.NewRegistry(),
	}
}

// ask sends a request to the published edge over a real connection and checks the
// response against the contract.
func ask(t testing.TB, config Config, method, target, body string, header ...string) *http.Response {
	t.Helper()
	handler, err := New(config)
	require.NoError(t, err)
	client, url := apitest.Client(t, handler)
	r, err := http.NewRequest(method, url+target, strings.NewReader(body))
	require.NoError(t, err)
	setHeaders(r, header)
	response, err := client.Do(r)
	require.NoError(t, err)
	t.Cleanup(func() { response.Body.Close() })
	return response
}

const (
	claimPath   = "/api/v1/device/commands/claim"
	proposePath = "/api/v1/customer/sessions/ses_7k01jd3qb5w8k2r6f0d4s7g1p3en/commands"
)

func TestRouter_ServesExactlyTheContract(t *testing.T) {
	t.Parallel()
	config := publishedConfig(server{})
	e, err := newEdge(config)
	require.NoError(t, err)
	handler, err := New(publishedConfig(server{}))
	require.NoError(t, err)
	var served []route
	require.NoError(t, chi.Walk(handler.(chi.Routes), func(method, pattern string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		page := strings.HasPrefix(pattern, "/docs/") || pattern == "/" || strings.HasPrefix(pattern, "/console")
		if method != http.MethodHead && !page {
			served = append(served, route{method, pattern})
		}
		return nil
	}))

	require.ElementsMatch(t, keys(e.contract.operations), served)
}

func TestClaim_WithoutBodyHasDefaults(t *testing.T) {
	t.Parallel()
	var claimed generated.ClaimCommandsRequestObject
	config := publishedConfig(server{claim: func(_ context.Context, r generated.ClaimCommandsRequestObject) (generated.ClaimCommandsResponseObject, error) {
		claimed = r
		return generated.ClaimCommands200JSONResponse{Commands: []generated.ClaimedCommand{}}, nil
	}})

	response := ask(t, config, http.MethodPost, claimPath, "", authLine)

	require.Equal(t, http.StatusOK, response.StatusCode)
	require.Equal(t, &generated.ClaimRequest{Limit: 1, VisibilityTimeoutMs: 300000}, claimed.Body)
}

func TestPropose_ParametersKeepEveryDigit(t *testing.T) {
	t.Parallel()
	var proposed generated.ProposeCommandRequestObject
	config := publishedConfig(server{propose: func(_ context.Context, r generated.ProposeCommandRequestObject) (generated.ProposeCommandResponseObject, error) {
		proposed = r
		return nil, fieldgate.Refuse(fieldgate.CodeSessionClosed, "The session is closed.")
	}})
	body := `{"type":"service.restart","parameters":{"serial":9007199254740993,"Serial":0.10,"tag":"<&>"}}`

	response := ask(t, config, http.MethodPost, proposePath, body, jsonLine, authLine)

	requireProblem(t, response, fieldgate.CodeSessionClosed)
	require.JSONEq(t, `{"serial":9007199254740993,"Serial":0.10,"tag":"<&>"}`, string(proposed.Body.Parameters))
	require.Contains(t, string(proposed.Body.Parameters), `"serial":9007199254740993`)
}

func TestListDevices_DefaultsReachHandler(t *testing.T) {
	t.Parallel()
	var listed generated.ListDevicesRequestObject
	config := publishedConfig(server{list: func(_ context.Context, r generated.ListDevicesRequestObject) (generated.ListDevicesResponseObject, error) {
		listed = r
		return generated.ListDevices200JSONResponse{Items: []generated.Device{}}, nil
	}})

	response := ask(t, config, http.MethodGet, "/api/v1/customer/devices", "", authLine)

	require.Equal(t, http.StatusOK, response.StatusCode)
	require.NotNil(t, listed.Params.Limit)
	require.Equal(t, 50, *listed.Params.Limit)
}

func TestBinding_ValueOfWrongGoTypeIsValidationError(t *testing.T) {
	t.Parallel()

	for _, body := range []string{`{"limit":1.0}`, `{"limit":1e0}`, `{"waitMs":-0.0}`} {
		response := ask(t, publishedConfig(server{}), http.MethodPost, claimPath, body, jsonLine, authLine)

		document := requireProblem(t, response, fieldgate.CodeValidationFailed)
		require.Equal(t, "type", document.Errors[0].Keyword)
	}
}

func TestBinding_GeneratedErrorIsValidationError(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	e, err := newEdge(publishedConfig(server{}))
	require.NoError(t, err)

	e.refuseBinding(w, httptest.NewRequest(http.MethodGet, "/", nil), &generated.InvalidParamFormatError{
		ParamName: "limit", Err: errors.New("parsing s3cret"),
	})

	document := requireProblem(t, w.Result(), fieldgate.CodeValidationFailed)
	require.NotContains(t, fmt.Sprint(document), secret)
}

func TestHandler_ErrorBecomesProblem(t *testing.T) {
	t.Parallel()

	for name, c := range map[string]struct {
		err  error
		code fieldgate.Code
	}{
		"a refusal":         {fieldgate.Refuse(fieldgate.CodeSessionNotFound, "There is no such session."), fieldgate.CodeSessionNotFound},
		"a wrapped refusal": {fmt.Errorf("proposing: %w", fieldgate.Refuse(fieldgate.CodeSessionClosed, "")), fieldgate.CodeSessionClosed},
		"any other error":   {errors.New("EVALSHA at 10.0.0.1: broken"), fieldgate.CodeInternal},
		"an unknown code":   {fieldgate.Refuse("made_up", "10.0.0.1"), fieldgate.CodeInternal},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := publishedConfig(server{propose: func(context.Context, generated.ProposeCommandRequestObject) (generated.ProposeCommandResponseObject, error) {
				return nil, c.err
			}})

			response := ask(t, config, http.MethodPost, proposePath, `{"type":"service.restart"}`, jsonLine, authLine)

			document := requireProblem(t, response, c.code)
			require.NotContains(t, fmt.Sprint(document), "10.0.0.1")
		})
	}
}

func TestHandler_MissingIsInternalError(t *testing.T) {
	t.Parallel()

	requireProblem(t, ask(t, publishedConfig(server{}), http.MethodPost, claimPath, "", authLine), fieldgate.CodeInternal)
}

func TestDocs_ServesPublishedContract(t *testing.T) {
	t.Parallel()

	for _, path := range []string{"/docs", "/openapi.yaml", "/openapi.json"} {
		require.Equal(t, http.StatusOK, ask(t, publishedConfig(server{}), http.MethodGet, path, "").StatusCode)
	}
}

// TestContract_CostsAtMost130Allocations limits allocations, which are the same on every
// machine. The limit on time is in the benchmark.
func TestContract_CostsAtMost130Allocations(t *testing.T) {
	for _, request := range benchmarkRequests {
		e, mount := benchmarkEdge(t)
		bare, guarded := benchmarkHandlers(e, mount)
		price := request.allocations(guarded) - request.allocations(bare)

		t.Logf("%s: %.0f allocations", request.name, price)
		require.LessOrEqual(t, price, 130.0, request.name)
	}
}

// TestPublished_RequestsChangeNothing serves requests that violate the contract or need its
// defaults, on two edges at once. Both share the parsed contract.
func TestPublished_RequestsChangeNothing(t *testing.T) {
	t.Parallel()
	before, err := load(fieldgate.Spec)
	require.NoError(t, err)
	refuse := server{
		claim: func(context.Context, generated.ClaimCommandsRequestObject) (generated.ClaimCommandsResponseObject, error) {
			return nil, fieldgate.Refuse(fieldgate.CodeUnauthorized, "")
		},
		propose: func(context.Context, generated.ProposeCommandRequestObject) (generated.ProposeCommandResponseObject, error) {
			return nil, fieldgate.Refuse(fieldgate.CodeSessionClosed, "")
		},
	}

	var asking sync.WaitGroup
	for range 2 {
		asking.Go(func() {
			ask(t, publishedConfig(refuse), http.MethodPost, claimPath, "{}", jsonLine, authLine)
			ask(t, publishedConfig(refuse), http.MethodPost, claimPath, `{"limit":0,"more":1}`, jsonLine, authLine)
			ask(t, publishedConfig(refuse), http.MethodPost, proposePath, `{"type":"service.restart"}`, jsonLine, authLine)
			ask(t, publishedConfig(refuse), http.MethodGet, "/api/v1/customer/devices?limit=0", "", authLine)
		})
	}
	asking.Wait()

	shared, err := published()
	require.NoError(t, err)
	require.True(t, jsonOf(t, before) == jsonOf(t, shared.document), "a request changed the contract")
}

func jsonOf(t testing.TB, document *openapi3.T) string {
	t.Helper()
	text, err := document.MarshalJSON()
	require.NoError(t, err)
	return string(text)
}
