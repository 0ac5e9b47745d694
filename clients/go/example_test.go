package fieldgate_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/gorilla/websocket"

	fieldgate "github.com/fieldgate/fieldgate/clients/go"
)

// A device from its first switching on to its first result. A real one keeps its
// secret, and the claim token until the result is reported, where they survive a reboot.
func Example_device() {
	url := exampleGateway()
	ctx := context.Background()

	gateway, err := fieldgate.New(url, fieldgate.WithUserAgent("pump-firmware/2.8.1"))
	if err != nil {
		log.Fatal(err)
	}
	registered, err := gateway.Register(ctx, fieldgate.RegisterDeviceRequest{ActivationCode: "7K2M-Q9TX-4WPA"},
		fieldgate.WithIdempotencyKey("PX4-001873 first start"))
	if err != nil {
		log.Fatal(err)
	}
	device := gateway.Device(registered.DeviceID, registered.DeviceSecret)

	commands, err := device.Claim(ctx, fieldgate.ClaimRequest{WaitMs: 20_000})
	if err != nil {
		log.Fatal(err)
	}
	for _, command := range commands {
		fmt.Println("working on", command.Type, string(command.Parameters))
		recorded, err := device.SubmitResult(ctx, command.ID, fieldgate.ResultRequest{
			ClaimToken: command.ClaimToken,
			Status:     fieldgate.ResultStatusSucceeded,
			Output:     "telemetry restarted",
		})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println("it is", recorded.Status)
	}
	// Output:
	// working on service.restart {"service":"telemetry"}
	// it is succeeded
}

// A person opens a session, or uses the one that is open, and proposes a command in it.
func Example_customer() {
	url := exampleGateway()
	ctx := context.Background()

	gateway, err := fieldgate.New(url)
	if err != nil {
		log.Fatal(err)
	}
	customer := gateway.Customer(func(context.Context) (string, error) {
		return "the JWT of the signed-in user", nil
	})

	session, err := customer.OpenSession(ctx, fieldgate.OpenSessionRequest{
		DeviceID: deviceID, Type: fieldgate.SessionTypeRemediation,
	})
	var refused *fieldgate.APIError
	if errors.As(err, &refused) && refused.Code == fieldgate.CodeSessionActive {
		session, err = customer.Session(ctx, refused.SessionID)
	}
	if err != nil {
		log.Fatal(err)
	}

	priority := 9
	command, err := customer.Propose(ctx, session.ID, fieldgate.ProposeCommandRequest{
		Type:       "service.restart",
		Parameters: json.RawMessage(`{"service":"telemetry"}`),
		Priority:   &priority,
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("the command is", command.Status)
	// Output: the command is pending_approval
}

func ExampleCustomerClient_AllDevices() {
	url := exampleGateway()
	gateway, err := fieldgate.New(url)
	if err != nil {
		log.Fatal(err)
	}
	customer := gateway.Customer(fieldgate.Bearer("the JWT of the signed-in user"))

	params := fieldgate.ListDevicesParams{Status: fieldgate.DeviceStatusActive}
	for device, err := range customer.AllDevices(context.Background(), params) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(device.Name)
	}
	// Output:
	// Pump station 12
	// Pump station 13
}

// A device that claims when it is told to. Work that came while it was not connected is
// found as well, because it is told to after each connecting.
func ExampleDeviceClient_Connect() {
	url := exampleGateway()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()

	gateway, err := fieldgate.New(url)
	if err != nil {
		log.Fatal(err)
	}
	work := make(chan struct{}, 1)
	socket := gateway.Device(deviceID, deviceSecret).Connect(ctx, fieldgate.DeviceSocketConfig{
		OnCommands: func(int) {
			select {
			case work <- struct{}{}:
			default: // it is awake already
			}
		},
		OnCancel: func(commandID, reason string) { fmt.Println("to be stopped:", commandID, reason) },
	})

	<-work
	commands, err := socket.Claim(ctx, fieldgate.ClaimRequest{Limit: 10})
	if err != nil {
		log.Fatal(err)
	}
	for _, command := range commands {
		fmt.Println("working on", command.Type)
		outcome := fieldgate.ResultRequest{ClaimToken: command.ClaimToken, Status: fieldgate.ResultStatusSucceeded}
		recorded, err := socket.SubmitResult(ctx, command.ID, outcome)
		for errors.Is(err, fieldgate.ErrInterrupted) {
			recorded, err = socket.SubmitResult(ctx, command.ID, outcome)
		}
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println("it is", recorded.Status)
	}
	socket.Close()
	<-socket.Done()
	fmt.Println(socket.Err())
	// Output:
	// working on service.restart
	// it is succeeded
	// fieldgate: the socket is closed
}

// A page that shows what happens at a device. After a gap it reads the device again.
func ExampleCustomerClient_Connect() {
	url := exampleGateway()
	ctx := context.Background()

	gateway, err := fieldgate.New(url)
	if err != nil {
		log.Fatal(err)
	}
	customer := gateway.Customer(func(context.Context) (string, error) {
		return "the JWT of the signed-in user", nil
	})
	socket := customer.Connect(ctx, fieldgate.CustomerSocketConfig{
		OnState: func(state fieldgate.SocketState) {
			if state.Err != nil {
				log.Print("not connected, trying again in ", state.RetryIn, ": ", state.Err)
			}
		},
	})
	defer socket.Close()

	if _, err := socket.Subscribe(ctx, fieldgate.DeviceRoom(deviceID), ""); err != nil {
		log.Fatal(err)
	}
	for event, err := range socket.Events(ctx) {
		switch {
		case err != nil:
			log.Fatal(err)
		case event.Gap != "":
			fmt.Println("events are missing:", event.Gap)
		case event.Err != nil:
			fmt.Println("the room is no more:", event.Err)
		default:
			fmt.Println(event.Type)
		}
		if event.Type == "command.succeeded" {
			break
		}
	}
	// Output:
	// command.claimed
	// command.succeeded
}

// What to do with work whose lease is extended depends on the code.
func ExampleCodeOf() {
	url := exampleGateway()
	gateway, err := fieldgate.New(url)
	if err != nil {
		log.Fatal(err)
	}
	device := gateway.Device(deviceID, deviceSecret)

	_, err = device.Extend(context.Background(), commandID, fieldgate.ExtendRequest{
		ClaimToken: claimToken, ExtensionMs: 60_000,
	})
	switch fieldgate.CodeOf(err) {
	case fieldgate.CodeClaimSuperseded, fieldgate.CodeCommandFinished:
		fmt.Println("drop the work")
	case fieldgate.CodeClaimExpired:
		fmt.Println("finish and report")
	}
	// Output: drop the work
}

// exampleGateway answers the examples as the contract says. It ends with the process.
func exampleGateway() (url string) {
	json := func(status int, contentType, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", contentType)
			w.WriteHeader(status)
			fmt.Fprint(w, body)
		}
	}
	const value, problem = "application/json", "application/problem+json"
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/v1/device/register", json(201, value,
		`{"deviceId":"`+deviceID+`","deviceSecret":"`+deviceSecret+`","registeredAt":"2025-11-22T20:15:04.120Z"}`))
	mux.HandleFunc("POST /api/v1/device/auth", json(200, value,
		`{"token":"q8Zr1vTn","expiresInSeconds":604800,"expiresAt":"2025-11-29T20:15:04.120Z","deviceId":"`+deviceID+`"}`))
	mux.HandleFunc("POST /api/v1/device/commands/claim", json(200, value,
		`{"commands":[{"id":"`+commandID+`","type":"service.restart","parameters":{"service":"telemetry"},"claimToken":"`+claimToken+`"}]}`))
	mux.HandleFunc("POST /api/v1/device/commands/{id}/result", json(200, value,
		`{"commandId":"`+commandID+`","status":"succeeded","late":false,"duplicate":false}`))
	mux.HandleFunc("POST /api/v1/device/commands/{id}/extend", json(409, problem,
		`{"title":"A newer claim exists","status":409,"code":"claim_superseded","requestId":"`+requestID+`"}`))
	mux.HandleFunc("POST /api/v1/customer/sessions", json(409, problem,
		`{"title":"The device has an active session","status":409,"code":"session_active","sessionId":"`+sessionID+`"}`))
	mux.HandleFunc("GET /api/v1/customer/sessions/{id}", json(200, value, `{"id":"`+sessionID+`","status":"active"}`))
	mux.HandleFunc("POST /api/v1/customer/sessions/{id}/commands", json(201, value, `{"id":"`+commandID+`","status":"pending_approval"}`))
	mux.HandleFunc("GET /api/v1/customer/devices", func(w http.ResponseWriter, r *http.Request) {
		page := `{"items":[{"name":"Pump station 12"}],"nextCursor":"MDFq"}`
		if r.URL.Query().Get("cursor") != "" {
			page = `{"items":[{"name":"Pump station 13"}]}`
		}
		json(200, value, page)(w, r)
	})
	mux.HandleFunc("GET /api/v1/device/ws", exampleSocket(map[string]string{
		"claim":  `{"commands":[{"id":"` + commandID + `","type":"service.restart","parameters":{},"claimToken":"` + claimToken + `"}]}`,
		"result": `{"commandId":"` + commandID + `","status":"succeeded","late":false,"duplicate":false}`,
	}))
	mux.HandleFunc("GET /api/v1/customer/ws", exampleSocket(map[string]string{
		"subscribe": `{"room":"device:` + deviceID + `","offset":"1-0","resumed":false}`,
	}, `{"type":"event","data":{"room":"device:`+deviceID+`","offset":"2-0","type":"command.claimed"}}`,
		`{"type":"event","data":{"room":"device:`+deviceID+`","offset":"3-0","type":"command.succeeded"}}`))
	return httptest.NewServer(mux).URL
}

// exampleSocket replies to frames by their type, and says a few things after each reply.
func exampleSocket(replies map[string]string, events ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		upgrader := websocket.Upgrader{Subprotocols: []string{"fieldgate.v1"}}
		ws, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer ws.Close()
		p := &peer{ws: ws}
		p.welcome(25_000)
		p.serve(func(m message) {
			p.reply(m, json.RawMessage(replies[m.Type]))
			for _, event := range events {
				_ = ws.WriteMessage(websocket.TextMessage, []byte(event))
			}
		})
	}
}
