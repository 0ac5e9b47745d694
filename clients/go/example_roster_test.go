package fieldgate_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	fieldgate "github.com/fieldgate/fieldgate/clients/go"
)

// ExampleRoster_VerifyVote verifies, without trusting the gateway, that a user has approved a command. Only
// the roster is trusted, because the owner of the device has put it there.
func ExampleRoster_VerifyVote() {
	pinned, _, compact := exampleRoster()
	roster, err := fieldgate.ParseRoster(pinned)
	if err != nil {
		log.Fatal(err)
	}
	receipt, err := fieldgate.ParseUnverifiedReceipt(compact)
	if err != nil {
		log.Fatal(err)
	}
	for _, vote := range receipt.Votes {
		fmt.Println(vote.UserID, roster.VerifyVote(receipt.Statement, vote))
	}
	receipt.Votes[0].Assertion.CredentialID = "a key of a stranger"
	err = roster.VerifyVote(receipt.Statement, receipt.Votes[0])
	fmt.Println("ask for a later roster:", errors.Is(err, fieldgate.ErrNotInRoster))
	// Output:
	// bob <nil>
	// ask for a later roster: true
}

// ExampleDeviceClient_FollowRoster keeps the newest version of the roster. A version that the users of the
// version before have not signed is refused.
func ExampleDeviceClient_FollowRoster() {
	pinned, later, _ := exampleRoster()
	known, err := fieldgate.ParseRoster(pinned)
	if err != nil {
		log.Fatal(err)
	}
	newest, err := exampleDevice().FollowRoster(context.Background(), known)
	if err != nil {
		log.Fatal(err)
	}
	kept := newest.Chain() // write it to a file, and read it at the next start:
	newest, err = known.Follow(kept)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("version", newest.Version)
	for _, approver := range newest.Approvers {
		fmt.Println(approver.UserID, "has", len(approver.Passkeys), "passkey")
	}
	_, err = newest.Follow(pinned)
	fmt.Println("back to the first version:", errors.Is(err, fieldgate.ErrRosterInvalid), len(later) > len(pinned))
	// Output:
	// version 2
	// alice has 1 passkey
	// bob has 1 passkey
	// dave has 1 passkey
	// back to the first version: true true
}
