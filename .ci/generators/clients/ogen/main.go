// Command ogen provisions a device with the generated client, registers it, and prints it.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"

	"github.com/fieldgate/fieldgate/.ci/generators/clients/ogen/generated"
)

func main() {
	if err := run(context.Background(), os.Args[1], os.Args[2]); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, url, token string) error {
	gateway, err := generated.NewClient(url, credentials(token))
	if err != nil {
		return err
	}
	answer, err := gateway.ProvisionDevice(ctx, &generated.ProvisionDeviceRequest{Name: "ogen"}, generated.ProvisionDeviceParams{})
	provisioned, ok := answer.(*generated.ProvisionedDeviceHeaders)
	if !ok {
		return fmt.Errorf("provisioning: %v %+v", err, answer)
	}
	registered, err := gateway.RegisterDevice(ctx, &generated.RegisterDeviceRequest{
		ActivationCode: provisioned.Response.ActivationCode,
		Metadata:       generated.NewOptDeviceMetadata(generated.DeviceMetadata{"model": "PX-400", "firmwareVersion": "2.8.1", "site": "north"}),
	}, generated.RegisterDeviceParams{})
	if _, ok := registered.(*generated.RegisteredDeviceHeaders); !ok {
		return fmt.Errorf("registering: %v %+v", err, registered)
	}
	read, err := gateway.GetDevice(ctx, generated.GetDeviceParams{DeviceId: generated.AnyId(provisioned.Response.Device.ID)})
	device, ok := read.(*generated.DeviceHeaders)
	if !ok {
		return fmt.Errorf("reading: %v %+v", err, read)
	}
	return json.NewEncoder(os.Stdout).Encode(&device.Response)
}

// credentials is the token of a user. The client of a device would have that of a login.
type credentials string

// CustomerJWT implements generated.SecuritySource.
func (c credentials) CustomerJWT(context.Context, generated.OperationName) (generated.CustomerJWT, error) {
	return generated.CustomerJWT{Token: string(c)}, nil
}

// DeviceSession implements generated.SecuritySource.
func (c credentials) DeviceSession(context.Context, generated.OperationName) (generated.DeviceSession, error) {
	return generated.DeviceSession{}, fmt.Errorf("this is the client of a user")
}
