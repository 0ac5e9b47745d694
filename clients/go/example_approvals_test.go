package fieldgate_test

import (
	"context"
	"fmt"
	"log"

	fieldgate "github.com/fieldgate/fieldgate/clients/go"
)

// ExampleCustomerClient_BreakGlass withdraws an approval, approves the command alone, and reviews that as
// another user.
func ExampleCustomerClient_BreakGlass() {
	ctx := context.Background()
	admin, reviewer := exampleCustomer(), exampleCustomer()
	command, err := admin.WithdrawVote(ctx, sessionID, commandID, "the site called back")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(command.Approval.Votes), "of", command.Approval.Required, "approvals")
	command, err = admin.BreakGlass(ctx, sessionID, commandID, fieldgate.BreakGlassRequest{
		Reason: "the line stands still and no other approver is awake", Digest: command.Digest,
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(command.Type, "is", command.Status)
	command, err = reviewer.ReviewBreakGlass(ctx, sessionID, commandID, "it was necessary")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("reviewed by", command.BreakGlass.ReviewedBy.ID)
	// Output:
	// 0 of 2 approvals
	// service.restart is queued
	// reviewed by carol
}

// ExampleCustomerClient_Receipt reads who has approved a command, and does not trust the gateway in it.
// Obtain the keys on another way than the receipt.
func ExampleCustomerClient_Receipt() {
	ctx := context.Background()
	keys, err := exampleGateway().ReceiptKeys(ctx)
	if err != nil {
		log.Fatal(err)
	}
	compact, err := exampleCustomer().Receipt(ctx, sessionID, commandID)
	if err != nil {
		log.Fatal(err)
	}
	receipt, err := keys.ParseReceipt(compact)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(receipt.Statement.Device.Name, "does what was approved by", len(receipt.Votes), "user")
	fmt.Println("users other than the proposer:", receipt.Approvers())
	// Output:
	// Pump 7 does what was approved by 1 user
	// users other than the proposer: 1
}

// ExampleParseReceiptKeys reads the keys that the image of a device contains.
func ExampleParseReceiptKeys() {
	keys, err := fieldgate.ParseReceiptKeys([]byte(`{"keys": [
		{"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": "2026", "x": "6kqMY7xdwiYd1MorIaVpodTHAeEpYBYcqSH_gyKAdlA"}
	]}`))
	if err != nil {
		log.Fatal(err)
	}
	_, err = keys.ParseReceipt("not a receipt")
	fmt.Println(err)
	// Output: reading a receipt: it is not a JWS in compact form
}

// ExampleCustomerClient_SetPolicy lets commands that read logs run without an approval. Another admin
// approves the change.
func ExampleCustomerClient_SetPolicy() {
	ctx := context.Background()
	customer := exampleCustomer()
	now, err := customer.Policy(ctx)
	if err != nil {
		log.Fatal(err)
	}
	logs := fieldgate.PolicyRule{Name: "logs", Types: []string{"diagnostic.logs"}, Effect: "auto"}
	changed, err := customer.SetPolicy(ctx, fieldgate.SetPolicyRequest{
		Version: now.Version, Rules: append([]fieldgate.PolicyRule{logs}, now.Rules...),
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("version", changed.Pending.Version, "waits, because it loosens", changed.Pending.Loosens)
	approved, err := customer.DecidePolicyChange(ctx, fieldgate.DecidePolicyRequest{Version: changed.Pending.Version, Approved: true})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("version", approved.Version, "applies")
	found, err := customer.EvaluatePolicy(ctx, fieldgate.EvaluatePolicyRequest{DeviceID: "dev_pump7", Type: "diagnostic.logs"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(found.Effect, "by", found.Rule)
	for version, err := range customer.AllPolicyVersions(ctx, fieldgate.ListPolicyVersionsParams{}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(version.Version, "by", version.ChangedBy)
	}
	first, err := customer.PolicyVersions(ctx, fieldgate.ListPolicyVersionsParams{Limit: 1})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(first.Items), "on the first page")
	// Output:
	// version 2 waits, because it loosens [logs]
	// version 2 applies
	// auto by logs
	// 2 by ada
	// 1 by ada
	// 2 on the first page
}
