package measure

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/fieldgate/fieldgate/cmd/program"
	"github.com/fieldgate/fieldgate/device"
	"github.com/fieldgate/fieldgate/gateway"
	"github.com/fieldgate/fieldgate/queue"
	"github.com/fieldgate/fieldgate/ratelimit"
	"github.com/fieldgate/fieldgate/store"
)

// settings configure a child process.
type settings struct {
	RedisURL     string
	SupabaseURL  string
	AutoPipeline bool
	Attack       *attack
	Limited      bool // the rate limits are the defaults; otherwise they are too high to be reached
	Fleet        *sockets
	SigningKey   string // signs receipts; empty signs none
	Log          string // file of the gateway's log
}

// serve is the main function of a child process. It runs the server of the given role,
// prints the server's URL and returns the exit code. It ends when standard input is closed.
func serve(role string) int {
	var s settings
	err := json.Unmarshal([]byte(os.Getenv("FIELDGATE_MEASURED_SETTINGS")), &s)
	if err == nil {
		ctx, cancel := context.WithCancel(context.Background())
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin)
			cancel()
		}()
		switch role {
		case "gateway":
			err = serveGateway(ctx, s)
		case "floor":
			err = serveFloor(ctx, s)
		case "sockets":
			err = s.Fleet.serve(ctx)
		case "attack":
			err = json.NewEncoder(os.Stdout).Encode(s.Attack.run(ctx))
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// limits returns the rate limits. They are checked for every request, whatever they are.
func (s settings) limits() (ratelimit.Limits, device.Rate) {
	if s.Limited {
		return ratelimit.Defaults(), device.Rate{PerMinute: 1200, Burst: 300} // the default of FIELDGATE_RATE_DEVICE
	}
	high := ratelimit.Limit{PerMinute: 1e8, Burst: 1e7}
	return ratelimit.Limits{RegisterPerAddress: high, RegisterTotal: high, AuthPerAddress: high, PerTenant: high},
		device.Rate{PerMinute: high.PerMinute, Burst: high.Burst}
}

// handshakes returns the rate at which sockets may open.
func (s settings) handshakes() ratelimit.Limit {
	if s.Limited {
		return ratelimit.Limit{PerMinute: 30_000, Burst: 2_000} // the default of FIELDGATE_RATE_HANDSHAKES
	}
	return ratelimit.Limit{}
}

// serveGateway runs a gateway as in production, with its log and its background work.
func serveGateway(ctx context.Context, s settings) error {
	log, err := os.Create(s.Log)
	if err != nil {
		return err
	}
	defer log.Close()
	logger := slog.New(program.Buffered(log, 200*time.Millisecond, func(w io.Writer) slog.Handler { return slog.NewJSONHandler(w, nil) }))
	program.TuneMemory(logger)
	limits, deviceRate := s.limits()
	g, err := gateway.New(ctx, gateway.Config{
		Addr: "127.0.0.1:0", MetricsAddr: "127.0.0.1:0", RedisURL: s.RedisURL, SupabaseURL: s.SupabaseURL, AutoPipeline: s.AutoPipeline,
		DrainDelay: time.Millisecond, DrainWindow: time.Millisecond, Logger: logger,
		SigningKey: s.SigningKey,
		Limits:     limits, DeviceRate: deviceRate, HandshakeRate: s.handshakes(), ReconcileInterval: gateway.DefaultReconcileInterval,
	})
	if err != nil {
		return err
	}
	fmt.Println("http://" + g.Addr())
	return g.Run(ctx)
}

// serveFloor runs the smallest possible server of the queue. For each request, it decodes
// JSON, runs one script and encodes JSON. It does not authenticate callers or validate
// requests.
func serveFloor(ctx context.Context, s settings) error {
	st, err := store.Connect(ctx, store.Config{URL: s.RedisURL, AutoPipeline: s.AutoPipeline, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	defer st.Close()
	f := floor{queue.New(queue.Config{Store: st, Logger: slog.New(slog.DiscardHandler)})}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/v1/customer/sessions/{session}/commands", handleJSON(http.StatusCreated, f.propose))
	mux.HandleFunc("POST /api/v1/device/commands/claim", handleJSON(http.StatusOK, f.claim))
	mux.HandleFunc("POST /api/v1/device/commands/{command}/result", handleJSON(http.StatusOK, f.submitResult))
	fmt.Println("http://" + listener.Addr().String())
	go func() {
		<-ctx.Done()
		_ = listener.Close()
	}()
	_ = http.Serve(listener, mux)
	return nil
}

type floor struct{ queue *queue.Queue }

// handleJSON returns a handler that decodes the request, calls f and encodes its result.
func handleJSON[Q, A any](status int, f func(r *http.Request, request Q) (A, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var request Q
		if err := json.NewDecoder(r.Body).Decode(&request); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		response, err := f(r, request)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(response)
	}
}

func (f floor) propose(r *http.Request, request proposal) (command, error) {
	c, err := f.queue.Propose(r.Context(), queue.Proposal{
		Tenant: r.Header.Get("X-Tenant"), SessionID: r.PathValue("session"), UserID: "alice", RequestID: "r",
		Type: request.Type, Parameters: request.Parameters, Priority: 5,
	})
	return command{ID: c.ID}, err
}

func (f floor) claim(r *http.Request, _ struct{}) (claimed, error) {
	leases, err := f.queue.Claim(r.Context(), queue.ClaimRequest{
		Device: deviceOf(r), RequestID: "r", Limit: 1, Visibility: time.Minute,
	})
	var all claimed
	for _, l := range leases {
		all.Commands = append(all.Commands, command{ID: l.ID, ClaimToken: l.Token})
	}
	return all, err
}

func (f floor) submitResult(r *http.Request, sent result) (struct{}, error) {
	_, err := f.queue.SubmitResult(r.Context(),
		queue.ClaimRef{Device: deviceOf(r), CommandID: r.PathValue("command"), Token: sent.ClaimToken, RequestID: "r"},
		queue.Succeeded, queue.Result{Output: sent.Output})
	return struct{}{}, err
}

func deviceOf(r *http.Request) store.Device {
	return store.Device{Tenant: r.Header.Get("X-Tenant"), ID: r.Header.Get("X-Device")}
}
