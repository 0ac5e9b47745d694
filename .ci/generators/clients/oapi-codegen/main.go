// Command oapi-codegen provisions a device with the generated client, registers it, and prints it.
package main

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"os"

	"github.com/fieldgate/fieldgate/.ci/generators/clients/oapi-codegen/generated"
)

func main() {
	if err := run(context.Background(), os.Args[1], os.Args[2]); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, url, token string) error {
	gateway, err := generated.NewClientWithResponses(url, generated.WithRequestEditorFn(func(_ context.Context, r *http.Request) error {
		r.Header.Set("Authorization", "Bearer "+token)
		return nil
	}))
	if err != nil {
		return err
	}
	provisioned, err := gateway.ProvisionDeviceWithResponse(ctx, nil, generated.ProvisionDeviceRequest{Name: "oapi-codegen"})
	if err != nil || provisioned.JSON201 == nil {
		return fmt.Errorf("provisioning: %v %s", err, provisioned.Status())
	}
	registered, err := gateway.RegisterDeviceWithResponse(ctx, nil, generated.RegisterDeviceRequest{
		ActivationCode: provisioned.JSON201.ActivationCode,
		Metadata:       &generated.DeviceMetadata{"model": "PX-400", "firmwareVersion": "2.8.1", "site": "north"},
	})
	if err != nil || registered.JSON201 == nil {
		return fmt.Errorf("registering: %v %s", err, registered.Status())
	}
	read, err := gateway.GetDeviceWithResponse(ctx, provisioned.JSON201.Device.Id)
	if err != nil || read.JSON200 == nil {
		return fmt.Errorf("reading: %v %s", err, read.Status())
	}
	_, err = os.Stdout.Write(read.Body)
	return err
}
