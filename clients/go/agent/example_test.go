package agent_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"

	"github.com/fieldgate/fieldgate/clients/go/agent"
)

// Example registers a device and runs its agent. Run returns when its context ends. Here the
// context ends after the gateway has received the result.
func Example() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	url := exampleGateway(cancel)
	dir, err := os.MkdirTemp("", "pump-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

	device, err := agent.New(agent.Config{
		URL:            url,
		StateFile:      filepath.Join(dir, "device.json"), // a real device needs a directory that survives a reboot
		ActivationCode: "7K2M-Q9TX-4WPA",
		Version:        "2.8.1",
		Logger:         slog.New(slog.DiscardHandler),
	})
	if err != nil {
		log.Fatal(err)
	}
	device.Handle("service.restart", func(ctx context.Context, command agent.Command) (agent.Result, error) {
		parameters, err := agent.Parameters[struct {
			Service string `json:"service"`
		}](command)
		if err != nil {
			return agent.Result{}, err
		}
		if parameters.Service != "telemetry" {
			return agent.Result{}, agent.Fail("unknown_service", "there is no such service on this device")
		}
		fmt.Println("restarting", parameters.Service)
		return agent.Result{Output: "restarted", Data: map[string]int{"pid": 4711}}, nil
	})
	if err := device.Run(ctx); err != nil {
		log.Fatal(err)
	}
	// Output:
	// restarting telemetry
}

// ExampleAgent_Handle registers two handlers. The first only reads, so its command may run again
// after a power loss. The second takes a long time, and stops when its context ends.
func ExampleAgent_Handle() {
	device, err := agent.New(agent.Config{URL: "https://gateway.example.com", StateFile: "/var/lib/pump/device.json"})
	if err != nil {
		log.Fatal(err)
	}
	device.Handle("diagnostic.uptime", func(context.Context, agent.Command) (agent.Result, error) {
		text, err := os.ReadFile("/proc/uptime")
		return agent.Result{Output: string(text)}, err
	}, agent.Repeatable())
	device.Handle("valve.close", func(ctx context.Context, _ agent.Command) (agent.Result, error) {
		for turn := range 40 {
			select {
			case <-ctx.Done(): // cancelled, timed out, or the agent is shutting down
				return agent.Result{Data: map[string]int{"turns": turn}}, ctx.Err()
			default:
				turnValve()
			}
		}
		return agent.Result{Output: "closed"}, nil
	})
	fmt.Println("ready to Run")
	// Output: ready to Run
}

// turnValve simulates one turn of the valve.
func turnValve() {}

// exampleGateway starts a gateway that has one command, and returns its URL. It calls onResult
// when the result of the command has arrived. The gateway runs until the process ends.
func exampleGateway(onResult func()) (url string) {
	reply := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}
	}
	var claimed atomic.Bool
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/v1/device/register", reply(201, `{"deviceId":"dev_1","deviceSecret":"s3cret","registeredAt":"2025-11-22T20:15:04.120Z"}`))
	mux.HandleFunc("POST /api/v1/device/auth", reply(200, `{"token":"q8Zr1vTn","expiresInSeconds":604800,"expiresAt":"2025-11-29T20:15:04.120Z","deviceId":"dev_1"}`))
	mux.HandleFunc("POST /api/v1/device/heartbeat", reply(200, `{"serverTime":"2025-11-22T20:15:05.000Z","nextHeartbeatMs":30000,"pendingCommands":1,"cancelRequested":[]}`))
	mux.HandleFunc("POST /api/v1/device/commands/claim", func(w http.ResponseWriter, r *http.Request) {
		if claimed.Swap(true) {
			<-r.Context().Done()
			return
		}
		reply(200, `{"commands":[{"id":"cmd_1","type":"service.restart","parameters":{"service":"telemetry"},"claimToken":"t4Xn8qLz","leaseRemainingMs":60000}]}`)(w, r)
	})
	mux.HandleFunc("POST /api/v1/device/commands/cmd_1/result", func(w http.ResponseWriter, r *http.Request) {
		reply(200, `{"commandId":"cmd_1","status":"succeeded","late":false,"duplicate":false}`)(w, r)
		onResult()
	})
	return httptest.NewServer(mux).URL
}
