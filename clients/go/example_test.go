package fieldgate_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log"
	"net/http"
	"strings"
	"time"

	fieldgate "github.com/fieldgate/fieldgate/clients/go"
)

// Example_device shows a device from its first start to its first result. A real device must
// store its secret where it survives a reboot. The same applies to each claim token until the
// result is submitted.
func Example_device() {
	ctx := context.Background()
	gateway, err := fieldgate.New(exampleURL(), fieldgate.WithUserAgent("pump-firmware/2.8.1"))
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
		fmt.Println("executing", command.Type, string(command.Parameters))
		recorded, err := device.SubmitResult(ctx, command.ID, fieldgate.ResultRequest{
			ClaimToken: command.ClaimToken,
			Status:     fieldgate.ResultStatusSucceeded,
			Output:     "telemetry restarted",
		})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println("the command is", recorded.Status)
	}
	// Output:
	// executing service.restart {"service":"telemetry"}
	// the command is succeeded
}

func ExampleNew() {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{RootCAs: x509.NewCertPool()} // for the certificate of a private CA
	gateway, err := fieldgate.New(exampleURL(),
		fieldgate.WithTransport(transport),
		fieldgate.WithTimeout(10*time.Second),
		fieldgate.WithMinRate(512), // for a link that is slower than 1 KiB/s
		fieldgate.WithMaxResponseBytes(1<<20),
	)
	if err != nil {
		log.Fatal(err)
	}
	version, err := gateway.Version(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(version.Version)
	// Output: 1.4.0
}

// ExampleGateway_Authenticate logs a device in without keeping its secret in memory. Such a
// client does not renew its login.
func ExampleGateway_Authenticate() {
	ctx := context.Background()
	gateway := exampleGateway()
	login, err := gateway.Authenticate(ctx, fieldgate.AuthenticateDeviceRequest{DeviceID: deviceID, DeviceSecret: deviceSecret})
	if err != nil {
		log.Fatal(err)
	}
	device := gateway.DeviceWithToken(fieldgate.Bearer(login.Token))
	command, err := device.Command(ctx, commandID)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(command.Type, command.Status)
	// Output: service.restart claimed
}

func ExampleGateway_Readiness() {
	ctx := context.Background()
	gateway := exampleGateway()
	if _, err := gateway.Health(ctx); err != nil {
		log.Fatal("the gateway is down: ", err)
	}
	readiness, err := gateway.Readiness(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("ready:", readiness.Ready, "redis:", readiness.Checks.Redis.Ok)
	// Output: ready: true redis: true
}

func ExampleDeviceClient_Heartbeat() {
	reply, err := exampleDevice().Heartbeat(context.Background(), fieldgate.HeartbeatRequest{
		Status:  fieldgate.HeartbeatStatusOk,
		Metrics: fieldgate.Metrics{"cpuPercent": 12.5},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("commands to cancel:", len(reply.CancelRequested))
	fmt.Println("next heartbeat in", time.Duration(reply.NextHeartbeatMs)*time.Millisecond)
	// Output:
	// commands to cancel: 1
	// next heartbeat in 30s
}

// ExampleDeviceClient_Release shows a device that shuts down before a factory reset.
func ExampleDeviceClient_Release() {
	ctx := context.Background()
	device := exampleDevice()
	commands, err := device.Claim(ctx, fieldgate.ClaimRequest{})
	if err != nil {
		log.Fatal(err)
	}
	for _, command := range commands {
		released, err := device.Release(ctx, command.ID, fieldgate.ReleaseRequest{ClaimToken: command.ClaimToken, Reason: "factory reset"})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println("the command is", released.Status)
	}
	if err := device.Logout(ctx); err != nil {
		log.Fatal(err)
	}
	// Output: the command is queued
}

// ExampleClaimedCommand_AsStated shows a device without the agent. It runs what the statement of a command
// says, and not the copy beside it.
func ExampleClaimedCommand_AsStated() {
	ctx := context.Background()
	device := exampleDevice()
	commands, err := device.Claim(ctx, fieldgate.ClaimRequest{})
	if err != nil {
		log.Fatal(err)
	}
	for _, claimed := range commands {
		command, err := claimed.AsStated("dev_7k01jd3qc9a5h7v2j8w4e6b0t1xm")
		switch {
		case errors.Is(err, fieldgate.ErrStatementVersion):
			fmt.Println("update the firmware")
		case err != nil:
			fmt.Println("not run:", err) // and submit a result with the status failed
		default:
			fmt.Println("executing", command.Type)
		}
	}
	// Output: executing service.restart
}

func ExampleParseStatement() {
	const encoded = "eyJjb21tYW5kIjoiY21kXzEiLCJkZXZpY2UiOnsiaWQiOiJkZXZfMSIsIm5hbWUiOiJQdW1wIDkifSwibWF4QXR0ZW1wdHMiOjEs" +
		"InBhcmFtZXRlcnMiOnt9LCJwb2xpY3kiOnt9LCJwcm9wb3NlciI6eyJpZCI6ImFsaWNlIiwia2luZCI6InBlcnNvbiJ9LCJ2ZXJzaW9uIjoxfQ"
	statement, err := fieldgate.ParseStatement(encoded)
	if err != nil {
		return
	}
	fmt.Println(statement.Device.Name, statement.Proposer.ID, statement.MaxAttempts)
	fmt.Println(statement.Digest[:32])
	// Output:
	// Pump 9 alice 1
	// e2de9a03774853440def1002a590dde2
}

// ExampleDeviceClient_Connect shows a device that claims when OnCommands is called. OnCommands
// is also called after each reconnect. The device thus finds the commands that arrived while it
// was not connected.
func ExampleDeviceClient_Connect() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	available := make(chan struct{}, 1)
	socket := exampleDevice().Connect(ctx, fieldgate.DeviceSocketConfig{
		OnCommands: func(int) {
			select {
			case available <- struct{}{}:
			default: // a claim is already due
			}
		},
		OnCancel: func(commandID, reason string) { fmt.Println("stopping", commandID, reason) },
	})

	<-available
	commands, err := socket.Claim(ctx, fieldgate.ClaimRequest{Limit: 10})
	if err != nil {
		log.Fatal(err)
	}
	for _, command := range commands {
		fmt.Println("executing", command.Type)
		result := fieldgate.ResultRequest{ClaimToken: command.ClaimToken, Status: fieldgate.ResultStatusSucceeded}
		recorded, err := socket.SubmitResult(ctx, command.ID, result)
		for errors.Is(err, fieldgate.ErrInterrupted) {
			recorded, err = socket.SubmitResult(ctx, command.ID, result)
		}
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println("the command is", recorded.Status)
	}
	socket.Close()
	<-socket.Done()
	fmt.Println(errors.Is(socket.Err(), fieldgate.ErrSocketClosed))
	// Output:
	// executing service.restart
	// the command is succeeded
	// true
}

// ExampleDeviceSocket shows the calls Heartbeat, Extend, ReportProgress and Release over a socket.
func ExampleDeviceSocket() {
	ctx := context.Background()
	socket := exampleDevice().Connect(ctx, fieldgate.DeviceSocketConfig{})
	defer socket.Close()

	if _, err := socket.Heartbeat(ctx, fieldgate.HeartbeatRequest{Status: fieldgate.HeartbeatStatusBusy}); err != nil {
		log.Fatal(err)
	}
	lease, err := socket.Extend(ctx, commandID, fieldgate.ExtendRequest{ClaimToken: claimToken, ExtensionMs: 60_000})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("the lease ends in", time.Duration(lease.LeaseRemainingMs)*time.Millisecond)
	percent := 10.0
	reported, err := socket.ReportProgress(ctx, commandID, fieldgate.ProgressRequest{ClaimToken: claimToken, Seq: 1, Percent: &percent, Output: "erasing\n"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("a user wants the command to stop:", reported.CancelRequested)
	released, err := socket.Release(ctx, commandID, fieldgate.ReleaseRequest{ClaimToken: claimToken})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("the command is", released.Status)
	// Output:
	// the lease ends in 1m0s
	// a user wants the command to stop: false
	// the command is queued
}

// ExampleDeviceSocket_Err shows a socket that the gateway has closed, because another
// process has opened a socket with the same identity.
func ExampleDeviceSocket_Err() {
	device := exampleGateway().DeviceWithToken(fieldgate.Bearer("superseded"))
	socket := device.Connect(context.Background(), fieldgate.DeviceSocketConfig{})
	<-socket.Done()
	var closed *fieldgate.CloseError
	if errors.As(socket.Err(), &closed) && closed.Code == fieldgate.CloseSuperseded {
		fmt.Println(closed.Reason)
	}
	// Output: a newer socket of this device replaced this one
}

// ExampleDeviceClient_ReportProgress reports how far a command is, and stops it if a user wants that.
func ExampleDeviceClient_ReportProgress() {
	percent, message := 42.5, "writing block 17 of 40"
	reply, err := exampleDevice().ReportProgress(context.Background(), commandID, fieldgate.ProgressRequest{
		ClaimToken: claimToken, Seq: 3, Percent: &percent, Message: &message, Output: "block 17 written\n",
	})
	if err != nil {
		log.Print(err) // the command goes on
	}
	fmt.Println("stop:", reply.CancelRequested)
	// Output: stop: true
}

// ExampleCodeOf shows how a device acts on the refusal to extend a lease.
func ExampleCodeOf() {
	_, err := exampleDevice().Extend(context.Background(), commandID, fieldgate.ExtendRequest{
		ClaimToken: claimToken, ExtensionMs: 60_000,
	})
	switch fieldgate.CodeOf(err) {
	case fieldgate.CodeClaimSuperseded, fieldgate.CodeCommandFinished:
		fmt.Println("stop and discard the result")
	case fieldgate.CodeClaimExpired:
		fmt.Println("continue and submit the result")
	}
	// Output: stop and discard the result
}

// ExampleContextWithRequestID shows a request id that the program chooses. The id is also in
// the logs of the gateway.
func ExampleContextWithRequestID() {
	ctx := fieldgate.ContextWithRequestID(context.Background(), "boot-7.extend-1")
	_, err := exampleDevice().Extend(ctx, commandID, fieldgate.ExtendRequest{ClaimToken: claimToken, ExtensionMs: 60_000})
	var refusal *fieldgate.APIError
	if errors.As(err, &refusal) {
		fmt.Println(refusal.Status, refusal.Code, refusal.RequestID)
	}
	// Output: 409 claim_superseded boot-7.extend-1
}

// ExampleContextWithTraceparent passes a span to the gateway, here one of OpenTelemetry.
func ExampleContextWithTraceparent() {
	carrier := map[string]string{"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"} // from propagation.TraceContext
	ctx := fieldgate.ContextWithTraceparent(context.Background(), carrier["traceparent"])
	proposed, err := exampleCustomer().Propose(ctx, sessionID, fieldgate.ProposeCommandRequest{Type: "diagnostic.dns"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(proposed.Status)
	// Output: pending_approval
}

// ExampleTraceparentFromContext shows how the handler of an agent continues the trace of its command.
func ExampleTraceparentFromContext() {
	handler := func(ctx context.Context) string {
		return fieldgate.TraceparentFromContext(ctx) // for propagation.TraceContext, which returns the span to start from
	}
	ctx := fieldgate.ContextWithTraceparent(context.Background(), "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	fmt.Println(handler(ctx))
	// Output: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01
}

// ExampleTruncateResult shortens a result before the device stores it.
func ExampleTruncateResult() {
	output := string(make([]byte, fieldgate.MaxOutput+1))
	result := fieldgate.TruncateResult(fieldgate.ResultRequest{Output: output, Error: "exit status 1"})
	fmt.Println(len(result.Output) < len(output), len(result.Error) <= fieldgate.MaxError)
	// Output: true true
}

// ExampleTruncateText shortens an output for a link that does not carry all of it.
func ExampleTruncateText() {
	output := fieldgate.TruncateText(string(make([]byte, 100_000)), 3<<10)
	fmt.Println(len(output) <= 3<<10, strings.HasSuffix(output, "[cut, 100000 characters in all]"))
	// Output: true true
}
