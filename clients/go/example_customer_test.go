package fieldgate_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"time"

	fieldgate "github.com/fieldgate/fieldgate/clients/go"
)

// Example_customer opens a session, or uses the active one, and proposes a command in it.
func Example_customer() {
	ctx := context.Background()
	gateway, err := fieldgate.New(exampleURL())
	if err != nil {
		log.Fatal(err)
	}
	customer := gateway.Customer(func(context.Context) (string, error) {
		return "the JWT of the signed-in user", nil
	})

	session, err := customer.OpenSession(ctx, fieldgate.OpenSessionRequest{
		DeviceID: deviceID, Type: fieldgate.SessionTypeRemediation,
	})
	var refusal *fieldgate.APIError
	if errors.As(err, &refusal) && refusal.Code == fieldgate.CodeSessionActive {
		session, err = customer.Session(ctx, refusal.SessionID)
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

// ExampleCustomerClient_Provision adds a device, and replaces its activation code when the
// first one is lost.
func ExampleCustomerClient_Provision() {
	ctx := context.Background()
	customer := exampleCustomer()
	provisioned, err := customer.Provision(ctx, fieldgate.ProvisionDeviceRequest{
		Name: "Pump station 12", ExternalID: "PX4-001873", Tags: fieldgate.Tags{"site": "leipzig"},
	}, fieldgate.WithIdempotencyKey("PX4-001873"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(provisioned.Device.Name, provisioned.ActivationCode)

	code, err := customer.IssueActivationCode(ctx, provisioned.Device.ID)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("new code:", code.ActivationCode)
	// Output:
	// Pump station 12 7K2M-Q9TX-4WPA
	// new code: 9B4H-M2KD-7XQE
}

func ExampleCustomerClient_Update() {
	ctx := context.Background()
	customer := exampleCustomer()
	device, err := customer.Device(ctx, deviceID)
	if err != nil {
		log.Fatal(err)
	}
	location := "Hall 4"
	device, err = customer.Update(ctx, device.ID, fieldgate.UpdateDeviceRequest{Location: &location})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(device.Name, "is in", device.Location)
	// Output: Pump station 12 is in Hall 4
}

// ExampleCustomerClient_Suspend shows a device that was stolen, found again, and later
// taken out of service.
func ExampleCustomerClient_Suspend() {
	ctx := context.Background()
	customer := exampleCustomer()
	device, err := customer.Suspend(ctx, deviceID, "stolen")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(device.Status)
	if _, err := customer.RevokeLogins(ctx, deviceID, "found again"); err != nil {
		log.Fatal(err)
	}
	if _, err := customer.ResolveIdentity(ctx, deviceID, "newest", "the copy of its disk is switched off"); err != nil {
		log.Fatal(err)
	}
	device, err = customer.Resume(ctx, deviceID, "found again")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(device.Status)
	if err := customer.Decommission(ctx, deviceID); err != nil {
		log.Fatal(err)
	}
	// Output:
	// suspended
	// active
}

// ExampleCustomerClient_Decide approves the commands that the user may decide on. The digest
// binds each decision to the command that was reviewed.
func ExampleCustomerClient_Decide() {
	ctx := context.Background()
	customer := exampleCustomer()
	for command, err := range customer.AllApprovals(ctx, fieldgate.ListApprovalsParams{}) {
		if err != nil {
			log.Fatal(err)
		}
		if !*command.MayDecide {
			continue
		}
		decided, err := customer.Decide(ctx, command.SessionID, fieldgate.DecisionRequest{
			CommandID: command.ID, Approved: true, Digest: command.Digest, Reason: "agreed with the site",
		})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(decided.Type, "is", decided.Status)
	}
	// Output: service.restart is queued
}

// ExampleCustomerClient_Output prints what a running command prints, until it has ended.
func ExampleCustomerClient_Output() {
	ctx, customer := context.Background(), exampleCustomer()
	for params := (fieldgate.GetCommandOutputParams{}); ; {
		output, err := customer.Output(ctx, sessionID, commandID, params)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%q\n", output.Output) // quoted: the text may contain control characters
		if output.Complete {
			return
		}
		params.Since = output.NextSince
		time.Sleep(time.Second) // or wait for the event command.progress
	}
	// Output: "block 17 written\n"
}

// ExampleCustomerClient_Cancel cancels a command that waits for its device, proposes it
// again, and closes the session.
func ExampleCustomerClient_Cancel() {
	ctx := context.Background()
	customer := exampleCustomer()
	command, err := customer.Command(ctx, sessionID, commandID)
	if err != nil {
		log.Fatal(err)
	}
	if command.Status == fieldgate.CommandStatusQueued {
		command, err = customer.Cancel(ctx, sessionID, commandID, "wrong device")
	}
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("the command is", command.Status)

	retried, err := customer.Retry(ctx, sessionID, commandID, "it was the right device")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("the new command is", retried.Status)
	session, err := customer.CloseSession(ctx, sessionID, "done")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("the session is", session.Status)
	// Output:
	// the command is cancelled
	// the new command is pending_approval
	// the session is closed
}

func ExampleCustomerClient_AllDevices() {
	params := fieldgate.ListDevicesParams{Status: fieldgate.DeviceStatusActive}
	for device, err := range exampleCustomer().AllDevices(context.Background(), params) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(device.Name)
	}
	// Output:
	// Pump station 12
	// Pump station 13
}

// ExampleCustomerClient_Devices reads individual pages, as a web page shows them.
func ExampleCustomerClient_Devices() {
	ctx := context.Background()
	customer := exampleCustomer()
	devices, err := customer.Devices(ctx, fieldgate.ListDevicesParams{Limit: 1})
	if err != nil {
		log.Fatal(err)
	}
	next, err := customer.Devices(ctx, fieldgate.ListDevicesParams{Limit: 1, Cursor: devices.NextCursor})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(devices.Items[0].Name, "and", next.Items[0].Name)

	sessions, err1 := customer.Sessions(ctx, fieldgate.ListSessionsParams{Status: fieldgate.SessionStatusActive})
	commands, err2 := customer.Commands(ctx, sessionID, fieldgate.ListCommandsParams{Limit: 200})
	approvals, err3 := customer.Approvals(ctx, fieldgate.ListApprovalsParams{})
	events, err4 := customer.Events(ctx, sessionID, fieldgate.ListSessionEventsParams{Limit: 50})
	connections, err5 := customer.Connections(ctx, fieldgate.ListConnectionsParams{})
	failed, err6 := customer.TenantCommands(ctx, fieldgate.ListTenantCommandsParams{Status: []fieldgate.CommandStatus{fieldgate.CommandStatusFailed}})
	if err := errors.Join(err1, err2, err3, err4, err5, err6); err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(sessions.Items), len(commands.Items), len(approvals.Items), len(events.Items), len(connections.Items), len(failed.Items))
	// Output:
	// Pump station 12 and Pump station 13
	// 1 1 1 1 1 1
}

// ExampleCustomerClient_AllTenantCommands prints what has failed on any device in the last day.
func ExampleCustomerClient_AllTenantCommands() {
	failed := fieldgate.ListTenantCommandsParams{
		Status: []fieldgate.CommandStatus{fieldgate.CommandStatusFailed, fieldgate.CommandStatusTimedOut},
		Since:  time.Now().Add(-24 * time.Hour),
	}
	for command, err := range exampleCustomer().AllTenantCommands(context.Background(), failed) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(command.Type, command.Status)
	}
	// Output:
	// service.restart queued
}

// ExampleCustomerClient_AllEvents prints the history of a device.
func ExampleCustomerClient_AllEvents() {
	ctx := context.Background()
	customer := exampleCustomer()
	for session, err := range customer.AllSessions(ctx, fieldgate.ListSessionsParams{DeviceID: deviceID}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println("session", session.Type)
		for command, err := range customer.AllCommands(ctx, session.ID, fieldgate.ListCommandsParams{}) {
			if err != nil {
				log.Fatal(err)
			}
			fmt.Println("command", command.Type, command.Status)
		}
		since := time.Date(2025, 11, 1, 0, 0, 0, 0, time.UTC)
		for event, err := range customer.AllEvents(ctx, session.ID, fieldgate.ListSessionEventsParams{Since: since}) {
			if err != nil {
				log.Fatal(err)
			}
			fmt.Println("event", event.Type, "by", event.Actor.ID)
		}
	}
	// Output:
	// session remediation
	// command service.restart queued
	// event command.proposed by ada
}

// ExampleCustomerClient_CloseConnection closes the sockets of devices that run an old firmware
// version. The devices may connect again.
func ExampleCustomerClient_CloseConnection() {
	ctx := context.Background()
	customer := exampleCustomer()
	for connection, err := range customer.AllConnections(ctx, fieldgate.ListConnectionsParams{}) {
		if err != nil {
			log.Fatal(err)
		}
		if connection.Agent != "pump-firmware/2.7.0" {
			continue
		}
		if err := customer.CloseConnection(ctx, connection.ID); err != nil {
			log.Fatal(err)
		}
		fmt.Println("closed", connection.ID)
	}
	// Output: closed con_3FYMTQ7K
}

// ExampleCustomerClient_CutOff cuts a user off whose laptop was stolen, and lists who is cut off.
func ExampleCustomerClient_CutOff() {
	ctx := context.Background()
	customer := exampleCustomer()
	if err := customer.CutOff(ctx, "mallory", fieldgate.CutOffRequest{Reason: "laptop stolen"}); err != nil {
		log.Fatal(err)
	}
	for cutOff, err := range customer.AllCutOffs(ctx, fieldgate.ListCutOffsParams{}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(cutOff.UserID, "was cut off by", cutOff.CutOffBy)
	}
	first, err := customer.CutOffs(ctx, fieldgate.ListCutOffsParams{Limit: 1})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(first.Items), "on the first page")
	// Output:
	// mallory was cut off by ada
	// 1 on the first page
}

// ExampleCustomerClient_IssueTicket requests a ticket for a web page. The page then opens
// wss://gateway.example.com/api/v1/customer/ws?ticket=... with the ticket.
func ExampleCustomerClient_IssueTicket() {
	ticket, err := exampleCustomer().IssueTicket(context.Background(), "https://fleet.example.com")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(ticket.Ticket)
	// Output: fgt_3FYMTQ7K
}

func ExampleCustomerClient_SystemInfo() {
	info, err := exampleCustomer().SystemInfo(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(info.Version, info.Environment)
	// Output: 1.4.0 production
}

func ExampleCustomerClient_Me() {
	me, err := exampleCustomer().Me(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(me.Name, "is", me.Role, "of", me.Tenant)
	// Output: Ada is approver of c.acme
}

func ExampleCustomerClient_Usage() {
	usage, err := exampleCustomer().Usage(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(free(usage.Limits, usage.Used), "devices can be added")
	// Output: 58 devices can be added
}

// free returns the number of devices that the tenant can add.
func free(limits fieldgate.UsageLimits, used fieldgate.UsageAmounts) int64 {
	return limits.Devices - used.Devices
}

// ExampleCustomerClient_Connect shows the events of a device. After a gap, it reads the
// current state of the device over HTTP.
func ExampleCustomerClient_Connect() {
	ctx := context.Background()
	customer := exampleCustomer()
	socket := customer.Connect(ctx, fieldgate.CustomerSocketConfig{
		OnState: func(state fieldgate.SocketState) {
			if state.Err != nil {
				log.Print("not connected, next attempt in ", state.RetryIn, ": ", state.Err)
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
			fmt.Println("the room has ended:", event.Err)
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

// ExampleCustomerSocket_Unsubscribe unsubscribes from the tenant's room and subscribes to a
// session's room.
func ExampleCustomerSocket_Unsubscribe() {
	ctx := context.Background()
	socket := exampleCustomer().Connect(ctx, fieldgate.CustomerSocketConfig{})
	if _, err := socket.Subscribe(ctx, fieldgate.TenantRoom, ""); err != nil {
		log.Fatal(err)
	}
	if err := socket.Unsubscribe(ctx, fieldgate.TenantRoom); err != nil {
		log.Fatal(err)
	}
	if _, err := socket.Subscribe(ctx, fieldgate.SessionRoom(sessionID), ""); err != nil {
		log.Fatal(err)
	}
	socket.Close()
	<-socket.Done()
	fmt.Println(socket.Err())
	// Output: fieldgate: the socket is closed
}
