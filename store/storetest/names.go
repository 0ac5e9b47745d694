package storetest

import "github.com/fieldgate/fieldgate"

// NamesOf returns the names that tests give to the user with this id. They differ for each user.
func NamesOf(userID string) fieldgate.Names {
	return fieldgate.Names{Name: "Name of " + userID, Email: userID + "@example.com"}
}
