package fieldgate_test

import (
	"context"
	"fmt"
	"log"

	fieldgate "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/clients/go/passkeytest"
)

// ExampleCustomerClient_RegisterPasskey registers a passkey. A browser creates it from the options; here, it
// is one in software.
func ExampleCustomerClient_RegisterPasskey() {
	ctx := context.Background()
	customer := exampleCustomer()
	options, err := customer.CreatePasskeyOptions(ctx)
	if err != nil {
		log.Fatal(err)
	}
	created := passkeytest.New(options.Rp.ID, "https://example.com").Register(options.Challenge)
	if _, err := customer.RegisterPasskey(ctx, fieldgate.RegisterPasskeyRequest{Name: "Key ring", Credential: created}); err != nil {
		log.Fatal(err)
	}
	for key, err := range customer.AllPasskeys(ctx, fieldgate.ListPasskeysParams{}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(key.ID, key.Name)
	}
	first, err := customer.Passkeys(ctx, fieldgate.ListPasskeysParams{Limit: 1})
	if err != nil {
		log.Fatal(err)
	}
	if err := customer.DeletePasskey(ctx, first.Items[0].ID); err != nil {
		log.Fatal(err)
	}
	// Output: 9gSyTZxQTPGNCUq1rvFQ9A Key ring
}

// ExampleCustomerClient_SetRoster adds the first version of a roster, which its approvers have signed.
func ExampleCustomerClient_SetRoster() {
	ctx := context.Background()
	customer := exampleCustomer()
	now, err := customer.Roster(ctx)
	if err != nil {
		log.Fatal(err)
	}
	bob := passkeytest.New("example.com", "https://example.com")
	version := passkeytest.Roster{
		Tenant: "c.acme", Version: len(now.Versions) + 1, Threshold: 1, Users: map[string][]*passkeytest.Passkey{"bob": {bob}},
	}.Sign(bob)
	changed, err := customer.SetRoster(ctx, fieldgate.SetRosterRequest{
		Document: version.Document, Signatures: []fieldgate.PasskeyAssertion{*passkeytest.Response(version.Signatures[0])},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(changed.Versions), "version")
	// Output: 1 version
}
